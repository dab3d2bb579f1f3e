"""Noise in a weight matrix, and the singular values that noise does not explain."""

from __future__ import annotations

from typing import Any

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.noise_bulk import NoiseBulk, fit_noise_bulk
from gnomon.estimators.weights.single_entries import share_of_one_entry
from gnomon.estimators.weights.spectrum import spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty, Unit

MP_BULK_SCALE = Quantity(
    name="mp_bulk_scale",
    symbol=r"\sigma_\mathrm{MP}",
    unit=Unit.parse("weight"),
    definition=(
        r"W = S + E,\ \operatorname{rank} S \ll \min(N, M),\ E_{ij} \text{ independent of variance } "
        r"\sigma_\mathrm{MP}^2"
    ),
    convention="Standard deviation of the entries of the noise; zero rows and columns are left out.",
    source="Marchenko & Pastur, Math. USSR Sb. 1 (1967) 457",
    dims=("matrix",),
    invariances=("orthogonal_left_right", "transposition"),
    lowest=0.0,
)
SPIKES = Quantity(
    name="spikes",
    symbol=r"k_\mathrm{MP}",
    unit=Unit.parse("dimension"),
    definition=(
        r"k_\mathrm{MP} = \#\{i : s_i^2 > \sigma_\mathrm{MP}^2\,(\mu_{NM} + \varsigma_{NM} q)\},\ "
        r"q \text{ the quantile } 1 - a \text{ of the Tracy–Widom law}"
    ),
    convention=(
        "Singular values beyond the edge of noise with its Tracy–Widom fluctuation, at the level at which all matrices "
        "of the network together raise a false alarm with probability 0.01. A spike weaker than the threshold of Baik, "
        "Ben Arous and Péché, σ(NM)^(1/4), leaves no trace and is not counted."
    ),
    source="Johnstone, Ann. Statist. 29 (2001) 295; Baik, Ben Arous & Péché, Ann. Probab. 33 (2005) 1643",
    dims=("matrix",),
    invariances=("scaling", "orthogonal_left_right", "transposition"),
    lowest=0.0,
)

_SMALLEST = 16
_LEVEL = 0.95
_MOST_OF_ONE_ENTRY = 0.2


