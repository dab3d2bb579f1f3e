"""Explanations of networks in which what goes through a direction is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

from gnomon.assurance.explanations import Criteria, Explanation, citable
from gnomon.assurance.explanations.contrasts import Contrasts
from gnomon.assurance.explanations.effects import effects
from gnomon.assurance.explanations.outcome import Outcome
from gnomon.assurance.explanations.random_subspaces import random_subspaces
from gnomon.assurance.explanations.stability import stability
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.directions.method import method
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Subject

WIDTH = 24


class _Last(Outcome):
    """The one output of a network on ``inputs``."""

    def __init__(self, inputs: torch.Tensor) -> None:
        self.inputs = inputs

    def read(self, subject: Subject) -> np.ndarray:
        with torch.no_grad():
            return subject.module(self.inputs)[:, 0].double().numpy()


class _Toy:
    """A linear network that reads ``weight``, on examples whose label moves them by ``contrast``."""

    def __init__(self, weight: torch.Tensor, contrast: torch.Tensor, *, n: int = 200, seed: int = 0) -> None:
        first, second = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, 1, bias=False)
        with torch.no_grad():
            first.weight.copy_(torch.eye(WIDTH))
            second.weight.copy_(weight[None])
        self.subject = Subject(nn.Sequential(first, second).eval())
        noise = torch.randn(n, WIDTH, generator=Rng(seed).child("noise").torch())
        self.labels = torch.tensor([1.0, -1.0]).repeat(n // 2)
        self.inputs = noise + self.labels[:, None] * contrast
        self.examples = Examples(inputs=self.inputs, labels=self.labels, clusters=np.arange(n) // 2)
        self.weight = weight

    def explained(self, direction: torch.Tensor, **how: object) -> Explanation:
        return Explanation(
            name="toy",
            concept="toy",
            site="blocks.0",
            subspace=Subspace.line(direction),
            method=method("mean_difference")(),
            **how,  # type: ignore[arg-type]
        )

    def evidence(self, explanation: Explanation, draws: int = 19) -> list[Measurement]:
        return [
            *effects(self.subject, explanation, self.examples, _Last(self.inputs), Rng(1), draws=draws),
            *stability(explanation, self.examples, Rng(2)),
        ]


def _axis(number: int) -> torch.Tensor:
    return torch.eye(WIDTH)[number]


def _one(found: list[Measurement], quantity: str, **labels: str) -> Measurement:
    (one,) = [m for m in found if m.quantity.endswith(quantity) and labels.items() <= m.labels.items()]
    return one


def test_what_is_removed_and_kept_of_a_linear_network_is_the_projection() -> None:
    toy = _Toy(_axis(0) + 0.5 * _axis(1), 2 * _axis(0) + 2 * _axis(1))
    direction = (_axis(0) + 0.3 * _axis(2)).double()
    found = toy.evidence(toy.explained(direction))
    with_, without = (toy.inputs[toy.labels == s].double().mean(dim=0) for s in (1, -1))
    u = direction / direction.norm()
    w, delta = toy.weight.double(), with_ - without
    through = float((w @ u) * (u @ delta) / (w @ delta))
    assert _one(found, "faithfulness", arm="explanation").value == pytest.approx(through, rel=1e-5)
    # of a linear network what is kept and what is removed are the whole
    assert _one(found, "completeness").value == pytest.approx(through, rel=1e-5)


def test_a_planted_direction_is_faithful_complete_and_stable() -> None:
    toy = _Toy(_axis(0), 2 * _axis(0))
    found = toy.evidence(toy.explained(_axis(0)))
    assert _one(found, "faithfulness", arm="explanation").value == pytest.approx(1)
    assert _one(found, "faithfulness", arm="random").uncertainty.high < 1e-5
    assert _one(found, "completeness").value == pytest.approx(1)
    assert _one(found, "faithfulness", arm="explanation").diagnostics["p_value"] == pytest.approx(1 / 20)
    citable(found, Criteria(complete=0.9))


def test_a_direction_that_tells_the_concept_and_does_nothing_is_no_explanation() -> None:
    toy = _Toy(_axis(0), 2 * _axis(0) + 6 * _axis(1))
    inert = toy.explained(_axis(1))
    along = toy.inputs @ inert.subspace.direction.float()
    assert bool((along[toy.labels > 0].min() > along[toy.labels < 0].max()).item())  # a perfect probe
    found = toy.evidence(inert)
    assert _one(found, "faithfulness", arm="explanation").value == pytest.approx(0, abs=1e-5)
    with pytest.raises(GnomonError, match="not faithful"):
        citable(found)


def test_a_direction_of_too_few_examples_is_not_stable() -> None:
    toy = _Toy(_axis(0), 0.6 * _axis(0), n=24)
    examples = toy.examples
    again = method("mean_difference")().subspace(examples, rank=1, rng=Rng(0))
    explained = toy.explained(again.direction.float())
    other = _Toy(_axis(0), 0.6 * _axis(0), n=400, seed=1)
    judged = effects(other.subject, explained, other.examples, _Last(other.inputs), Rng(1), draws=19)
    found = [*judged, *stability(explained, examples, Rng(2))]
    truth = abs(float(again.direction[0]))
    one = _one(found, "stability", over="examples")
    assert one.uncertainty.low < 0.8
    assert one.uncertainty.low <= truth <= one.uncertainty.high
    with pytest.raises(GnomonError, match="not stable over examples"):
        citable(found)


def test_where_the_network_does_not_tell_the_concept_there_is_nothing_to_explain() -> None:
    """The contrast is taken for one in 1 of 40 sets of examples, as its two-sided level of 0.95 says."""
    seeds, taken = 30, 0
    for seed in range(seeds):
        toy = _Toy(_axis(0), 2 * _axis(1), n=40, seed=seed)
        explained = toy.explained(_axis(1))
        found = effects(toy.subject, explained, toy.examples, _Last(toy.inputs), Rng(1), draws=2)
        taken += found[0].status == "ok"
        if found[0].status != "ok":
            with pytest.raises(GnomonError, match="insufficient"):
                citable(found)
    assert taken <= binom.ppf(0.9999, seeds, 0.025)


def test_few_clusters_are_insufficient() -> None:
    toy = _Toy(_axis(0), 2 * _axis(0), n=12)
    found = effects(toy.subject, toy.explained(_axis(0)), toy.examples, _Last(toy.inputs), Rng(0))
    assert {m.status for m in found} == {"insufficient"}
    assert found[0].suffices == {"clusters": 8.0}


def test_the_subject_is_left_as_it_was_and_the_answer_is_the_same() -> None:
    toy = _Toy(_axis(0), 2 * _axis(0))
    before = toy.subject.module(toy.inputs)
    first, second = (toy.evidence(toy.explained(_axis(0)), draws=3) for _ in range(2))
    assert first == second
    assert torch.equal(before, toy.subject.module(toy.inputs))


def test_random_subspaces_lie_across_and_remove_as_much_where_they_can() -> None:
    scale = torch.linspace(0.5, 3, WIDTH)
    inputs = torch.randn(400, WIDTH, generator=Rng(0).torch()) * scale
    middle = Subspace.line(_axis(WIDTH // 2))
    found, removed = random_subspaces(inputs, middle, 5, Rng(1))
    assert removed == pytest.approx(1, rel=1e-3)
    centred = (inputs - inputs.mean(dim=0)).double()
    wanted = float((centred @ middle.basis).square().mean())
    for one in found:
        assert abs(float(one.direction @ middle.direction)) < 1e-9
        assert float((centred @ one.basis).square().mean()) == pytest.approx(wanted, rel=1e-3)
    # across the axis of the most variance no one direction removes as much, across that of the least all remove more
    axis = _axis(WIDTH - 1).double()
    most, matched = random_subspaces(inputs, Subspace.line(axis.float()), 5, Rng(1))
    assert matched == pytest.approx(1, rel=1e-3)
    assert all(1 < one.rank < WIDTH // 2 and float((one.basis.T @ axis).abs().max()) < 1e-9 for one in most)
    assert random_subspaces(inputs, Subspace.line(_axis(0)), 5, Rng(1))[1] > 1
    assert abs(float(most[0].basis[:, 0] @ most[1].basis[:, 0])) < 0.999
    # where all the others together have less there is nothing else to compare with, and the share says so
    alone, short = random_subspaces(inputs * torch.where(axis > 0, 100, 1), Subspace.line(axis.float()), 2, Rng(1))
    assert alone[0].rank == WIDTH - 1
    assert short < 0.1


def test_what_is_found_and_judged_in_the_same_texts_is_not_cited() -> None:
    """Of a linear network a mean difference takes all of the contrast of its own examples with it, noise or not."""
    toy, other = (_Toy(_axis(0), _axis(0), n=60, seed=seed) for seed in (0, 1))
    found = method("mean_difference")().subspace(toy.examples, rank=1, rng=Rng(0))
    explained = toy.explained(found.direction)
    judged = effects(toy.subject, explained, toy.examples, _Last(toy.inputs), Rng(1), draws=2)
    assert _one(judged, "faithfulness", arm="explanation").value == pytest.approx(1, abs=1e-5)
    fresh = effects(toy.subject, explained, other.examples, _Last(other.inputs), Rng(1), draws=2)
    one = _one(fresh, "faithfulness", arm="explanation")
    assert one.uncertainty.low <= float(found.direction[0]) ** 2 <= one.uncertainty.high < 0.98
    assert not one.diagnostics["own_texts"]
    with pytest.raises(GnomonError, match="very texts"):
        citable(judged)


def test_the_jackknife_of_a_ratio_covers_its_truth() -> None:
    """Half of the contrast goes: Δ is 2 in all, 1 without; texts of a cluster share noise."""
    covered, errors = 0, []
    seeds = 200
    for seed in range(seeds):
        draws = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(30), 4)
        labels = np.tile([1.0, -1.0], 60)
        shared = draws.normal(size=30)[clusters][:, None] * labels[:, None]
        kept = labels + 0.5 * draws.normal(size=120)
        values = np.stack([kept, kept / 2 + 0.3 * draws.normal(size=120)], axis=1) + 0.3 * shared
        found = Contrasts(values, labels, clusters)
        value, spread = found.jackknife(lambda c: 1 - c[..., 1] / c[..., 0], level=0.9)
        errors.append(value - 0.5)
        covered += bool(spread.low <= 0.5 <= spread.high)
    assert abs(np.mean(errors)) < 0.02
    # four standard errors below the level
    assert covered / seeds > 0.9 - 4 * np.sqrt(0.9 * 0.1 / seeds)


def test_two_clusters_of_a_label_say_little() -> None:
    """Whatever there is of the other label: the contrast is 1, and what clusters share is most of the noise."""
    seeds, covered = 400, 0
    clusters = np.repeat(np.arange(26), 3)
    labels = np.where(clusters < 2, 1.0, -1.0)
    for seed in range(seeds):
        draws = np.random.default_rng(seed)
        values = (labels / 2 + draws.normal(size=26)[clusters] + 0.5 * draws.normal(size=len(labels)))[:, None]
        spread = Contrasts(values, labels, clusters).jackknife(lambda c: c[..., 0], level=0.95)[1]
        covered += bool(spread.low <= 1 <= spread.high)
    assert covered >= binom.ppf(0.0001, seeds, 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [False, True], ids=["the same examples", "other examples"])
def test_the_interval_of_the_stability_covers_the_angle_to_the_truth(fresh: bool) -> None:
    """Of the same examples it is that of `angle`; of others the angles are added, which is on the safe side."""
    how, seeds, covered, useful = method("mean_difference")(), 150, 0, 0
    for seed in range(seeds):
        first = _Toy(_axis(0), 0.7 * _axis(0), n=120, seed=seed)
        second = _Toy(_axis(0), 0.7 * _axis(0), n=120, seed=1000 + seed) if fresh else first
        found = how.subspace(first.examples, rank=1, rng=Rng(0))
        (one,) = [m for m in stability(first.explained(found.direction), second.examples, Rng(seed)) if _examples(m)]
        truth = float(found.direction[0])
        covered += bool(one.uncertainty.low <= truth <= one.uncertainty.high)
        useful += bool(one.uncertainty.low > 0.5)
    assert covered >= binom.ppf(0.0001, seeds, 0.95)
    if not fresh:
        assert useful > seeds / 2  # no interval of everything


def _examples(one: Measurement) -> bool:
    return one.labels["over"] == "examples"
