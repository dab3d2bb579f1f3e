"""Eigenvalues of the average gradient outer product."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnomon.estimators.features.conventions import AVERAGE, SINGLE_PRECISION, SOURCE
from gnomon.estimators.features.eigenvalues import Spectrum
from gnomon.estimators.features.outer_products import OuterProducts
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

AGOP_SPECTRUM = Quantity(
    name="agop_spectrum",
    symbol=r"\lambda_j(M)",
    unit=Unit.parse("output^2/activation^2"),
    definition=r"\lambda_j(M),\quad M = \mathbb{E}\,\nabla_h f\, \nabla_h f^\top",
    convention=AVERAGE + " The largest 16 eigenvalues, decreasing; the band holds all of them at once.",
    source=SOURCE,
    dims=("site",),
    axes=("component",),
    lowest=0.0,
)

_LARGEST_FACTOR = 10.0


def read_spectrum(
    products: OuterProducts, found: Spectrum, *, site: str, estimator: str, diagnostics: Mapping[str, object]
) -> Measurement:
    """The spectrum, unless not even its largest value is known to a factor of ten."""
    trace = float(products.traces.sum() / products.n)
    factor = float(found.high[0] / max(found.low[0], 1e-300))
    if factor > _LARGEST_FACTOR:
        return Measurement.insufficient(
            AGOP_SPECTRUM,
            f"the largest eigenvalue is known to a factor {factor:.3g} only",
            suffices={"examples": float(4 * len(products.counts))},
            site=site,
            estimator=estimator,
            diagnostics={**diagnostics, "estimate": found.values.tolist()},
        )
    uncertainty = Uncertainty.interval(
        found.low,
        found.high,
        covers={"data", "probe"},
        effective_samples=float(len(products.counts)),
        systematic=SINGLE_PRECISION * trace,
        systematic_source="gradients in single precision",
    )
    return Measurement.ok(
        AGOP_SPECTRUM,
        found.values,
        uncertainty,
        site=site,
        estimator=estimator,
        diagnostics={**diagnostics, "trace": trace, "bracket": np.stack([found.below, found.above]).tolist()},
    )
