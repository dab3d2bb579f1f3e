"""Effective dimension of the average gradient outer product."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import t

from gnomon.estimators.features.conventions import AVERAGE, SINGLE_PRECISION, SOURCE
from gnomon.estimators.features.outer_products import OuterProducts, jackknife
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

AGOP_EFFECTIVE_DIMENSION = Quantity(
    name="agop_effective_dimension",
    symbol=r"d_\mathrm{eff}(M)",
    unit=Unit.parse("dimension"),
    definition=r"d_\mathrm{eff}(M) = (\operatorname{tr} M)^2 / \operatorname{tr} M^2",
    convention=AVERAGE,
    source=SOURCE,
    dims=("site",),
    lowest=1.0,
)


def read_effective_dimension(
    products: OuterProducts, *, site: str, estimator: str, diagnostics: Mapping[str, object]
) -> Measurement:
    """Ratio of two unbiased estimates, on the logarithmic scale, corrected and given its error by the jackknife."""
    (trace, traces), (norm, norms) = products.squared_trace, products.squared_norm
    clusters, width = len(products.counts), products.rows.shape[1]
    plain = float(np.square(products.traces.sum()) / products.with_total.sum())
    if min(norm, norms.min(), trace, traces.min()) <= 0:
        return Measurement.insufficient(
            AGOP_EFFECTIVE_DIMENSION,
            f"tr M² cannot be told from zero by the pairs of {clusters} clusters",
            suffices={"examples": float(4 * clusters)},
            site=site,
            estimator=estimator,
            diagnostics={**diagnostics, "estimate": plain},
        )
    log, error = jackknife(np.log(trace / norm), np.log(traces / norms))
    half = float(t.ppf(0.975, clusters - 1)) * error
    low, value, high = np.clip(np.exp([log - half, log, log + half]), 1.0, width)
    uncertainty = Uncertainty.interval(
        float(low),
        float(high),
        covers={"data", "probe"},
        effective_samples=float(clusters),
        systematic=SINGLE_PRECISION * float(value),
        systematic_source="gradients in single precision",
    )
    return Measurement.ok(
        AGOP_EFFECTIVE_DIMENSION,
        float(value),
        uncertainty,
        site=site,
        estimator=estimator,
        diagnostics={**diagnostics, "without_bias_correction": plain},
    )
