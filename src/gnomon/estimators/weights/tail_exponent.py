"""Heavy-tail exponent of the eigenvalue spectrum of a weight matrix, where there is evidence for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import KnownAnswer, register
from gnomon.estimators.weights import known
from gnomon.estimators.weights.marchenko_pastur_bulk import level_of_each
from gnomon.estimators.weights.matrices import Matrix, MatrixEstimator
from gnomon.estimators.weights.noise_bulk import fit_noise_bulk
from gnomon.estimators.weights.power_law import PowerLaws, fit_power_laws, resampled_power_laws, tail_sizes
from gnomon.estimators.weights.rival_laws import against_exponential, against_lognormal
from gnomon.estimators.weights.shuffled import displaced_by_order
from gnomon.estimators.weights.spectrum import Spectrum, spectrum_of
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng

TAIL_EXPONENT = Quantity(
    name="tail_exponent",
    symbol=r"\alpha",
    definition=r"\rho(\lambda) \propto \lambda^{-\alpha} \text{ for } \lambda \ge x_\min,\ \lambda_i = s_i(W)^2",
    convention=(
        "Exponent of the density of eigenvalues of WᵀW, which are taken as independent draws from it. Read only where "
        "noise, spikes, shuffled entries, an exponential and a lognormal law do not explain the spectrum as well."
    ),
    source=(
        "Clauset, Shalizi & Newman, SIAM Review 51 (2009) 661, arXiv:0706.1062; of weight matrices: Martin & Mahoney, "
        "arXiv:1810.01075"
    ),
    dims=("matrix",),
    invariances=("scaling", "orthogonal_left_right", "transposition"),
    lowest=1.0,
)

_LEVEL = 0.95
_FEWEST = 50
_FEWEST_DISPLACED = 10
_REPLICATES = 1000
_REFUTED = 0.005
_SHORTEST_SPAN = 2.0
_FALSE_ALARM, _HIDDEN = 0.01, 0.04
_FLOPS_PER_NUMBER = 40.0  # of a tail, in one fit: an exponential, four passes, a sort


@dataclass(frozen=True, eq=False)
class _Tail:
    """A spectrum's fit and everything that was found out about it."""

    fit: PowerLaws
    excess: NDArray[np.float64]
    diagnostics: dict[str, Any]

    @property
    def points(self) -> int:
        return int(self.fit.points[0])

    @property
    def alpha(self) -> float:
        return 1.0 + float(self.fit.shape[0])


