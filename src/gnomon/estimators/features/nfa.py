"""The neural feature ansatz: does a layer's weight see the directions that the prediction depends on?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import t

from gnomon.estimators.features.conventions import AVERAGE, SINGLE_PRECISION, SOURCE
from gnomon.estimators.features.outer_products import OuterProducts, jackknife
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.subjects import Data, Subject, WeightMatrix
from gnomon.subjects.probe import probe_batch, trace
from gnomon.subjects.resolve import unusable

NFA_CORRELATION = Quantity(
    name="nfa_correlation",
    symbol=r"\rho_\mathrm{NFA}",
    definition=(
        r"\rho_\mathrm{NFA} = \frac{\langle W^\top W, M\rangle}{\lVert W^\top W\rVert_F \lVert M\rVert_F},\quad "
        r"M = \mathbb{E}\,\nabla_h f\,\nabla_h f^\top,\ h \text{ the input of } W"
    ),
    convention=(
        AVERAGE + " The gradient is that through this layer alone, Wᵀ times the gradient at its output; for "
        "convolutions the input is a patch. The correlation is the cosine of the two matrices, not centred."
    ),
    source=SOURCE + "; cosine as in Beaglehole, Mitliagkas & Agarwala (2024), arXiv:2402.05271",
    dims=("matrix",),
    lowest=0.0,
    highest=1.0,
)


def unreadable_layers(subject: Subject, data: Data, layers: list[str]) -> dict[str, str]:
    """Why the outputs of some of ``layers`` (labels of weights) cannot be captured.

    An expert that not all tokens visit, a weight that is used without its module being called, a module that is
    called twice.
    """
    batch = probe_batch(subject.module, data)
    assert batch is not None
    seen = trace(subject.module, batch)
    reasons = {label: unusable(seen, subject.layers[label].module) for label in layers}
    return {label: reason for label, reason in reasons.items() if reason}


def read_correlation(
    products: OuterProducts, matrix: WeightMatrix, *, estimator: str, diagnostics: Mapping[str, object]
) -> Measurement:
    r"""Cosine of WᵀW and M, with :math:`\lVert M \rVert_F` from pairs of different clusters, by the jackknife."""
    weight = matrix.values.double().cpu().numpy()
    inner = products.by_cluster(np.square(products.rows @ weight.T).sum(axis=1))
    norm, norms = products.squared_norm
    clusters = len(products.counts)
    gram = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
    size = float(np.linalg.norm(gram))
    if min(norm, norms.min(), inner.sum()) <= 0:
        return Measurement.insufficient(
            NFA_CORRELATION,
            f"the norm of M cannot be told from zero by the pairs of {clusters} clusters",
            suffices={"examples": float(4 * clusters)},
            site=matrix.site,
            estimator=estimator,
            diagnostics=diagnostics,
        )
    mean, means = inner.sum() / products.n, (inner.sum() - inner) / (products.n - products.counts)
    log, error = jackknife(np.log(mean / np.sqrt(norm)), np.log(means / np.sqrt(norms)))
    half = float(t.ppf(0.975, clusters - 1)) * error
    low, value, high = np.minimum(np.exp([log - half, log, log + half]) / size, 1.0)
    uncertainty = Uncertainty.interval(
        float(low),
        float(high),
        covers={"data", "probe"},
        effective_samples=float(clusters),
        systematic=SINGLE_PRECISION,
        systematic_source="gradients in single precision",
    )
    return Measurement.ok(
        NFA_CORRELATION,
        float(value),
        uncertainty,
        site=matrix.site,
        estimator=estimator,
        diagnostics=diagnostics,
    )
