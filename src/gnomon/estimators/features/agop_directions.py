"""Top eigenvectors of the average gradient outer product."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.estimators.features.conventions import AVERAGE, SINGLE_PRECISION, SOURCE
from gnomon.estimators.features.eigenvalues import Spectrum
from gnomon.estimators.features.outer_products import OuterProducts
from gnomon.measurement import Measurement, Quantity, Uncertainty

AGOP_DIRECTIONS = Quantity(
    name="agop_directions",
    symbol=r"v_j(M)",
    definition=r"M v_j = \lambda_j v_j,\quad \lVert v_j \rVert = 1",
    convention=(
        AVERAGE + " Leading eigenvectors, at most 4, up to the first that cannot be told from the next; the entry of "
        "largest size is positive; the intervals of all entries hold at once."
    ),
    source=SOURCE,
    dims=("site",),
    axes=("direction", "feature"),
    lowest=-1.0,
    highest=1.0,
)


def read_directions(
    products: OuterProducts,
    found: Spectrum,
    most: int,
    *,
    site: str,
    estimator: str,
    diagnostics: Mapping[str, object],
) -> Measurement:
    """The leading eigenvectors whose eigenvalues are told apart by the band."""
    rounding = SINGLE_PRECISION * float(products.traces.sum() / products.n)
    distinct = _told_apart(found, products.rows.shape[1], rounding)
    if distinct == 0:
        return Measurement.insufficient(
            AGOP_DIRECTIONS,
            "the largest eigenvalue cannot be told from the second",
            suffices={"examples": float(4 * len(products.counts))},
            site=site,
            estimator=estimator,
            diagnostics={**diagnostics, "bands": [found.low[:2].tolist(), found.high[:2].tolist()]},
        )
    vectors, errors, steepest = _eigenvectors(products, min(distinct, most))
    half = float(t.ppf(1 - 0.025 / vectors.size, len(products.counts) - 1)) * errors
    uncertainty = Uncertainty.interval(
        vectors - half,
        vectors + half,
        covers={"data", "probe"},
        effective_samples=float(len(products.counts)),
        systematic=SINGLE_PRECISION * steepest,
        systematic_source="gradients in single precision",
    )
    angles = np.degrees(np.arctan(np.sqrt(np.square(errors).sum(axis=1))))
    return Measurement.ok(
        AGOP_DIRECTIONS,
        vectors,
        uncertainty,
        site=site,
        estimator=estimator,
        diagnostics={**diagnostics, "angle_error_degrees": angles.tolist(), "told_apart": distinct},
    )


def _told_apart(found: Spectrum, width: int, rounding: float) -> int:
    """How many leading eigenvalues lie wholly above the next one; the last of all has none below it."""
    last = 0.0 if len(found.high) == width else found.high[-1]
    clear = found.low > np.append(found.high[1:], last) + rounding
    return int(np.argmin(clear)) if not clear.all() else len(clear)


def _eigenvectors(products: OuterProducts, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    r"""Leading eigenvectors, the errors of their entries, and the largest :math:`\lambda_1 / \text{gap}`.

    To first order :math:`\delta v_j = \sum_{k \ne j} v_k\, v_k^\top E v_j / (\lambda_j - \lambda_k)`, E the error
    of the matrix, to which each cluster contributes its own sum less its share.
    """
    values, vectors = products.axes
    along = products.rows @ vectors
    clusters = len(products.counts)
    chosen, errors, steepest = [], [], 1.0
    for j in range(number):
        gaps = values[j] - np.delete(values, j)
        shares = products.by_cluster(np.delete(along, j, axis=1) * along[:, [j]]) / products.n
        moves = (shares / gaps) @ np.delete(vectors, j, axis=1).T
        sign = np.sign(vectors[np.argmax(np.abs(vectors[:, j])), j])
        chosen.append(sign * vectors[:, j])
        errors.append(np.sqrt(clusters / (clusters - 1) * np.square(moves).sum(axis=0)))
        if len(gaps):
            steepest = max(steepest, float(values[0] / np.abs(gaps).min()))
    return np.clip(np.stack(chosen), -1.0, 1.0), np.stack(errors), steepest
