"""Strands: into how many subspaces the gradients of contexts fall, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.mixtures import quantities
from gnomon.structure.mixtures.expectation_maximisation import Fit
from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.mixture import Mixture, background_log_density, pooled_inverse
from gnomon.structure.mixtures.path import paths
from gnomon.structure.mixtures.reproduction import Halves, largest_reproduced
from gnomon.structure.subspace import Subspace

FEWEST_CONTEXTS = 32
_NAME = "mixture_of_subspaces"
_PER_DIMENSION = 40  # contexts of a strand for each of its dimensions, with which the known answers are found
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Strands:
    """What `find_strands` found.

    Parameters
    ----------
    mixture : strands in order of their share of contexts; `None` where there is no structure, or their number is
        ``insufficient``.
    probabilities : ``(n, k + 1)`` of each context given: that it belongs to each strand, or, last, to none. NaN where
        its gradient is zero, and everywhere where the number is ``insufficient``.
    measurements : by quantity: ``number_of_strands``, ``strand_dimensions``, ``strand_shares``,
        ``gradient_share_outside_strand``, ``strand_evidence`` and ``strand_angles``.
    strengths : ``(splits, most)`` prediction strength of each number of strands in each split.
    preferred : the number of strands that the penalised likelihood prefers, reproduced or not.
    fits : of each number of strands, to all contexts.
    """

    mixture: Mixture | None
    probabilities: Tensor
    measurements: Mapping[str, Measurement]
    strengths: Floats
    preferred: int
    fits: Mapping[int, Fit]

    @property
    def number(self) -> Measurement:
        """How many there are."""
        return self.measurements[quantities.NUMBER_OF_STRANDS.name]

    @property
    def subspaces(self) -> tuple[Subspace, ...]:
        """One a strand."""
        mixture = self.mixture
        return () if mixture is None else tuple(mixture.subspace(s) for s in range(mixture.strands))

    @property
    def labels(self) -> NDArray[np.int64]:
        """``(n,)`` the likeliest strand of each context; the number of strands for none."""
        none = self.probabilities.shape[1] - 1
        known = ~self.probabilities.isnan().any(dim=1)
        return torch.where(known, self.probabilities.nan_to_num().argmax(dim=1), none).numpy()


def find_strands(
    jacobians: Tensor,
    *,
    rng: Rng,
    clusters: NDArray[np.int64] | None = None,
    most: int = 20,
    most_dimension: int = 8,
    splits: int = 3,
    site: str | None = None,
) -> Strands:
    r"""Cluster gradients ``(n, d)``, or Jacobians ``(n, c, d)``, into subspaces through the origin.

    Directions are dithered for the fit (`Gradients.dithered`). A mixture of subspaces (`Mixture`) is fitted for every
    number of strands (`path`), to all contexts and to both halves of ``splits`` random splits. The number reported is
    the largest that the halves agree on: every group of one half is put together by the other half's mixture, too, for
    0.8 of its pairs. A mixture that is likelier than one covariance but is not found again is no group; 1 is one
    strand, and ``preferred`` says into how many pieces the likelihood would cut the continuum. The number is
    ``insufficient`` where more strands are likelier than are found again and contexts are fewer than 40 a
    dimension or d a strand (divided by c), and where as many as were tried are found again or likeliest.

    The number and the dimensions are whole numbers that are mostly exact, and sometimes wrong for reasons that
    resampling the same contexts does not show: their uncertainty is ``unknown``, and diagnostics hold what each split
    and each half found.

    Parameters
    ----------
    jacobians : of any scale: only directions count. Rows of a Jacobian are taken for independent.
    clusters : ``(n,)`` ids of dependent contexts; halves are split by them, and intervals count them once.
    most, most_dimension : largest number of strands, and largest dimension of one.
    site : where the gradients were taken, for the measurements.

    Raises
    ------
    GnomonError : on gradients that `Gradients.of` refuses, ``most`` below 2 or fewer than 2 splits.

    Cost: about :math:`10^3\, n c d\, k q` operations for k = ``most`` and q = ``most_dimension`` + 2, seven times.

    Source: see `Mixture`, `path` and `prediction_strength`.

    >>> generator = torch.Generator().manual_seed(0)
    >>> planes = torch.linalg.qr(torch.randn(3, 12, 2, generator=generator)).Q
    >>> which = torch.arange(600) % 3
    >>> gradients = torch.einsum("nr,ndr->nd", torch.randn(600, 2, generator=generator), planes[which])
    >>> gradients += 0.03 * torch.randn(600, 12, generator=generator)
    >>> found = find_strands(gradients, rng=Rng(0), most=6)
    >>> found.number.value, found.measurements["strand_dimensions"].value.tolist()
    (3.0, [2.0, 2.0, 2.0])
    """
    if most < 2 or splits < 2 or most_dimension < 1:
        raise GnomonError("strands need most ≥ 2, most_dimension ≥ 1 and splits ≥ 2")
    gradients = Gradients.of(jacobians, clusters)
    if min(len(gradients), len(np.unique(gradients.clusters))) < FEWEST_CONTEXTS:
        return _too_few(gradients, site)
    exact, gradients = gradients, gradients.dithered(rng.child("dither"))
    options = {"most": most, "most_rank": min(most_dimension, gradients.dimension - 1)}
    fits = paths(gradients, rng=rng.child("all"), **options)
    halves = [Halves.of(gradients, rng=rng.child("split", i), **options) for i in range(splits)]
    strengths = np.array([split.strengths(most) for split in halves])
    preferred = _preferred(gradients, fits)
    k = _number(fits, strengths, preferred)
    reader = _Reader(exact, gradients, fits, halves, strengths, preferred, k, site)
    return reader.strands()


def _preferred(gradients: Gradients, fits: Mapping[int, Fit], *, nested: bool = False) -> int:
    """The number of strands with the best penalised likelihood; a mixture has to beat one covariance as well.

    Strands inside of one another are not counted, unless asked for: the contexts of one strand that leave it by
    unequal shares look like that, and so do strands that some contexts mix.
    """
    several = [k for k, fit in fits.items() if k > 1 and (nested or fit.mixture.distinct)]
    single = fits[1].bayes
    if several:
        best = max(several, key=lambda k: fits[k].bayes)
        null = float(background_log_density(gradients, pooled_inverse(gradients)).sum())
        if fits[best].bayes > max(single, null, 0.0):
            return best
    return 1 if single > 0 else 0


def _number(fits: Mapping[int, Fit], strengths: Floats, preferred: int) -> int:
    """Preferred, if it is no more than one; else the largest number that is reproduced."""
    if preferred < 2:
        return preferred
    reproduced = np.median(strengths, axis=0)
    return largest_reproduced(np.where(np.isin(np.arange(1, len(reproduced) + 1), list(fits)), reproduced, 0.0))


class _Reader:
    """Measurements of the number chosen."""

    def __init__(
        self,
        exact: Gradients,
        gradients: Gradients,
        fits: Mapping[int, Fit],
        halves: list[Halves],
        strengths: Floats,
        preferred: int,
        k: int,
        site: str | None,
    ) -> None:
        self.exact, self.gradients, self.fits, self.halves = exact, gradients, fits, halves
        self.strengths, self.preferred, self.k, self.site = strengths, preferred, k, site
        self.clusters = len(np.unique(gradients.clusters))
        self.mixture = _in_order(fits[max(k, 1)].mixture)

    def strands(self) -> Strands:
        gradients, number = self.gradients, self._count()
        known = number.status == "ok"
        k = self.k if known else 0
        probabilities = torch.full((gradients.given, k + 1), torch.nan, dtype=torch.float64)
        kept = torch.from_numpy(gradients.kept)
        own = self.mixture.probabilities(gradients)
        if known:
            probabilities[kept] = own.cpu() if k else torch.ones(len(kept), 1, dtype=torch.float64)
        measured = [number, *(self._descriptions(own) if k else self._nothing(number.reason))]
        return Strands(
            self.mixture if k else None,
            probabilities,
            {m.quantity: m for m in measured},
            self.strengths,
            self.preferred,
            self.fits,
        )

    def _count(self) -> Measurement:
        each = [_number(self.fits, row[None], self.preferred) for row in self.strengths]
        typical = np.median(self.strengths, axis=0)
        diagnostics = {
            "preferred": self.preferred,
            "strength_of_preferred": float(typical[max(self.preferred, 1) - 1]),
            "strengths": typical,
            "number_of_each_split": np.array(each),
            "contexts": len(self.gradients),
        }
        short = self._short()
        if self.k < self.preferred and short:
            return Measurement.insufficient(
                quantities.NUMBER_OF_STRANDS,
                f"{self.preferred} strands are likelier than {self.k}, but {self.clusters} independent contexts do "
                "not show them again in halves",
                suffices={"examples": short},
                site=self.site,
                estimator=_NAME,
                diagnostics=diagnostics,
            )
        if self.preferred == 1 and _preferred(self.gradients, self.fits, nested=True) > 1:
            return Measurement.insufficient(
                quantities.NUMBER_OF_STRANDS,
                "strands inside of one another are likelier than one: it is of unequal noise, or contexts mix several",
                site=self.site,
                estimator=_NAME,
                diagnostics=diagnostics,
            )
        most = self.strengths.shape[1]
        if max(self.k, self.preferred) >= most:
            return Measurement.insufficient(
                quantities.NUMBER_OF_STRANDS,
                f"no more than {most} strands were tried, and {most} are the likeliest: ask for a larger `most`",
                site=self.site,
                estimator=_NAME,
                diagnostics=diagnostics,
            )
        return self._ok(quantities.NUMBER_OF_STRANDS, float(self.k), Uncertainty.unknown(), diagnostics)

    def _short(self) -> int:
        """How many contexts would show as many strands as are preferred, if these are too few; else 0."""
        mixture = self.fits[max(self.preferred, 1)].mixture
        rank = float(mixture.ranks.double().mean())
        each = max(_PER_DIMENSION * rank, self.gradients.dimension) / self.gradients.rows
        needed = math.ceil(each / float(mixture.shares[:-1].min().clamp(min=0.2 / mixture.strands)))
        return needed if needed > self.clusters else 0

    def _descriptions(self, own: Tensor) -> list[Measurement]:
        n, k = float(self.clusters), self.k
        shares = own[:, :k].mean(dim=0).cpu().numpy()
        errors = _cluster_errors(own[:, :k].cpu().numpy(), self.gradients.clusters)
        outside = self.mixture.outside(self.exact)
        e = ((own[:, :k] * outside).sum(dim=1) + own[:, k:].sum(dim=1)).cpu().numpy()
        error = float(_cluster_errors(e[:, None], self.gradients.clusters)[0])
        ranks, angles = self._matched()
        typical = np.median(angles, axis=0)
        return [
            self._ok(
                quantities.STRAND_DIMENSIONS,
                self.mixture.ranks.double().cpu().numpy(),
                Uncertainty.unknown(),
                {"of_each_half": ranks},
            ),
            self._ok(quantities.STRAND_SHARES, shares, _within(shares, errors, n)),
            self._ok(quantities.OUTSIDE_SHARE, float(e.mean()), _within(np.array(e.mean()), np.array(error), n)),
            self._evidence(),
            self._ok(quantities.STRAND_ANGLES, typical, Uncertainty.unknown(), {"of_each_split": angles}),
        ]

    def _nothing(self, undecided: str) -> list[Measurement]:
        every = (
            quantities.STRAND_DIMENSIONS,
            quantities.STRAND_SHARES,
            quantities.OUTSIDE_SHARE,
            quantities.STRAND_EVIDENCE,
            quantities.STRAND_ANGLES,
        )
        reason = undecided or "no subspace is likelier than uniform directions"
        return [Measurement.insufficient(q, reason, site=self.site, estimator=_NAME) for q in every]

    def _evidence(self) -> Measurement:
        """From the first split: each half under the fit of the other."""
        split = self.halves[0]
        gains, clusters = [], []
        for part, other, fits in (
            (split.first, split.second, split.fits[1]),
            (split.second, split.first, split.fits[0]),
        ):
            fitted = fits.get(self.k, fits[1]).mixture
            nulls = [torch.zeros(len(part)).to(fitted.leaks)]
            if self.k > 1:
                nulls = [
                    fits[1].mixture.log_likelihood(part),
                    background_log_density(part, pooled_inverse(other)),
                ]
            null = max(nulls, key=lambda values: float(values.mean()))
            gains.append((fitted.log_likelihood(part) - null).cpu().numpy())
            clusters.append(part.clusters)
        gain = np.concatenate(gains)
        error = float(_cluster_errors(gain[:, None], np.concatenate(clusters))[0])
        uncertainty = Uncertainty.stderr(
            float(gain.mean()), error, covers={"data"}, effective_samples=float(self.clusters)
        )
        return self._ok(quantities.STRAND_EVIDENCE, float(gain.mean()), uncertainty)

    def _matched(self) -> tuple[Floats, Floats]:
        """``(halves, k)`` ranks and ``(splits, k)`` angles of what the halves have in each strand's place."""
        ranks, angles = [], []
        for split in self.halves:
            halves = [_matching(self.mixture, fits[self.k].mixture) for fits in split.fits if self.k in fits]
            ranks += [half.ranks.cpu().numpy().astype(np.float64) for half in halves]
            if len(halves) == 2:
                own = self.mixture.ranks.tolist()
                pairs = [[_leading(half, s, own[s]) for half in halves] for s in range(self.k)]
                angles.append([float(first.angles(second).max()) / 2 for first, second in pairs])
        return np.array(ranks).reshape(-1, self.k), np.array(angles or [[math.pi / 4] * self.k])

    def _ok(
        self,
        quantity: Quantity,
        value: float | Floats,
        uncertainty: Uncertainty,
        diagnostics: Mapping[str, object] | None = None,
    ) -> Measurement:
        return Measurement.ok(
            quantity, value, uncertainty, site=self.site, estimator=_NAME, diagnostics=dict(diagnostics or {})
        )


