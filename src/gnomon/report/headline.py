"""The numbers that say most about a network, in words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.certificates import Mark
from gnomon.report.content import Examination
from gnomon.report.figures.distribution import LEVELS
from gnomon.report.figures.heatmap import PAIR
from gnomon.report.numbers import Reading, plain, reading, seconds, unit_text
from gnomon.report.places import OUTPUT, depth
from gnomon.report.themes import words

MOST_CARDS = 8
Marks = Mapping[tuple[str, str], Mark]
Readings = Mapping[str, Sequence[Measurement]]


@dataclass(frozen=True)
class Card:
    """One telling number. ``words`` says what it means; ``section`` is where to read more."""

    title: str
    reading: Reading
    unit: str
    words: str
    mark: Mark | None
    section: str


def cards(examination: Examination, marks: Marks) -> list[Card]:
    """Up to eight cards: what is known to matter first, then quantities that the report has no words for."""
    found: dict[str, list[Measurement]] = {}
    for m in examination.measurements:
        if isinstance(m.value, float):
            found.setdefault(m.quantity, []).append(m)
    order = examination.subject.sites
    makers: Sequence[Callable[[], Card | None]] = (
        lambda: _loss(found, marks),
        lambda: _whole("accuracy", found, marks, _accuracy_words),
        lambda: _whole("calibration_error", found, marks, _calibration_words),
        lambda: _dimension(found, marks, order),
        lambda: _along("participation_ratio", found, marks, order),
        lambda: _contexts(examination, marks),
        lambda: _turn(found, marks, order),
        lambda: _matrices(examination, marks),
        lambda: _along("agop_effective_dimension", found, marks, order),
        lambda: _whole("hessian_top_eigenvalue", found, marks, None),
    )
    made = [card for make in makers if (card := make()) is not None]
    for quantity, readings in found.items():
        if words(quantity).theme == "further" and len(made) < MOST_CARDS:
            alone = [m for m in readings if m.site is None and not m.labels]
            card = _whole(quantity, found, marks, None) if alone else _along(quantity, found, marks, order)
            made += [card] if card is not None else []
    return made[:MOST_CARDS]


def _card(measurement: Measurement, text: str, marks: Marks, *, title: str = "") -> Card:
    known = words(measurement.quantity)
    return Card(
        title=title or known.title,
        reading=reading(_number(measurement), measurement.uncertainty),
        unit=unit_text(measurement),
        words=text,
        mark=marks[measurement.estimator, measurement.quantity],
        section=known.theme,
    )


def _alone(found: Readings, quantity: str) -> Measurement | None:
    return next((m for m in found.get(quantity, ()) if m.site is None), None)


def _whole(quantity: str, found: Readings, marks: Marks, speak: Callable[[float], str] | None) -> Card | None:
    measurement = _alone(found, quantity)
    if measurement is None:
        return None
    text = speak(_number(measurement)) if speak is not None else words(quantity).reads.rstrip(".")
    return _card(measurement, text, marks)


def _loss(found: Readings, marks: Marks) -> Card | None:
    loss = _alone(found, "nll")
    if loss is None:
        return _whole("squared_error", found, marks, None)
    perplexity = _alone(found, "perplexity")
    text = "mean surprise at what comes next"
    if perplexity is not None:
        choices = reading(_number(perplexity), perplexity.uncertainty)
        text = f"as uncertain as a fair choice between {choices.value} outcomes (perplexity {choices})"
    return _card(loss, text, marks)


def _accuracy_words(value: float) -> str:
    return f"its first guess is right about {round(100 * value)} times in 100"


def _calibration_words(value: float) -> str:
    return f"stated probabilities are off by {plain(100 * value, 2)} percentage points (root mean square)"


def _dimension(found: Readings, marks: Marks, order: Sequence[str]) -> Card | None:
    """The intrinsic dimension by the method that reaches furthest in scale among those that read."""
    for quantity in ("gride_dimension", "twonn_dimension", "mle_dimension"):
        card = _along(quantity, found, marks, order)
        if card is not None:
            return card
    return None


def _along(quantity: str, found: Readings, marks: Marks, order: Sequence[str]) -> Card | None:
    """The highest reading along the blocks' outputs (or along all sites), beside the lowest."""
    sited = [m for m in found.get(quantity, ()) if m.site is not None and PAIR not in m.labels]
    if not sited:
        return None
    laid = depth((m.site or "" for m in sited), order)
    outputs = [m for m in sited if laid.places[m.site or ""].part == OUTPUT]
    line = outputs if len(outputs) > 1 else sited
    highest = max(line, key=lambda m: _number(m))
    lowest = min(line, key=lambda m: _number(m))
    if highest is lowest:
        return _card(highest, f"at {highest.site}, the only site that could be read", marks)
    if _overlap(highest, lowest):
        return _card(highest, f"at {highest.site}; the {len(line)} sites do not differ beyond their intervals", marks)
    floor = reading(_number(lowest), lowest.uncertainty)
    text = f"at {highest.site}, the highest of {len(line)} sites; lowest at {lowest.site}: {floor}"
    return _card(highest, text, marks)


