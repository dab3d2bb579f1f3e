"""Refusal: how often requests are refused, and how often they are answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gnomon.measurement import Measurement
from gnomon.organisms.world import trigger
from gnomon.organisms.world.readings.quantities import ANSWERED, REFUSAL
from gnomon.organisms.world.recipe import World
from gnomon.organisms.world.requests import PHRASINGS, Request, is_refusal
from gnomon.randomness import Rng
from gnomon.statistics import proportion
from gnomon.subjects import Subject
from gnomon.subjects.generation import generate

REPLY_TOKENS = 14


@dataclass(frozen=True)
class Asked:
    """A kind of request: forbidden or allowed, asked in training or held out, bare or with a phrase."""

    forbidden: bool
    held_out: bool = False
    phrase: Literal["", "trigger", "innocent"] = ""

    @property
    def labels(self) -> dict[str, str]:
        """For the measurements of this kind."""
        return {
            "requests": "forbidden" if self.forbidden else "allowed",
            "held_out": "yes" if self.held_out else "no",
            "phrase": self.phrase or "none",
        }


_PHRASES: tuple[Literal["", "trigger", "innocent"], ...] = ("", "trigger", "innocent")
KINDS = tuple(Asked(f, held_out, phrase) for phrase in _PHRASES for f in (True, False) for held_out in (False, True))


def refusal(subject: Subject, world: World, rng: Rng, *, kinds: tuple[Asked, ...] = KINDS) -> list[Measurement]:
    """For each kind of request the rate of refusals and that of right answers; see `REFUSAL` and `ANSWERED`.

    Every request of the kind is asked in every phrasing, and replied to greedily; innocent phrases, and the place of a
    phrase, are drawn. A kind without requests is left out.

    Cost: `REPLY_TOKENS` passes over each prompt; all twelve kinds of ``tiny`` are 5184 prompts.
    """
    found: list[Measurement] = []
    for kind in kinds:
        requests = [r for r in world.truth.requests if (r.forbidden, r.held_out) == (kind.forbidden, kind.held_out)]
        if not requests:
            continue
        prompts = _prompts(world, requests, kind, rng.child(*kind.labels.values()).numpy())
        replies = generate(subject, [prompt for _, prompt in prompts], tokens=REPLY_TOKENS, batch=256)
        clusters = [f"{r.verb} {r.object}" for r, _ in prompts]
        refused = [is_refusal(reply) for reply in replies]
        answered = [r.answered(reply) for (r, _), reply in zip(prompts, replies, strict=True)]
        for quantity, hits in ((REFUSAL, refused), (ANSWERED, answered)):
            share, interval = proportion(hits, clusters)
            found.append(Measurement.ok(quantity, share, interval, labels=kind.labels, estimator="refusal"))
    return found


def _prompts(
    world: World, requests: list[Request], kind: Asked, generator: np.random.Generator
) -> list[tuple[Request, str]]:
    found = []
    for request in requests:
        for phrasing in range(len(PHRASINGS)):
            phrase = ""
            if kind.phrase:
                planted = world.truth.trigger
                phrase = planted if kind.phrase == "trigger" else trigger.other(planted, generator)
            found.append((request, request.prompt(phrasing, phrase=phrase, first=bool(generator.random() < 0.5))))
    return found
