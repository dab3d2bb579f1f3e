"""Confirming nominated slices on examples that took no part in nominating them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import hypergeom

from gnomon.assurance.errors.graded import Graded
from gnomon.measurement import Uncertainty
from gnomon.randomness import Rng
from gnomon.statistics import Family, mean, proportion

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_DRAWS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """A nominated slice, and what the held-out half says of it.

    Parameters
    ----------
    description : in words.
    apart_from : descriptions of the slices before it, whose examples are left out of it and of the rest.
    inside : ``(n,)`` of all examples: those of the slice.
    examples, clusters : how many the held-out half has of them.
    rate, rate_interval : share of errors in the slice; this and the other intervals hold for all slices at once.
    rest, rest_interval : share of errors among the others; likewise.
    excess, excess_interval : the difference; likewise.
    p_value : of the slice having no more errors than the rest.
    adjusted : p-value after correction for all that were nominated; at most 1 - level where it is confirmed.
    confirmed : whether it is.
    """

    description: str
    apart_from: tuple[str, ...]
    inside: Mask
    examples: int
    clusters: int
    rate: float
    rate_interval: Uncertainty
    rest: float
    rest_interval: Uncertainty
    excess: float
    excess_interval: Uncertainty
    p_value: float
    adjusted: float
    confirmed: bool


class Confirmation(NamedTuple):
    """What the held-out half says.

    Parameters
    ----------
    slices : those that could be tested.
    rest : share of errors of the held-out examples in none of these, and its interval; ``None`` where there are none.
    unseen : descriptions of the nominated slices without held-out examples, of whose errors nothing is known.
    """

    slices: list[Slice]
    rest: tuple[float, Uncertainty] | None
    unseen: tuple[str, ...]


def confirm(
    graded: Graded,
    held_out: Mask,
    nominated: Sequence[tuple[str, Mask]],
    rng: Rng,
    *,
    level: float = 0.95,
) -> Confirmation:
    r"""Each of the ``nominated`` slices on the ``held_out`` examples, corrected for how many there are.

    The j-th slice :math:`S_j` is tested apart from those before it: :math:`H_j` says that errors are no more frequent
    in :math:`S_j \setminus \bigcup_{i<j} S_i` than outside of :math:`S_1, \dots, S_j`. The p-value is that of
    `exact_p_value`, for which a cluster counts as one, and 1 where the share of errors of all examples is no larger in
    the slice (as it may be where large clusters err less). Slices were nominated on other clusters, so it is valid
    however they were sought. As the tests share the rest, the false discovery rate is kept by Benjamini and Yekutieli's
    correction, which holds for any dependence: of the confirmed slices an expected share of at most ``1 - level`` has
    no more errors than the rest.

    The intervals of all m slices, of the others of each, and of what is in no slice hold at once (Bonferroni, 2m + 1
    of them), hence those of the confirmed, whatever confirmed them: of shares of errors by
    `gnomon.statistics.proportion` (errors between 0 and 1: by `gnomon.statistics.mean`), of the excess from the ends of
    two shares, which holds where these hold, whatever clusters they have in common.

    A slice without held-out examples, or without a rest, is not tested and counts as nominated with the p-value 1. The
    examples of one without a rest are told as the rest of the others; one without examples is ``unseen``.

    Parameters
    ----------
    nominated : descriptions, and ``(n,)`` the examples of each; in the order of their nomination.

    Sources: Benjamini & Yekutieli, Annals of Statistics 29 (2001) 1165; Cox, Biometrika 62 (1975) 441 (splitting).
    """
    names = [f"{number}: {description}" for number, (description, _) in enumerate(nominated)]
    p_values = dict.fromkeys(names, 1.0)
    tested: list[_Tested] = []
    unseen: list[str] = []
    taken = np.zeros(len(graded), dtype=bool)
    rest = held_out
    for number, (name, (description, member)) in enumerate(zip(names, nominated, strict=True)):
        one = _Tested(number, member & ~taken, held_out & member & ~taken, held_out & ~(member | taken))
        taken |= member
        if not one.here.any():
            unseen.append(description)
        elif one.there.any():
            rest = one.there
            used, stream = one.here | one.there, rng.child(number)
            if graded.errors[one.here].mean() > graded.errors[one.there].mean():
                p_values[name] = exact_p_value(graded.errors[used], one.here[used], graded.clusters[used], stream)
            tested.append(one)
    parts = [part for one in tested for part in (one.here, one.there)]
    shares = shares_at_once(graded, [*parts, rest] if rest.any() else parts, level)
    adjusted = Family("slices", tuple(names)).benjamini_yekutieli(p_values) if names else {}
    slices = []
    for one, (inside, outside) in zip(tested, zip(shares[0::2], shares[1::2], strict=False), strict=False):
        name = names[one.number]
        slices.append(
            Slice(
                description=nominated[one.number][0],
                apart_from=tuple(before for before, _ in nominated[: one.number]),
                inside=one.inside,
                examples=int(one.here.sum()),
                clusters=len(np.unique(graded.clusters[one.here])),
                rate=inside[0],
                rate_interval=inside[1],
                rest=outside[0],
                rest_interval=outside[1],
                excess=inside[0] - outside[0],
                excess_interval=difference_interval(outside[1], inside[1]),
                p_value=p_values[name],
                adjusted=adjusted[name],
                confirmed=adjusted[name] <= 1 - level,
            )
        )
    return Confirmation(slices, shares[-1] if rest.any() else None, tuple(unseen))


@dataclass(frozen=True, eq=False)
class _Tested:
    """A slice apart from those before it, in all examples; and in the held-out ones, beside the others."""

    number: int
    inside: Mask
    here: Mask
    there: Mask


def exact_p_value(errors: Array, inside: Mask, clusters: NDArray[np.int64], rng: Rng) -> float:
    r"""p-value of errors being no more frequent ``inside`` than elsewhere, valid at every n.

    With independent answers that are right or wrong it is Fisher's: given how many errors there are in all, their
    number inside is hypergeometric where both rates are equal. Where examples come in clusters, one example is drawn
    from each cluster, and an error e between 0 and 1 becomes 1 with probability e; both leave independent answers with
    the same rates (of an example of a random cluster). Of 100 such draws the p-values :math:`p_r` are merged to
    :math:`\min(1, \frac2{100} \sum_r p_r)`, which is a p-value whatever their dependence.

    Sources: Fisher, Journal of the Royal Statistical Society 98 (1935) 39; Vovk & Wang, arXiv:1212.4966.

    >>> one = np.arange(20)
    >>> round(exact_p_value(np.repeat([1.0, 0.0], 10), one < 10, one, Rng(0)), 7)
    5.4e-06
    """
    _, ids = np.unique(clusters, return_inverse=True)
    if np.isin(errors, (0.0, 1.0)).all() and len(ids) == int(ids.max(initial=-1)) + 1:
        return float(_fisher(errors @ inside, errors.sum(), inside.sum(), len(errors)))
    generator = rng.numpy()
    drawn = np.stack([_one_each(ids, generator) for _ in range(_DRAWS)])
    wrong = errors[drawn] > generator.random(drawn.shape)
    within = inside[drawn]
    p = _fisher((wrong & within).sum(axis=1), wrong.sum(axis=1), within.sum(axis=1), drawn.shape[1])
    return float(min(1.0, 2 * p.mean()))


def share(graded: Graded, chosen: Mask, level: float) -> tuple[float, Uncertainty]:
    """The mean error of the ``chosen``, with an interval that no dependence inside a cluster breaks."""
    errors, clusters = graded.errors[chosen], graded.clusters[chosen]
    if graded.binary:
        return proportion(errors, clusters, level=level)
    return mean(errors, clusters, level=level, within=(0.0, 1.0))


def difference_interval(first: Uncertainty, second: Uncertainty) -> Uncertainty:
    """Of the second share less the first, from intervals of both that hold at once, at the level at which they do."""
    lows, highs = zip(*((float(u.low or 0.0), float(u.high or 0.0)) for u in (first, second)), strict=True)
    return Uncertainty.interval(
        lows[1] - highs[0],
        highs[1] - lows[0],
        level=float(second.level or 0.0),
        covers={"data"},
        effective_samples=second.effective_samples,
        systematic=0.0,
    )


def shares_at_once(graded: Graded, chosen: Sequence[Mask], level: float) -> list[tuple[float, Uncertainty]]:
    """The mean error of each of the ``chosen`` parts; all intervals hold at once at ``level`` (Bonferroni)."""
    if not chosen:
        return []
    each = Family("parts", tuple(map(str, range(len(chosen))))).simultaneous(level)
    found = (share(graded, part, each) for part in chosen)
    return [(value, replace(interval, level=level)) for value, interval in found]


def _one_each(ids: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """A random member of each cluster."""
    order = np.lexsort((generator.random(len(ids)), ids))
    return np.asarray(order[np.searchsorted(ids[order], np.arange(int(ids.max()) + 1))])


def _fisher(hits: ArrayLike, errors: ArrayLike, inside: ArrayLike, total: int) -> Array:
    return np.asarray(hypergeom.sf(np.asarray(hits) - 1, total, errors, inside), dtype=np.float64)