def _too_few(gradients: Gradients, site: str | None) -> Strands:
    reason = f"{len(np.unique(gradients.clusters))} independent contexts; at least {FEWEST_CONTEXTS} are needed"
    number = Measurement.insufficient(
        quantities.NUMBER_OF_STRANDS, reason, suffices={"examples": FEWEST_CONTEXTS}, site=site, estimator=_NAME
    )
    nothing = torch.full((gradients.given, 1), torch.nan, dtype=torch.float64)
    return Strands(None, nothing, {number.quantity: number}, np.ones((0, 1)), 0, {})


def _in_order(mixture: Mixture) -> Mixture:
    return _taken(mixture, mixture.shares[:-1].argsort(descending=True).tolist())


def _taken(mixture: Mixture, order: list[int]) -> Mixture:
    shares = mixture.shares[[*order, mixture.strands]]
    return Mixture(mixture.bases[order], mixture.ranks[order], mixture.leaks[order], shares, mixture.background)


def _matching(mixture: Mixture, other: Mixture) -> Mixture:
    """The strands of ``other`` in the order in which they lie closest to those of ``mixture``."""
    projections = [[s.basis @ s.basis.T for s in map(m.subspace, range(m.strands))] for m in (mixture, other)]
    overlap = [[float((a * b).sum() / max(a.trace(), b.trace())) for b in projections[1]] for a in projections[0]]
    return _taken(other, linear_sum_assignment(-np.array(overlap))[1].tolist())


def _leading(mixture: Mixture, strand: int, rank: int) -> Subspace:
    """The leading directions of a strand, as many as asked for, whatever rank it was given."""
    return Subspace(mixture.bases[strand, :, :rank], torch.arange(rank, 0, -1))


def _cluster_errors(values: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Standard errors of the means of the columns of ``(n, m)``, dependent rows together."""
    ids, places = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(ids), values.shape[1]))
    np.add.at(sums, places, values - values.mean(axis=0))
    return np.asarray(np.sqrt(np.square(sums).sum(axis=0) * len(ids) / (len(ids) - 1)) / len(values))


def _within(value: Floats, error: Floats, clusters: float) -> Uncertainty:
    """95 % interval of a share, inside [0, 1]."""
    half = stats.t.ppf(0.975, clusters - 1) * error
    low, high = np.clip(value - half, 0.0, value), np.clip(value + half, value, 1.0)
    return Uncertainty.interval(low, high, covers={"data"}, effective_samples=clusters)
