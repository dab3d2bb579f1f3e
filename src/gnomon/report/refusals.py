"""What could not be measured, and what would suffice: reasons that differ in their numbers alone are told once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.numbers import plain
from gnomon.report.readings import place
from gnomon.report.themes import rank, words

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")


@dataclass(frozen=True)
class Refusal:
    """Readings of one instrument that were refused for the same reason at the same places.

    ``quantities`` are names and titles; ``estimate`` is what was withheld.
    """

    quantities: tuple[tuple[str, str], ...]
    estimator: str
    status: str
    reason: str
    places: tuple[str, ...]
    suffices: str
    estimate: str


def refusals(measurements: Sequence[Measurement]) -> list[Refusal]:
    """The refused measurements, grouped by estimator, places, and the words of the reason and of what suffices."""
    found: dict[tuple[str, ...], list[Measurement]] = {}
    for m in sorted(measurements, key=lambda m: rank(m.quantity)):
        if m.status != "ok":
            wording = (_NUMBER.sub("#", m.reason), _NUMBER.sub("#", _budget(m)))
            found.setdefault((m.quantity, m.estimator, m.status, *wording), []).append(m)
    alike: dict[tuple[object, ...], list[list[Measurement]]] = {}
    for members in found.values():
        first = members[0]
        reason, suffices = _together([m.reason for m in members]), _together([_budget(m) for m in members])
        places = tuple(place(m) for m in members)
        alike.setdefault((first.estimator, first.status, reason, suffices, places), []).append(members)
    return [_refusal(groups) for groups in alike.values()]


def _refusal(groups: Sequence[Sequence[Measurement]]) -> Refusal:
    """What is refused for several quantities alike; ``groups`` has the measurements of each."""
    members = groups[0]
    withheld = [(words(group[0].quantity).title, _estimate(group)) for group in groups]
    told = [estimate if len(groups) == 1 else f"{title}: {estimate}" for title, estimate in withheld if estimate]
    return Refusal(
        quantities=tuple((group[0].quantity, words(group[0].quantity).title) for group in groups),
        estimator=members[0].estimator,
        status=members[0].status,
        reason=_together([m.reason for m in members]),
        places=tuple(place(m) for m in members),
        suffices=_together([_budget(m) for m in members]),
        estimate="; ".join(told),
    )


def _together(texts: Sequence[str]) -> str:
    """One text for several that differ in their numbers alone, each number as the range of what it was."""
    words, *_ = (_NUMBER.split(text) for text in texts)
    numbers = zip(*(_NUMBER.findall(text) for text in texts), strict=True)
    ranges = []
    for found in numbers:
        ordered = sorted(set(found), key=lambda text: float(text.replace(",", "")))
        ranges.append(ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}")
    return "".join(itertools.chain.from_iterable(itertools.zip_longest(words, ranges, fillvalue="")))


def _budget(measurement: Measurement) -> str:
    return ", ".join(f"{plain(float(v))} {k.replace('_', ' ')}" for k, v in sorted(measurement.suffices.items()))


def _estimate(members: Sequence[Measurement]) -> str:
    """The point estimates that were withheld, as a range."""
    values = []
    for m in members:
        estimate = m.diagnostics.get("estimate")
        if isinstance(estimate, (int, float)) and np.isfinite(estimate):
            values.append(float(estimate))
    if not values:
        return ""
    low, high = plain(min(values)), plain(max(values))
    return low if low == high else f"{low} to {high}"