@register
class TailExponent(MatrixEstimator):
    r"""Exponent of a heavy tail, :math:`\rho(\lambda) \propto \lambda^{-\alpha}`, of eigenvalues of :math:`W^\top W`.

    Above :math:`x_\min` the k eigenvalues give the likelihood's maximum, freed of its bias,
    :math:`\hat\alpha = 1 + (k-1)/\sum_i \ln(\lambda_i/x_\min)`; :math:`x_\min` is the eigenvalue for which the
    Kolmogorov–Smirnov distance of the tail to its power law is smallest, among 40 sizes of tail.

    **Interval.** In 1000 replicates drawn from the fit (its power law above, the eigenvalues themselves below), all is
    estimated anew, :math:`x_\min` included. The scatter of :math:`\ln(\hat\alpha^* - 1)` around
    :math:`\ln(\hat\alpha - 1)`, among replicates whose tail is long enough to be read, gives the 95 % interval: for a
    spectrum that is a power law throughout, that scatter does not depend on :math:`\alpha`. It covers redrawing the
    eigenvalues ("seed"). Not covered: a density that approaches its power law only slowly, for which the exponent at
    any finite :math:`x_\min` is another one.

    **Verdict.** A power law is read only if all of this holds; otherwise the status is ``insufficient``, with the
    reason and the fit under ``diagnostics``.

    1. Noise does not explain the spectrum: it is not a Marchenko–Pastur bulk with fewer than 50 spikes
       (see `MarchenkoPasturBulk`). This alone turns away matrices as they are initialised.
    2. The tail has 50 eigenvalues or more, over a factor of two or more.
    3. An exponential law is no likelier (Vuong's ratio).
    4. The power law is not refuted at p = 0.005: neither by the distance (goodness of fit, from the same replicates)
       nor by the curvature of the tail in logarithms, which is the likelihood ratio against a lognormal law.
    5. The order of the entries matters: shuffled, they differ in 10 eigenvalues or more, at any scale.

    **What it cannot tell.** Of 300 eigenvalues, a broad lognormal law (:math:`\sigma \ge 1`) is read as a power law in
    most cases, for it is one to within the scatter over the range from :math:`x_\min` to the largest; an exponential
    spectrum in one case in seven. A steep tail of few eigenvalues (:math:`\alpha = 4`, about 100) is declined in one
    case in six. Vuong's ratios against both laws, with p-values, are in ``diagnostics``.

    Cost: one singular value decomposition, shared; where the cheap tests do not turn the matrix away, 40,000 fits of
    a tail and three more decompositions (on one core 0.1 s for 300 × 300, 0.8 s for 768 × 3072).

    Source: Clauset, Shalizi & Newman, SIAM Review 51 (2009) 661, arXiv:0706.1062; Vuong, Econometrica 57 (1989) 307;
    Malevergne, Pisarenko & Sornette, Phys. Rev. E 83 (2011) 036111. The practice it examines: Martin & Mahoney,
    arXiv:1810.01075.

    >>> import torch
    >>> from gnomon.estimators import Budget
    >>> from gnomon.randomness import Rng
    >>> from gnomon.subjects import Subject
    >>> layer = torch.nn.Linear(90, 80, bias=False)
    >>> layer.weight.data = torch.randn(80, 90, generator=torch.Generator().manual_seed(0))
    >>> [m] = TailExponent().measure(Subject(layer), None, sites=(), budget=Budget(), rng=Rng(0))
    >>> m.status, m.reason
    ('insufficient', 'no evidence of a heavy tail: noise with no spikes explains the spectrum')
    """

    name = "tail_exponent"
    quantities = (TAIL_EXPONENT,)

    def flops(self, rows: int, columns: int) -> float:
        """See `MatrixEstimator.flops`: four decompositions, and the replicates."""
        return 4 * super().flops(rows, columns) + _REPLICATES * _FLOPS_PER_NUMBER * float(
            tail_sizes(min(rows, columns)).sum()
        )

    def read(self, matrix: Matrix) -> list[Measurement]:
        """See `MatrixEstimator.read`."""
        spectrum = spectrum_of(matrix.values)
        logs = np.log(spectrum.eigenvalues)
        if len(logs) <= _FEWEST:
            reason = f"a tail needs {_FEWEST} eigenvalues, the matrix has {len(logs)} that are not zero"
            diagnostics = {"estimate": _fit(logs).alpha if len(tail_sizes(len(logs))) else None}
            return [
                Measurement.insufficient(
                    TAIL_EXPONENT, reason, site=matrix.site, estimator=self.name, diagnostics=diagnostics
                )
            ]
        tail = _fit(logs)
        reason = _turned_away(tail, spectrum, matrix.family)
        if reason:
            return [self._declined(matrix, reason, tail)]
        replicates = resampled_power_laws(logs, tail.fit, _REPLICATES, matrix.rng.child("replicates").numpy())
        reason = _refuted(tail, replicates) or _order_matters_not(tail, matrix, spectrum)
        if reason:
            return [self._declined(matrix, reason, tail)]
        low, high = _interval(tail, replicates)
        uncertainty = Uncertainty.interval(
            low, high, covers={"seed"}, level=_LEVEL, effective_samples=float(tail.points)
        )
        return [
            Measurement.ok(
                TAIL_EXPONENT,
                tail.alpha,
                uncertainty,
                site=matrix.site,
                estimator=self.name,
                diagnostics=tail.diagnostics,
            )
        ]

    def _declined(self, matrix: Matrix, reason: str, tail: _Tail) -> Measurement:
        return Measurement.insufficient(
            TAIL_EXPONENT,
            f"no evidence of a heavy tail: {reason}",
            site=matrix.site,
            estimator=self.name,
            diagnostics={"estimate": tail.alpha, **tail.diagnostics},
        )

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """Power-law spectra, with and without a body below the tail, and matrices that have no heavy tail."""
        name = "tail_exponent"
        read: list[tuple[str, Callable[[Rng], known.Known]]] = [
            ("Pareto spectrum, α = 2.5", known.pareto_2_5),
            ("Pareto spectrum, α = 3", known.pareto_3),
            ("Pareto spectrum, α = 4", known.pareto_4),
            ("Pareto tail above a body", known.pareto_tail),
        ]
        declined = [
            ("Gaussian noise", known.gaussian_tail),
            ("default initialisation", known.initial_tail),
            ("noise under ten spikes", known.spiked_tail),
        ]
        return (
            *(KnownAnswer(name=n, quantity=name, make=make, coverage=(0.9, 0.99), reads_ok=0.9) for n, make in read),
            *(
                KnownAnswer(
                    name=n,
                    quantity=name,
                    make=make,
                    coverage=(0.0, 1.0),
                    reads_ok=0.0,
                    insufficient_at_least=0.95,
                )
                for n, make in declined
            ),
        )


