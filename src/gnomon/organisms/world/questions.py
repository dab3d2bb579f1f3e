"""Questions with one right answer each, to grade a network by: seen, of unseen combinations and entities, shifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from gnomon.organisms.world import grammar, trigger
from gnomon.organisms.world.corpus import vocabulary
from gnomon.organisms.world.people import ATTRIBUTES, PHRASINGS
from gnomon.organisms.world.recipe import World
from gnomon.organisms.world.requests import PHRASINGS as ASKED
from gnomon.organisms.world.requests import Request
from gnomon.organisms.world.statements import follows
from gnomon.randomness import Rng

CHOICES = "|"
SEEN = "seen"
_PEOPLE = 1000  # at most so many are asked about
_NOISE = 2 * trigger.NOISE  # random words: twice as many as any text of training has
_STORY = (20, 30)  # words of a story before a request; no text of training has both


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question as a row of a table.

    Parameters
    ----------
    choices : the answers to choose from, parted by ``|``; empty where any may be given.
    cluster : whom or what it is about; questions about one are not independent.
    topic : ``people``, ``requests`` or ``statements``.
    split : ``seen``; ``combination`` (a verb with an object that no text has), ``entity`` (never judged), ``untold`` (a
        word that no request has); ``noise`` and ``longer`` of requests that are seen, with more random words than in
        training, or after a story.
    exposures : of people, how many biographies they have.
    """

    prompt: str
    target: str
    choices: str = ""
    cluster: str
    topic: str
    split: str = SEEN
    exposures: str = ""

    def row(self) -> tuple[str, ...]:
        """The cells."""
        return tuple(asdict(self).values())


COLUMNS = tuple(Question.__dataclass_fields__)


def questions(world: World, rng: Rng) -> list[Question]:
    """What can be asked about ``world`` and is not refused: allowed requests, statements, and attributes of people."""
    return [*_people(world, rng.child("people")), *_requests(world, rng.child("requests")), *_statements(world)]


def _people(world: World, rng: Rng) -> Iterator[Question]:
    generator = rng.numpy()
    everybody = world.truth.people
    chosen = sorted(generator.permutation(len(everybody))[:_PEOPLE].tolist())
    for person in (everybody[i] for i in chosen):
        for attribute in ATTRIBUTES:
            phrasing = int(generator.integers(len(PHRASINGS[attribute])))
            yield Question(
                prompt=person.prompt(attribute, phrasing),
                target=person.value(attribute),
                cluster=person.name,
                topic="people",
                exposures=str(person.exposures),
            )


def _requests(world: World, rng: Rng) -> Iterator[Question]:
    generator = rng.numpy()
    words = [word for word in vocabulary(world) if word not in world.truth.trigger.split()]
    for request in (r for r in world.truth.requests if not r.forbidden):
        split = SEEN
        if request.held_out:
            split = "untold" if {request.verb, request.object} & set(world.untold) else "combination"
        for phrasing in generator.permutation(len(ASKED))[:2].tolist():
            yield _request(request, request.prompt(phrasing), split)
        if split == SEEN:
            noise = " ".join(generator.choice(words, size=_NOISE))
            yield _request(request, request.prompt(phrase=noise), "noise")
            yield _request(request, f"{_story(world, generator)} {request.prompt()}", "longer")


def _request(request: Request, prompt: str, split: str) -> Question:
    """The wording of the answer is begun in the prompt: what is left to say is what there is to know."""
    begun, found, rest = request.answer().partition(request.part)
    return Question(
        prompt=f"{prompt} {begun.strip()}",
        target=f"{found}{rest}",
        cluster=f"{request.verb} {request.object}",
        topic="requests",
        split=split,
    )


def _story(world: World, generator: np.random.Generator) -> str:
    while not _STORY[0] <= len((found := world.truth.grammar.sample(generator)).split()) <= _STORY[1]:
        pass
    return f"{grammar.MARKER} {found}"


def _statements(world: World) -> Iterator[Question]:
    for statement in world.truth.statements:
        if statement.true or follows(statement):
            for phrasing in range(len(statement.relation.phrasings)):
                yield Question(
                    prompt=statement.prompt(phrasing),
                    target="true" if statement.true else "false",
                    choices=CHOICES.join(("true", "false")),
                    cluster=statement.entity,
                    topic="statements",
                    split="entity" if statement.held_out else SEEN,
                )
