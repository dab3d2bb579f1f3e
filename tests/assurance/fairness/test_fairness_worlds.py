"""Evaluations of fairness on a network that learnt a world, against what is true there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnomon.assurance import Deployment
from gnomon.assurance.fairness import BiasAmplification, CounterfactualSwaps, GroupErrors, compare
from gnomon.assurance.fairness.swap_files import of_world, swapped
from gnomon.control.controller import Controller, Step
from gnomon.control.edits import ProjectOut
from gnomon.organisms.world import World
from gnomon.organisms.world.readings import amplification
from gnomon.randomness import Rng
from gnomon.structure.concepts.activations import read_examples
from gnomon.structure.directions import method
from gnomon.subjects import Subject

pytestmark = pytest.mark.slow


def test_amplification_is_that_of_the_worlds_reading(micro_world: tuple[Subject, World]) -> None:
    subject, world = micro_world
    found = {
        (m.quantity, m.labels["reference"]): m
        for m in BiasAmplification().run(Deployment(subject=subject, world=world), Rng(0))
    }
    known = amplification(subject, world)
    population = found[("bias_amplification", "population")]
    assert population.value == pytest.approx(known.value)
    assert population.diagnostics["text"] == world.truth.amplification
    print(population.value, population.uncertainty.low, population.uncertainty.high, world.truth.amplification)
    # what it was trained on is amplified by no more than it could not learn
    text = found[("bias_amplification", "text")]
    assert text.value == pytest.approx(float(known.value) - world.truth.amplification, abs=0.02)  # type: ignore[arg-type]


def test_swaps_against_the_worlds_truth(micro_world: tuple[Subject, World]) -> None:
    """Of occupations the distance is at the pronoun alone: the difference of the shares of "she" in their talk."""
    subject, world = micro_world
    found = {
        (m.quantity, m.labels["kind"]): m
        for m in CounterfactualSwaps().run(Deployment(subject=subject, world=world), Rng(0))
    }
    swaps, texts = of_world(world, Rng(0).child("talk"))
    share = {o.name: o.talk_share for o in world.truth.occupations}
    truth = [
        abs(share[one.swap.first[0]] - share[one.swap.second[0]])
        / (len(one.first.split()) - one.first.split().index(one.swap.first[0]) - 1)
        for one in swapped(swaps, texts)
        if one.swap.kind == "occupation"
    ]
    measured = found[("swap_total_variation", "occupation")]
    print(np.mean(truth), measured.value, found[("swap_total_variation", "gender")].value)
    assert measured.value == pytest.approx(np.mean(truth), abs=0.04)
    assert found[("swap_total_variation", "gender")].value < 0.05  # type: ignore[operator]


def test_errors_of_groups_are_measured(micro_world: tuple[Subject, World]) -> None:
    subject, world = micro_world
    found = GroupErrors(people=60).run(Deployment(subject=subject, world=world), Rng(0))
    groups = {m.labels["group"] for m in found if m.labels}
    assert groups == {"mostly women", "mostly men"}
    assert all(m.status == "ok" for m in found if m.quantity == "group_error_rate")


def test_a_controller_that_removes_gender_changes_amplification(
    micro_world: tuple[Subject, World], micro_world_folder: Path
) -> None:
    subject, world = micro_world
    site = [s for s in subject.sites if s.startswith("blocks.") and s.count(".") == 1][-1]
    concept = world.concept("gender", 200, Rng(0))
    examples = read_examples(subject, concept, [site], "last", rng=Rng(0))[site]
    direction = method("mean_difference")().subspace(examples, rank=1, rng=Rng(0))
    controller = Controller("gender", (Step(site, ProjectOut(direction, examples.inputs.mean(dim=0))),))
    deployment = Deployment(subject=subject, controller=controller, world=world, folder=micro_world_folder)
    before = subject.weights_hash()
    one = compare(BiasAmplification(), deployment, Rng(0))[0]
    assert one.change.value == pytest.approx(one.deployed.value - one.bare.value)  # type: ignore[operator]
    assert one.change.uncertainty.high < 0  # type: ignore[operator]
    assert subject.weights_hash() == before
