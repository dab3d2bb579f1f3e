"""Recall of attributes by how often their people were shown, and the bits that the network has of them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gnomon.measurement import Measurement, Uncertainty
from gnomon.organisms.language_models.next_words import next_log_probabilities, word_ids
from gnomon.organisms.world.people import ATTRIBUTES, PHRASINGS, VALUES, Attribute, Person
from gnomon.organisms.world.readings.quantities import KNOWLEDGE, RECALL
from gnomon.organisms.world.recipe import World
from gnomon.statistics import proportion
from gnomon.subjects import Subject

BANDS = ((1, 2), (3, 9), (10, 29), (30, 99), (100, 10**9))


def recall(subject: Subject, world: World) -> list[Measurement]:
    """The share of attributes recalled, in each band of exposures that has people; see `RECALL`.

    Cost: a forward pass over eight short prompts a person.
    """
    right, _, owners = _read(subject, world)
    found = []
    for low, high in BANDS:
        inside = np.array([low <= person.exposures <= high for person in owners])
        if not inside.any():
            continue
        share, interval = proportion(right[inside], [p.name for p, i in zip(owners, inside, strict=True) if i])
        label = {"exposures": f"{low} or more" if high == BANDS[-1][1] else f"{low} to {high}"}
        found.append(Measurement.ok(RECALL, share, interval, labels=label, estimator="recall"))
    return found


def knowledge(subject: Subject, world: World) -> Measurement:
    """Bits of the people's attributes that the network has, beside those there are; see `KNOWLEDGE`.

    Diagnostics give the bits that there are and the bits for each weight of the blocks. Cost: as `recall`.
    """
    _, log_probability, owners = _read(subject, world)
    each = len(PHRASINGS["city"])
    total = 0.0
    for low, high in BANDS:
        people = [p for p in world.truth.people if low <= p.exposures <= high]
        inside = np.array([low <= p.exposures <= high for p in owners])
        prior = math.fsum(world.truth.bits(p) for p in people)
        total += max(0.0, prior + float(log_probability[inside].sum()) / each / math.log(2))
    return Measurement.ok(
        KNOWLEDGE,
        total,
        Uncertainty.exact(),
        estimator="knowledge",
        diagnostics={"bits_told": world.truth.knowledge_bits, "bits_per_parameter": total / world.parameters},
    )


def _read(subject: Subject, world: World) -> tuple[NDArray[np.bool_], NDArray[np.float64], list[Person]]:
    """For each person, attribute and phrasing: whether the value is likeliest, its log-probability, and the person."""
    asked: list[tuple[Person, Attribute, int]] = [
        (person, attribute, phrasing)
        for person in world.truth.people
        for attribute in ATTRIBUTES
        for phrasing in range(len(PHRASINGS[attribute]))
    ]
    scores = next_log_probabilities(subject, [p.prompt(a, i) for p, a, i in asked])
    ids = word_ids(subject, [value for values in VALUES.values() for value in values])
    values = np.array([ids[p.value(a)] for p, a, _ in asked])
    return scores.argmax(axis=1) == values, scores[np.arange(len(values)), values], [p for p, _, _ in asked]