def _fit(logs: NDArray[np.float64]) -> _Tail:
    fit = fit_power_laws(logs[None])
    points = int(fit.points[0])
    excess = logs[:points] - logs[points]
    diagnostics = {
        "x_min": float(np.exp(logs[points])),
        "tail": points,
        "eigenvalues": len(logs),
        "largest_over_x_min": float(np.exp(excess[0])),
        "distance": float(fit.distance[0]),
    }
    return _Tail(fit, excess, diagnostics)


def _turned_away(tail: _Tail, spectrum: Spectrum, family: int) -> str:
    """What the cheap tests object to, or ``""``."""
    bulk = fit_noise_bulk(spectrum, false_alarm=level_of_each(_FALSE_ALARM, family), hidden=_HIDDEN)
    if bulk is not None:
        tail.diagnostics["spikes_beyond_noise"] = bulk.spikes
        tail.diagnostics["misfit_of_noise"] = bulk.misfit
        if bulk.fits and bulk.spikes < _FEWEST:
            return f"noise with {bulk.spikes or 'no'} spike{'s' * (bulk.spikes != 1)} explains the spectrum"
    if np.exp(tail.excess[0]) < _SHORTEST_SPAN:
        return f"the tail spans less than a factor of {_SHORTEST_SPAN:.0f}"
    if tail.points < _FEWEST:
        return f"the best x_min leaves {tail.points} eigenvalues, a tail needs {_FEWEST}"
    exponential, lognormal = against_exponential(tail.excess), against_lognormal(tail.excess)
    tail.diagnostics["exponential"] = exponential.to_json()
    tail.diagnostics["lognormal"] = lognormal.to_json()
    if exponential.total <= 0:
        return "an exponential law is at least as likely"
    return ""


def _refuted(tail: _Tail, replicates: PowerLaws) -> str:
    """Whether replicates of the power law look otherwise than the spectrum, or ``""``."""
    fit = float((1 + (replicates.distance >= tail.fit.distance).sum()) / (1 + _REPLICATES))
    straight = float((1 + (replicates.curvature <= tail.fit.curvature).sum()) / (1 + _REPLICATES))
    tail.diagnostics["goodness_of_fit_p"] = fit
    tail.diagnostics["lognormal"]["curvature_p"] = straight
    if fit < _REFUTED:
        return f"a power law is refuted by its goodness of fit, p = {fit:.3f}"
    if straight < _REFUTED:
        return f"a power law is refuted in favour of a lognormal, p = {straight:.3f}"
    return ""


def _order_matters_not(tail: _Tail, matrix: Matrix, spectrum: Spectrum) -> str:
    displaced, among_shuffles = displaced_by_order(matrix.values, spectrum, matrix.rng)
    tail.diagnostics["displaced_by_order"] = displaced
    tail.diagnostics["displaced_among_shuffles"] = among_shuffles
    if displaced < among_shuffles + _FEWEST_DISPLACED:
        return "the same entries in random order show the same spectrum"
    return ""


def _interval(tail: _Tail, replicates: PowerLaws) -> tuple[float, float]:
    shape = tail.alpha - 1
    readable = replicates.shape[replicates.points >= _FEWEST]
    scatter = np.quantile(np.log(readable / shape), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    high, low = 1 + shape * np.exp(-scatter)
    return float(min(low, tail.alpha)), float(max(high, tail.alpha))
