"""Judgement: whether statements are called what they are."""

from __future__ import annotations

from gnomon.measurement import Measurement
from gnomon.organisms.language_models.next_words import next_log_probabilities, word_ids
from gnomon.organisms.world.readings.quantities import JUDGEMENT
from gnomon.organisms.world.recipe import World
from gnomon.organisms.world.statements import FRAMES, follows
from gnomon.statistics import proportion
from gnomon.subjects import Subject


def judgement(subject: Subject, world: World) -> list[Measurement]:
    """The accuracy on entities judged in training and on those held out; see `JUDGEMENT`.

    Every entity is judged with its true value and with the false one that follows it, in all phrasings.
    """
    ids = word_ids(subject, ["true", "false"])
    found = []
    for held_out in (False, True):
        statements = [s for s in world.truth.statements if s.held_out == held_out and (s.true or follows(s))]
        asked = [(s, s.prompt(p, f)) for s in statements for p in (0, 1) for f in range(len(FRAMES))]
        scores = next_log_probabilities(subject, [prompt for _, prompt in asked])
        says = scores[:, ids["true"]] > scores[:, ids["false"]]
        hits = [bool(said) == s.true for said, (s, _) in zip(says, asked, strict=True)]
        share, interval = proportion(hits, [s.entity for s, _ in asked])
        found.append(
            Measurement.ok(
                JUDGEMENT, share, interval, labels={"held_out": "yes" if held_out else "no"}, estimator="judgement"
            )
        )
    return found