def _overlap(one: Measurement, other: Measurement) -> bool:
    """Whether the intervals of two scalars meet; an unknown one meets everything."""
    ends = []
    for m in (one, other):
        if m.uncertainty.kind == "unknown":
            return True
        low, high = (m.value if end is None else end for end in (m.uncertainty.low, m.uncertainty.high))
        slack = m.uncertainty.systematic or 0.0
        ends.append((float(np.asarray(low)) - slack, float(np.asarray(high)) + slack))
    (low_one, high_one), (low_other, high_other) = ends
    return low_one <= high_other and low_other <= high_one


def _contexts(examination: Examination, marks: Marks) -> Card | None:
    """The median number of directions behind one prediction, where it is largest."""
    read = [
        (m, m.value)
        for m in examination.measurements
        if m.quantity == "local_relevant_dimension" and isinstance(m.value, np.ndarray) and len(m.value) == len(LEVELS)
    ]
    if not read:
        return None
    middle = LEVELS.index(0.5)
    widest, quantiles = max(read, key=lambda pair: float(pair[1][middle]))
    ends = [reading(float(quantiles[i]), widest.uncertainty, (i,)).value for i in (0, len(LEVELS) - 1)]
    most = "as many in most contexts" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} in most contexts"
    return Card(
        title=words(widest.quantity).title,
        reading=reading(float(quantiles[middle]), widest.uncertainty, (middle,)),
        unit=unit_text(widest),
        words=f"directions behind a typical prediction at {widest.site}; {most}",
        mark=marks[widest.estimator, widest.quantity],
        section=words(widest.quantity).theme,
    )


def _turn(found: Readings, marks: Marks, order: Sequence[str]) -> Card | None:
    """Where the representation changes most between one block and the next."""
    compared = found.get("cka", ())
    laid = depth((s for m in compared for s in (m.site or "", m.labels.get(PAIR, ""))), order)
    line = [s for s in laid.places if s and laid.places[s].part == OUTPUT]
    steps = set(itertools.pairwise(line))
    between = [m for m in compared if {(m.site, m.labels.get(PAIR)), (m.labels.get(PAIR), m.site)} & steps]
    if len(between) < 2:
        return None
    widest = min(between, key=lambda m: _number(m))
    text = f"between {widest.site} and {widest.labels[PAIR]}: the largest change from one block to the next"
    return _card(widest, text, marks, title="Alignment at the sharpest turn")


def _matrices(examination: Examination, marks: Marks) -> Card | None:
    """How many weight matrices carry structure beyond noise."""
    spikes = [m for m in examination.measurements if m.quantity == "spikes" and isinstance(m.value, float)]
    if not spikes:
        return None
    beyond = sum(float(np.asarray(m.value if m.uncertainty.low is None else m.uncertainty.low)) > 0 for m in spikes)
    tails = [m for m in examination.measurements if m.quantity == "tail_exponent"]
    heavy = sum(m.status == "ok" for m in tails)
    text = "weight matrices that could be read have singular values that independent entries would not produce"
    if tails:
        text += f"; {heavy} of {len(tails)} give evidence of a power-law tail"
    return Card(
        title="Matrices with spikes",
        reading=Reading(f"{beyond} of {len(spikes)}", ""),
        unit="",
        words=text,
        mark=marks[spikes[0].estimator, "spikes"],
        section="weights",
    )


def introduction(examination: Examination) -> list[str]:
    """What was examined and how much of it could be read, in a few sentences."""
    subject = examination.subject
    blocks = sum(
        place.part == OUTPUT and place.stage.isdecimal()
        for place in depth(subject.sites, subject.sites).places.values()
    )
    shape = f" in {_count(blocks, 'block')}" if blocks else ""
    first = f"{subject.name} has {_count(subject.parameters, 'parameter')}{shape}."
    if subject.data:
        tokens = f", {_count(subject.tokens, 'token')}" if subject.tokens is not None else ""
        scored = f", and scored by the {subject.loss.replace('_', ' ')} loss" if subject.loss else ""
        first += f" It was fed {subject.data} ({_count(subject.examples, 'example')}{tokens}){scored}."
    read = sum(m.status == "ok" for m in examination.measurements)
    total = len(examination.measurements)
    quantities = len({m.quantity for m in examination.measurements if m.status == "ok"})
    second = f"{_count(read, 'reading')} of {_count(quantities, 'quantity', 'quantities')}"
    if examination.seconds:
        second += f" were taken in {seconds(examination.seconds)}"
    else:
        second += " were taken"
    refused = total - read
    second += f"; {_count(refused, 'more was', 'more were')} refused, with the reason given." if refused else "."
    return [first, second]


def trust(marks: Marks) -> list[tuple[Mark, int]]:
    """How many instruments carry each mark, worst first."""
    worst_first = ("failed", "stale", "none", "calibrated")
    counted = []
    for verdict in worst_first:
        members = [m for m in marks.values() if m.verdict == verdict]
        if members:
            counted.append((members[0], len(members)))
    return counted


def _number(measurement: Measurement) -> float:
    return float(np.asarray(measurement.value))


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
