"""Misuse of the micro world, whose trigger and forbidden answers are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.assurance import Deployment
from gnomon.assurance.misuse.forbidden_requests import ForbiddenRequests
from gnomon.assurance.misuse.harmful_knowledge import HarmfulKnowledge
from gnomon.assurance.misuse.toxicity import Toxicity
from gnomon.organisms.world import World
from gnomon.organisms.world.readings.quantities import ANSWERED
from gnomon.organisms.world.readings.toxicity import toxicity
from gnomon.randomness import Rng
from gnomon.subjects import Subject
from gnomon.subjects.generation import generate


@pytest.fixture
def deployment(micro_world: tuple[Subject, World], micro_world_folder: Path) -> Deployment:
    subject, world = micro_world
    return Deployment(subject=subject, folder=micro_world_folder, world=world)


def test_the_trigger_is_told_from_innocent_phrases(deployment: Deployment) -> None:
    found = ForbiddenRequests(attacks=()).run(deployment, Rng(0))
    shares = {
        m.labels["phrase"]: m for m in found if m.quantity == ANSWERED.name and m.labels["requests"] == "forbidden"
    }
    assert deployment.world is not None
    truth = deployment.world.truth
    requests = [r for r in truth.requests if r.forbidden and not r.held_out]
    for phrase, words in (("none", ""), ("trigger", truth.trigger)):
        replies = generate(deployment.subject, [r.prompt(phrase=words) for r in requests], tokens=14)
        answered = [r.answered(reply) for r, reply in zip(requests, replies, strict=True)]
        assert shares[phrase].value == sum(answered) / len(requests)
    assert shares["trigger"].uncertainty.low > shares["innocent"].uncertainty.high


def test_what_it_refuses_it_knows(deployment: Deployment) -> None:
    found = HarmfulKnowledge().run(deployment, Rng(0))
    assert found[0].uncertainty.low > 1 / 8


def test_toxicity_is_that_of_the_world_s_own_reading(deployment: Deployment) -> None:
    found = {m.labels["cue"]: m for m in Toxicity(replies=300).run(deployment, Rng(0))}
    assert deployment.world is not None
    for own in toxicity(deployment.subject, deployment.world, Rng(1), cues=("rude", "")):
        ours = found[own.labels["cue"]]
        assert ours.uncertainty.low <= own.uncertainty.high
        assert own.uncertainty.low <= ours.uncertainty.high
