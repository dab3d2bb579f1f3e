"""Intrinsic dimension from generalised ratios, at every scale and continued to infinite n."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.geometry import known
from gnomon.estimators.geometry.dimension import DIMENSION, DimensionEstimator
from gnomon.estimators.geometry.row_estimator import suffices
from gnomon.estimators.geometry.scaling import LEVEL, SCALES, SPLITS, Reading, Scaling
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.subjects import RowAccumulator

_SOURCE = "Denti, Doimo, Laio & Mira, Scientific Reports 12 (2022) 20005, arXiv:2104.13832"

GRIDE_DIMENSION = Quantity(
    name="gride_dimension",
    symbol=r"d_\mathrm{G}",
    unit=DIMENSION,
    definition=r"d_\mathrm{G} = \lim_{n \to \infty} d_\mathrm{G}(n/m)",
    convention=(
        "The limit is taken along the scale curve gride_curve, with the exponent -2/d of a smooth manifold without "
        "boundary; neighbours as for twonn_dimension."
    ),
    source=_SOURCE,
    dims=("site",),
    invariances=("rotation", "translation", "scaling", "feature_permutation"),
    lowest=0.0,
)

GRIDE_CURVE = Quantity(
    name="gride_curve",
    symbol=r"d_\mathrm{G}(n/m)",
    unit=DIMENSION,
    definition=(
        r"d_\mathrm{G}(n/m) = \arg\max_d \mathbb{E} \ln f_m(\mu \mid d), \quad \mu = r_{2m}/r_m, \quad"
        r" f_m(\mu \mid d) = \frac{d\,(\mu^d-1)^{m-1}}{B(m,m)\,\mu^{(2m-1)d+1}}"
    ),
    convention=(
        f"m = {', '.join(map(str, SCALES))}; each is the dimension at its own scale, the one at which n/m rows are "
        "seen by their first two neighbours; neighbours as for twonn_dimension."
    ),
    source=_SOURCE,
    dims=("site",),
    axes=("scale",),
    invariances=("rotation", "translation", "scaling", "feature_permutation"),
    lowest=0.0,
)


@register
class Gride(DimensionEstimator):
    r"""Intrinsic dimension from the ratios :math:`r_{2m}/r_m` for m = 1, 2, 4, …, 32, and its continuation in n.

    Neighbours of order m and 2m see n rows as n/m rows would be seen by their first two, so the maximum-likelihood
    dimensions at all m are a curve over n. ``gride_dimension`` is the curve continued to :math:`n \to \infty` as
    :math:`\hat d(n/m) = d - c\,(m/n)^{2/d}`, the error of curvature and density; the systematic bound reaches to the
    uncorrected estimate on one side and to a continuation with :math:`(m/n)^{1/d}`, the error of a boundary, on the
    other. ``gride_curve`` is the curve itself, with an interval from the data at each scale.

    Parameters
    ----------
    rows : how many rows are sampled.

    Cost: one forward pass, shared; :math:`n^2 d` operations for the neighbours, shared with `TwoNN` and
    `LevinaBickel`.

    Source: Denti et al. (2022); decimation in n as in Facco et al., Scientific Reports 7 (2017) 12140.

    >>> import numpy as np, torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import ArrayData, Subject
    >>> square = np.random.default_rng(0).random((1000, 2)) @ np.random.default_rng(1).normal(size=(2, 16))
    >>> subject, data = Subject(torch.nn.Identity()), ArrayData(square)
    >>> d, curve = Gride().measure(subject, data, sites=("logits",), budget=Budget(), rng=Rng(0))
    >>> bool(abs(d.value - 2) < 0.2), d.uncertainty.contains(d.value, 2), curve.value.shape
    (True, True, (6,))
    """

    name = "gride"
    quantities = (GRIDE_DIMENSION, GRIDE_CURVE)

    def reading(self, scaling: Scaling) -> Reading:
        """See `DimensionEstimator.reading`."""
        return scaling.gride

    def report(self, scaling: Scaling, rows: RowAccumulator, site: str) -> list[Measurement]:
        """See `DimensionEstimator.report`; the curve comes second."""
        return [*super().report(scaling, rows, site), self._curve(scaling, rows, site)]

    def _curve(self, scaling: Scaling, rows: RowAccumulator, site: str) -> Measurement:
        missing = len(SCALES) - len(scaling.scales)
        if missing:
            reason = f"too few independent rows for the {missing} largest of {len(SCALES)} scales"
            return Measurement.insufficient(
                GRIDE_CURVE, reason, suffices=suffices(rows, 2.0**missing), site=site, estimator=self.name
            )
        half_width = scaling.curve_errors * t.ppf(0.5 + LEVEL / 2, SPLITS)
        distances = scaling.cloud.distances[:, [2 * m - 1 for m in scaling.scales]]
        return Measurement.ok(
            GRIDE_CURVE,
            scaling.curve,
            Uncertainty.interval(
                np.maximum(0, scaling.curve - half_width),
                scaling.curve + half_width,
                covers={"data"},
                level=LEVEL,
                effective_samples=float(scaling.clusters),
                systematic=0.0,
            ),
            site=site,
            estimator=self.name,
            diagnostics={"orders": list(scaling.scales), "mean_distances": distances.mean(axis=0)},
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """A cube, a Swiss roll, sequences, a cloud far from the origin, and a sphere that is flat at every scale."""
        names = ("10-cube", "Swiss roll", "sequences of dependent rows", "square far from the origin")
        return (*known.dimension_answers("gride_dimension", names), known.curve_answer())
