"""Confirming nominated slices on examples that took no part in nominating them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
    rate, rate_interval : share of errors in the slice; the interval holds for all nominated slices at once.
    rest : share of errors among the others.
    excess, excess_interval : the difference, and its interval; likewise.
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
    excess: float
    excess_interval: Uncertainty
    p_value: float
    adjusted: float
    confirmed: bool


def confirm(
    graded: Graded,
    held_out: Mask,
    nominated: Sequence[tuple[str, Mask]],
    rng: Rng,
    *,
    level: float = 0.95,
) -> list[Slice]:
    r"""Each of the ``nominated`` slices on the ``held_out`` examples, corrected for how many there are.

    The j-th slice :math:`S_j` is tested apart from those before it: :math:`H_j` says that errors are no more frequent
    in :math:`S_j \setminus \bigcup_{i<j} S_i` than outside of :math:`S_1, \dots, S_j`. The p-value is that of
    `exact_p_value`. Slices were nominated on other clusters, so it is valid however they were sought. As the tests
    share the rest, the false discovery rate is kept by Benjamini and Yekutieli's correction, which holds for any
    dependence: of the confirmed slices an expected share of at most ``1 - level`` has no more errors than the rest.

    Intervals hold for all nominated slices and the rest at once (Bonferroni), hence for those confirmed, whatever
    confirmed them: of shares of errors by `gnomon.statistics.proportion` (errors between 0 and 1: by
    `gnomon.statistics.mean`), of the excess from the ends of both shares, which holds whatever clusters they share.

    A slice without held-out examples, or without a rest, is left out and counts as nominated with the p-value 1.

    Parameters
    ----------
    nominated : descriptions, and ``(n,)`` the examples of each; in the order of their nomination.

    Sources: Benjamini & Yekutieli, Annals of Statistics 29 (2001) 1165; Cox, Biometrika 62 (1975) 441 (splitting).
    """
    if not nominated:
        return []
    names = [f"{number}: {description}" for number, (description, _) in enumerate(nominated)]
    family = Family("slices", tuple(names))
    each = slice_level(len(nominated), level)
    p_values, found = {}, []
    taken = np.zeros(len(graded), dtype=bool)
    for number, (name, (description, member)) in enumerate(zip(names, nominated, strict=True)):
        inside, outside = member & ~taken, ~(member | taken)
        taken |= member
        here, there = inside & held_out, outside & held_out
        p_values[name] = 1.0
        if not here.any() or not there.any():
            continue
        p_values[name] = exact_p_value(
            graded.errors[held_out], inside[held_out], outside[held_out], graded.clusters[held_out], rng.child(number)
        )
        rate, interval = share(graded, here, each)
        rest, _ = share(graded, there, each)
        found.append(
            (
                name,
                Slice(
                    description=description,
                    apart_from=tuple(before for before, _ in nominated[:number]),
                    inside=inside,
                    examples=int(here.sum()),
                    clusters=len(np.unique(graded.clusters[here])),
                    rate=rate,
                    rate_interval=interval,
                    rest=rest,
                    excess=rate - rest,
                    excess_interval=gap(graded, here, there, each),
                    p_value=p_values[name],
                    adjusted=1.0,
                    confirmed=False,
                ),
            )
        )
    adjusted = family.benjamini_yekutieli(p_values)
    return [_decided(one, adjusted[name], 1 - level) for name, one in found]


def slice_level(nominated: int, level: float) -> float:
    """The level of each interval at which those of so many slices, and of the rest, hold at once."""
    return Family("slices and rest", (*map(str, range(nominated)), "rest")).simultaneous(level)


def exact_p_value(errors: Array, inside: Mask, outside: Mask, clusters: NDArray[np.int64], rng: Rng) -> float:
    r"""p-value of errors being no more frequent ``inside`` than ``outside``, valid at every n.

    With independent answers that are right or wrong it is Fisher's: given how many errors there are in all, their
    number inside is hypergeometric where both rates are equal. Where examples come in clusters, one example is drawn
    from each cluster, and an error e between 0 and 1 becomes 1 with probability e; both leave independent answers with
    the same rates (of an example of a random cluster). Of 100 such draws the p-values :math:`p_r` are merged to
    :math:`\min(1, \frac2{100} \sum_r p_r)`, which is a p-value whatever their dependence.

    Sources: Fisher, Journal of the Royal Statistical Society 98 (1935) 39; Vovk & Wang, arXiv:1212.4966.

    >>> one = np.arange(20)
    >>> round(exact_p_value(np.repeat([1.0, 0.0], 10), one < 10, one >= 10, one, Rng(0)), 7)
    5.4e-06
    """
    used = inside | outside
    e, here = errors[used], inside[used]
    _, ids = np.unique(clusters[used], return_inverse=True)
    binary = bool(np.isin(e, (0.0, 1.0)).all())
    if binary and len(ids) == int(ids.max(initial=-1)) + 1:
        return float(_fisher(np.array([e @ here]), np.array([e.sum()]), np.array([here.sum()]), np.array([len(e)]))[0])
    generator = rng.numpy()
    drawn = np.stack([_one_each(ids, generator) for _ in range(_DRAWS)])
    wrong = e[drawn] > generator.random(drawn.shape)
    within = here[drawn]
    p = _fisher((wrong & within).sum(1), wrong.sum(1), within.sum(1), np.full(_DRAWS, drawn.shape[1]))
    return float(min(1.0, 2 * p.mean()))


def share(graded: Graded, chosen: Mask, level: float) -> tuple[float, Uncertainty]:
    """The mean error of the ``chosen``, with an interval that no dependence inside a cluster breaks."""
    errors, clusters = graded.errors[chosen], graded.clusters[chosen]
    if graded.binary:
        return proportion(errors, clusters, level=level)
    return mean(errors, clusters, level=level, within=(0.0, 1.0))


def _one_each(ids: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """A random member of each cluster."""
    order = np.lexsort((generator.random(len(ids)), ids))
    return np.asarray(order[np.searchsorted(ids[order], np.arange(int(ids.max()) + 1))])


def _fisher(hits: Array, errors: Array, inside: Array, total: Array) -> Array:
    return np.asarray(hypergeom.sf(hits - 1, total, errors, inside))


def gap(graded: Graded, here: Mask, there: Mask, level: float) -> Uncertainty:
    """From an interval of each share at half the remaining error."""
    half = (1 + level) / 2
    _, one = share(graded, here, half)
    _, two = share(graded, there, half)
    low, high = float(one.low or 0.0) - float(two.high or 0.0), float(one.high or 0.0) - float(two.low or 0.0)
    return Uncertainty.interval(
        low, high, level=level, covers={"data"}, effective_samples=one.effective_samples, systematic=0.0
    )


def _decided(one: Slice, adjusted: float, alpha: float) -> Slice:
    return Slice(**{**one.__dict__, "adjusted": adjusted, "confirmed": adjusted <= alpha})
