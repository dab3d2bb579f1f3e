"""What the page of a dictionary says of one latent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.measurement import Uncertainty
from gnomon.report.dictionary_text import Shown, Spell, peaks, shown
from gnomon.report.numbers import fixed, plain, reading
from gnomon.structure.dictionaries.concept_link import ConceptLink
from gnomon.structure.dictionaries.contexts import BINS, HIGHEST, LOWEST
from gnomon.structure.dictionaries.survey import Survey
from gnomon.subjects import Data

_SPACED = 5
WIDTH, HEIGHT = 240, 56  # of a histogram, in its own units


@dataclass(frozen=True)
class Card:
    """Everything on one latent, as text.

    Parameters
    ----------
    number : of the latent.
    dead : whether it fired nowhere.
    rate, mean, greatest, effect : readings; ``effect`` is ``""`` where there is none.
    strongest, spaced : contexts.
    histogram : path of its outline, ``""`` where it is empty.
    raised, lowered : tokens, and by how much the logit changes where it is as active as it is on average.
    concepts : name, cosine with interval where it is known.
    latents : number of a near one, and the cosine.
    """

    number: int
    dead: bool
    rate: str
    mean: str
    greatest: str
    effect: str
    strongest: Sequence[Shown]
    spaced: Sequence[Shown]
    histogram: str
    raised: Sequence[tuple[str, str]]
    lowered: Sequence[tuple[str, str]]
    concepts: Sequence[tuple[str, str]]
    latents: Sequence[tuple[int, str]]


def card(found: Survey, links: Sequence[ConceptLink], latent: int, data: Data, spell: Spell) -> Card:
    """The card of ``latent``."""
    seen, logits = found.activity, found.logits
    dead = bool(seen.dead[latent])
    unit = 1.0 if dead else float(seen.mean[latent])
    greatest = float(seen.strongest.activation[latent, 0])
    return Card(
        number=latent,
        dead=dead,
        rate=rate_text(found, latent),
        mean="–" if dead else plain(float(seen.mean[latent])),
        greatest="–" if dead else plain(greatest),
        effect="" if found.effect is None or dead else signed(float(found.effect[latent])),
        strongest=shown(seen.strongest, latent, data, spell, greatest),
        spaced=shown(seen.spaced(_SPACED), latent, data, spell, greatest) if not dead else [],
        histogram=outline(seen.histogram[latent]),
        raised=[] if logits is None else _tokens(logits.raised[latent], unit * logits.raised_by[latent], spell),
        lowered=[] if logits is None else _tokens(logits.lowered[latent], unit * logits.lowered_by[latent], spell),
        concepts=[(one.concept, _cosine(one, latent)) for one in _by_cosine(links, latent)],
        latents=[
            (int(other), fixed(float(cosine), 2))
            for other, cosine in zip(found.latents.index[latent], found.latents.cosine[latent], strict=True)
        ],
    )


def row(found: Survey, links: Sequence[ConceptLink], one: Card) -> list[object]:
    """What the table of all latents says of one, to be sorted and searched: see the head of the template's script."""
    nearest = _by_cosine(links, one.number)[:1]
    return [
        one.number,
        float(np.format_float_positional(found.activity.rates.rate[one.number], precision=3, fractional=False)),
        one.rate,
        None if one.dead else round(float(found.activity.mean[one.number]), 4),
        None if found.effect is None or one.dead else round(float(found.effect[one.number]), 5),
        " · ".join(peaks(one.strongest)),
        " · ".join(token.strip() for token, _ in one.raised[:4]),
        nearest[0].concept if nearest else "",
        round(float(nearest[0].alignment.value[one.number]), 3) if nearest else None,
    ]


def rate_text(found: Survey, latent: int) -> str:
    """Share of the rows on which it fires, in per cent with its interval."""
    rates = found.activity.rates
    value, low, high = (100 * float(x[latent]) for x in (rates.rate, rates.low, rates.high))
    return str(reading(value, Uncertainty.interval(low, high, covers={"data"}, level=rates.level))) + " %"


def signed(value: float) -> str:
    """A change, with its sign.

    >>> signed(0.0123), signed(-0.0123)
    ('+0.0123', '−0.0123')
    """
    return f"+{plain(value)}" if value > 0 else plain(value)


def outline(counts: NDArray[np.int64]) -> str:
    """Path of the histogram's outline, `WIDTH` by `HEIGHT`; the empty bins on both sides are kept."""
    most = int(counts.max())
    if most == 0:
        return ""
    step = WIDTH / BINS
    path = f"M0 {HEIGHT}"
    for number, count in enumerate(counts):
        height = HEIGHT * (1 - int(count) / most)
        path += f"V{height:.1f}H{(number + 1) * step:.1f}"
    return path + f"V{HEIGHT}z"


def ticks() -> list[tuple[float, str]]:
    """Places along the histogram's axis, and the activations there."""
    names = {-3: "0.001", -2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100"}
    return [(WIDTH * (power - LOWEST) / (HIGHEST - LOWEST), names[power]) for power in range(LOWEST, HIGHEST + 1)]


def _tokens(index: NDArray[np.int64], by: NDArray[np.float32], spell: Spell) -> list[tuple[str, str]]:
    return [(spell(int(token)), signed(float(change))) for token, change in zip(index, by, strict=True)]


def _by_cosine(links: Sequence[ConceptLink], latent: int) -> list[ConceptLink]:
    return sorted(links, key=lambda one: -abs(float(one.alignment.value[latent])))


def _cosine(one: ConceptLink, latent: int) -> str:
    value, low, high = (float(x[latent]) for x in (one.alignment.value, one.alignment.low, one.alignment.high))
    return str(reading(value, Uncertainty.interval(low, high, covers={"data"}, level=one.alignment.level)))
