"""Slices in which a network errs: sought on one half of the examples, confirmed on the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.errors.confirmation import Slice, confirm
from gnomon.assurance.errors.discovery import nominate
from gnomon.assurance.errors.features import Feature, FeatureTable, feature_table, words_of
from gnomon.assurance.errors.graded import Graded
from gnomon.measurement import Uncertainty
from gnomon.randomness import Rng

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Found:
    """What the search came to.

    Parameters
    ----------
    graded : the examples.
    held_out : ``(n,)``, those that slices were confirmed on.
    features : of how many features rules were made.
    slices : those nominated that could be tested, in that order; some are confirmed.
    rest : share of errors of the held-out examples in no slice, and its interval; ``None`` where there are none.
    unseen : descriptions of those nominated that no held-out example is of.
    level : of the intervals; the false discovery rate is one minus it.
    """

    graded: Graded
    held_out: Mask
    features: int
    slices: tuple[Slice, ...]
    rest: tuple[float, Uncertainty] | None
    unseen: tuple[str, ...]
    level: float

    @property
    def worst(self) -> tuple[float, Uncertainty] | None:
        """The largest share of errors of a slice or of the rest, with an interval for the largest true one.

        Its ends are the largest lower and the largest upper end of all, which hold at once. An unseen slice may be
        wrong throughout: the upper end is then 1.
        """
        rates = [(one.rate, one.rate_interval) for one in self.slices]
        if self.rest is not None:
            rates.append(self.rest)
        if not rates:
            return None
        interval = Uncertainty.interval(
            max(float(one.low or 0.0) for _, one in rates),
            1.0 if self.unseen else max(float(one.high or 0.0) for _, one in rates),
            level=self.level,
            covers={"data"},
            systematic=0.0,
        )
        return max(rate for rate, _ in rates), interval

    @property
    def confirmed(self) -> tuple[Slice, ...]:
        """Those that are."""
        return tuple(one for one in self.slices if one.confirmed)


def find_slices(
    graded: Graded,
    rng: Rng,
    *,
    known: Mask | None = None,
    groups: Mapping[str, NDArray[np.int64]] | None = None,
    most: int = 10,
    support: int = 5,
    level: float = 0.95,
) -> Found:
    """The slices of ``graded`` with more errors than the rest, sought on one half and confirmed on the other.

    `gnomon.assurance.errors.discovery.nominate` says how they are sought, and
    `gnomon.assurance.errors.confirmation.confirm` what is guaranteed of those confirmed.

    Parameters
    ----------
    known : ``(n,)``, the half to seek in; by default a random half of the clusters.
    groups : of activations, see `gnomon.assurance.errors.activation_groups`; fitted on the known half.
    most : how many may be nominated; fewer leave less to correct for.
    support : fewest clusters of a slice, and of its rest, in the half that is searched.
    """
    half = graded.half(rng) if known is None else known
    table = feature_table(graded, half, support=support, groups=groups)
    rules = nominate(graded, table, half, most=most, support=support)
    told = [(_told(rule.features, table, graded, half), rule.holds(table)) for rule in rules]
    slices, rest, unseen = confirm(graded, ~half, told, rng.child("confirm"), level=level)
    return Found(graded, ~half, len(table.features), tuple(slices), rest, unseen, level)


def _told(numbers: tuple[int, ...], table: FeatureTable, graded: Graded, half: Mask) -> str:
    return " and ".join(_described(table.features[n], table.member(n), graded, half) for n in numbers)


def _described(feature: Feature, member: Mask, graded: Graded, half: Mask) -> str:
    """A group of activations is told by the words that are in it more than elsewhere."""
    if feature.kind != "activations":
        return feature.description
    inside, outside = (Counter(_words(graded, half & m)) for m in (member, ~member))
    sizes = max(1, int((half & member).sum())), max(1, int((half & ~member).sum()))
    lift = {word: count / sizes[0] - outside[word] / sizes[1] for word, count in inside.items()}
    most = sorted(lift, key=lambda word: (-lift[word], word))[:3]
    return f"{feature.description} ({', '.join(most)})"


def _words(graded: Graded, chosen: Mask) -> list[str]:
    return [word for i in np.flatnonzero(chosen).tolist() for word in dict.fromkeys(words_of(graded.texts[i]))]