@register
class MarchenkoPasturBulk(MatrixEstimator):
    r"""The scale of a matrix's noise, and the number of singular values beyond its edge.

    Null ensemble: :math:`W = S + E` with :math:`S` of low rank and :math:`E_{ij}` independent, of variance
    :math:`\sigma^2` and finite fourth moment. The squared singular values of :math:`E` follow the Marchenko–Pastur law
    up to the edge :math:`\sigma^2(\sqrt N + \sqrt M)^2`, around which the largest one fluctuates by the Tracy–Widom law
    of order 1. A direction of :math:`S` shows as a spike beyond it when it is stronger than
    :math:`\sigma (NM)^{1/4}`. `fit_noise_bulk` says how the two are told apart.

    Level: noise alone raises a false alarm in one or more of the :math:`m` matrices of a network with probability
    ``level``; each matrix is tested at :math:`a = 1 - (1 - \mathrm{level})^{1/m}`, which the diagnostics state. It
    holds for entries with tails up to about those of the Laplace law, whose kurtosis shifts the edge; for Student's
    law with 5 degrees of freedom it is exceeded several times.

    Uncertainty: over redrawing :math:`E` ("seed"). The interval of ``spikes`` at 95 % ends below at the count itself
    (that a spike is false is rarer than ``level``) and above at the count of all eigenvalues beyond the 4 % quantile
    of noise's largest one: a spike that the edge's fluctuation hides is among them. Several spikes close to the
    threshold push each other further down and may be missed altogether. The interval of ``mp_bulk_scale`` follows
    from the kurtosis of the entries, and its systematic part is what the scale would change if those hidden spikes
    were real.

    Insufficient: fewer than 16 rows or columns; a bulk that does not follow the Marchenko–Pastur law; a spike of which
    one entry makes more than a fifth, as independent entries with heavy tails do. Estimates are then under
    ``diagnostics``. Cost: one singular value decomposition, shared, and for a matrix with spikes an
    eigendecomposition.

    Source: Marchenko & Pastur (1967); Johnstone (2001); Baik, Ben Arous & Péché (2005); Kritchman & Nadler, IEEE Trans.
    Signal Process. 57 (2009) 3930.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(64, 32, bias=False)
    >>> noise = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))
    >>> layer.weight.data = noise + 30 * torch.ones(32, 64) / 2048**0.5
    >>> scale, spikes = MarchenkoPasturBulk().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> round(scale.value, 1), spikes.value
    (1.0, 1.0)
    """

    name = "marchenko_pastur_bulk"
    quantities = (MP_BULK_SCALE, SPIKES)

    def __init__(self, *, level: float = 0.01) -> None:
        self.level = level

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        spectrum = spectrum_of(matrix.values)
        if min(spectrum.rows, spectrum.columns) < _SMALLEST:
            shape = f"{spectrum.rows} × {spectrum.columns}"
            return self._declined(matrix, f"{shape} nonzero rows and columns, fewer than {_SMALLEST}", None, {})
        each = level_of_each(self.level, matrix.family)
        bulk = fit_noise_bulk(spectrum, false_alarm=each, hidden=1 - _LEVEL - self.level)
        if bulk is None:
            return self._declined(matrix, "half of the singular values or more are zero or spikes", None, {})
        diagnostics = {
            "level_of_network": self.level,
            "level_of_matrix": each,
            "matrices": matrix.family,
            "edge": bulk.edge,
            "misfit": bulk.misfit,
            "misfit_allowed": bulk.tolerance,
            "kurtosis": spectrum.kurtosis,
        }
        if bulk.spikes:
            diagnostics["share_of_one_entry"] = share_of_one_entry(matrix.values, bulk.spikes)
        reason = _objection(bulk, diagnostics.get("share_of_one_entry", 0.0))
        if reason:
            return self._declined(matrix, reason, bulk, diagnostics)
        scale = Uncertainty.stderr(
            bulk.scale,
            bulk.error,
            covers={"seed"},
            level=_LEVEL,
            systematic=bulk.scale - bulk.lowest_scale,
            systematic_source="spikes hidden in the edge's fluctuation",
        )
        count = Uncertainty.interval(bulk.spikes, bulk.most_spikes, covers={"seed"}, level=_LEVEL, systematic=0.0)
        return [
            Measurement.ok(quantity, value, uncertainty, site=matrix.site, estimator=self.name, diagnostics=diagnostics)
            for quantity, value, uncertainty in (
                (MP_BULK_SCALE, bulk.scale, scale),
                (SPIKES, bulk.spikes, count),
            )
        ]

    def _declined(
        self, matrix: Matrix, reason: str, bulk: NoiseBulk | None, diagnostics: dict[str, Any]
    ) -> list[Measurement]:
        estimates = {} if bulk is None else {MP_BULK_SCALE.name: bulk.scale, SPIKES.name: bulk.spikes}
        return [
            Measurement.insufficient(
                q,
                reason,
                site=matrix.site,
                estimator=self.name,
                diagnostics={**diagnostics, "estimate": estimates.get(q.name)},
            )
            for q in self.quantities
        ]

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Noise of known scale, Gaussian or as layers are initialised, with and without planted spikes."""
        never_false = (0.97, 1.0)
        return (
            KnownAnswer(name="scale of Gaussian noise", quantity="mp_bulk_scale", make=known.gaussian_scale),
            KnownAnswer(name="scale of default initialisation", quantity="mp_bulk_scale", make=known.initial_scale),
            KnownAnswer(name="scale under three spikes", quantity="mp_bulk_scale", make=known.spiked_scale),
            KnownAnswer(
                name="Gaussian noise",
                quantity="spikes",
                make=known.gaussian_spikes,
                coverage=never_false,
                reads_ok=0.95,
            ),
            KnownAnswer(
                name="default initialisation",
                quantity="spikes",
                make=known.initial_spikes,
                coverage=never_false,
                reads_ok=0.95,
            ),
            KnownAnswer(name="three spikes", quantity="spikes", make=known.planted_spikes, coverage=never_false),
        )


def level_of_each(level: float, matrices: int) -> float:
    """Level of each of so many tests for which one or more false alarms have probability ``level``."""
    return float(1 - (1 - level) ** (1 / max(matrices, 1)))


def _objection(bulk: NoiseBulk, share: float) -> str:
    if not bulk.fits:
        return (
            f"the bulk does not follow the Marchenko–Pastur law: its counting function is off by {bulk.misfit:.1f} "
            f"eigenvalues, noise by at most {bulk.tolerance:.1f}"
        )
    if share > _MOST_OF_ONE_ENTRY:
        return f"a single entry makes {share:.0%} of a spike, as independent entries with heavy tails do"
    return ""
