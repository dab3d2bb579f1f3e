"""Grokking: its measures against brute force and closed forms, and its judgement of fabricated networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord, Store
from gnomon.lab.sweep import Results
from gnomon.lab.sweep.executors import Local
from gnomon.lab.sweep.experiment import experiment_named
from gnomon.organisms import ModularAddition, ModularMultiplication, ModularTransformer, Recipe, train
from gnomon.phenomena import run, verdict_of
from gnomon.phenomena.grokking import Grokking, Settings, half_time
from gnomon.phenomena.grokking_experiment import (
    ModularArithmetic,
    embedding_share,
    modular_arithmetic,
    restricted_accuracy,
    unseen_pairs,
)
from gnomon.testing import check_phenomenon

SETTINGS = Settings(starved=("quadratic", "transformer"))
SEEDS = range(5)
SMALL = ModularTransformer(p=5, train_share=0.5, d_model=8, heads=2, d_mlp=8, steps=6)


@pytest.mark.parametrize("recipe", [ModularAddition(p=7), ModularMultiplication(p=11), SMALL], ids=lambda r: r.kind)
@pytest.mark.parametrize("seed", range(3))
def test_unseen_pairs_are_trained_on_in_neither_order(recipe: Recipe, seed: int) -> None:
    recipe = recipe.changed({"seed": seed})
    train_data, test_data = recipe.data()
    known = {divmod(int(i), recipe.symbols) for i in recipe.pairs(train_data)}
    held_out = [divmod(int(i), recipe.symbols) for i in recipe.pairs(test_data)]
    expected = [(a, b) for a, b in held_out if (b, a) not in known]
    assert [divmod(int(i), recipe.symbols) for i in recipe.pairs(unseen_pairs(recipe))] == expected
    assert len(expected) < len(held_out)


@pytest.mark.parametrize("seed", range(5))
def test_restricted_accuracy_is_that_of_the_means(seed: int) -> None:
    draw = np.random.default_rng(seed)
    outputs, classes = draw.normal(size=(40, 6)), draw.integers(0, 5, 40)
    right = [outputs[classes == c].mean(axis=0).argmax() == c for c in set(classes.tolist())]
    found = restricted_accuracy(torch.from_numpy(outputs), torch.from_numpy(classes))
    assert found == pytest.approx(np.mean(right))


def test_a_faint_rule_under_noise_shows_in_the_means_and_in_no_single_pair() -> None:
    draw = np.random.default_rng(0)
    classes = np.repeat(np.arange(10), 400)
    outputs = draw.normal(size=(4000, 10)) + 0.3 * np.eye(10)[classes]
    assert (outputs.argmax(axis=1) == classes).mean() < 0.25
    assert restricted_accuracy(torch.from_numpy(outputs), torch.from_numpy(classes)) == 1.0


@pytest.mark.parametrize("recipe", [ModularAddition(p=13), ModularMultiplication(p=13)], ids=lambda r: r.kind)
def test_embeddings_of_single_waves_have_share_one_and_random_ones_have_not(recipe: Recipe) -> None:
    network, n = recipe.network(), recipe.symbols
    subject = recipe.subject(network, recipe.data()[1])
    assert embedding_share(subject) < 0.5
    log = np.argsort(recipe.residues.elements)
    waves = [np.cos(2 * np.pi * (1 + unit % 4) * log / n + unit) for unit in range(recipe.width)]
    with torch.no_grad():
        network.embed.weight.copy_(torch.tensor(np.concatenate([waves, waves], axis=1)))
    assert embedding_share(subject) == pytest.approx(1.0)


@pytest.mark.parametrize(("middle", "rate"), [(50.0, 3.0), (200.0, 6.0), (20.0, 10.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_half_of_a_logistic_change_comes_at_its_middle(middle: float, rate: float, sign: int) -> None:
    steps = sorted({0, *np.geomspace(1, 10_000, 80).round().astype(int).tolist()})
    values = 3 + sign / (1 + ((1 + middle) / (1 + np.array(steps))) ** rate)
    assert half_time(steps, values.tolist()) == pytest.approx(middle, rel=0.01)


def test_no_change_has_no_half() -> None:
    assert half_time([0, 1, 2], [0.5, 0.5, 0.5]) is None
    assert half_time([0, 1, 3], [0.0, 1.0, 0.0]) is None


def test_the_outcome_is_that_of_training_alone() -> None:
    recipe = ModularAddition(p=7, width=64, steps=200, seed=2)
    found, history = modular_arithmetic(ModularArithmetic(recipe=recipe, readings=12)), train(recipe).history
    assert found["fitted"] == history.first_step("train")
    assert found["generalised"] == history.first_step("test")
    assert found["steps"][0] == 0
    assert found["steps"][-1] == 200
    np.testing.assert_allclose(found["test_accuracy"], history.test_accuracy[found["steps"]], atol=0.07)
    network = recipe.network()
    norm = sum(float(w.detach().double().square().sum()) for w in network.parameters()) ** 0.5
    assert found["weight_norm"][0] == pytest.approx(norm)


def test_a_network_that_diverges_leaves_the_others_as_they_are() -> None:
    one = ModularArithmetic(recipe=ModularAddition(p=5, width=16, steps=8), readings=3)
    broken = one.model_copy(update={"recipe": one.recipe.changed({"learning_rate": 1e18})})
    found, error = experiment_named("modular_arithmetic").together([one, broken])
    assert found == modular_arithmetic(one)
    assert isinstance(error, GnomonError)
    with pytest.raises(GnomonError, match="diverged"):
        modular_arithmetic(broken)


def test_networks_go_together_where_that_changes_nothing() -> None:
    one = experiment_named("modular_arithmetic")
    pair = [
        ModularArithmetic(recipe=ModularAddition(p=7, width=32, steps=60, seed=seed), readings=5) for seed in (0, 1)
    ]
    assert one.kind_of(pair[0]) == one.kind_of(pair[1])
    for found, alone in zip(one.together(pair), map(one.run, pair), strict=True):
        for name in ("fitted", "generalised", "highest", "test_accuracy", "restricted_accuracy"):
            assert found[name] == alone[name]
    apart = [ModularArithmetic(recipe=SMALL.changed({"seed": seed})) for seed in (0, 1)]
    assert one.kind_of(apart[0]) != one.kind_of(apart[1])


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_the_short_version_is_a_small_share_of_the_same_training(preset: str) -> None:
    one = experiment_named("modular_arithmetic")
    for spec in {p.spec for p in Grokking().points(Grokking.presets[preset], [0])}:
        short = one.shortened(spec)
        assert short.recipe.steps <= spec.recipe.steps / 40
        assert short.recipe.changed({"steps": spec.recipe.steps}) == spec.recipe


def fabricated(
    *, delay: float = 20.0, rule: float = 0.3, at_fit: float = 0.02, control: float = 0.1, lost: int = 0, late: int = -1
) -> Results:
    """Networks that generalise ``delay`` times later than they fit; the rule is there after ``rule`` of that time."""
    records, settings = [], SETTINGS
    for i, point in enumerate(Grokking().points(settings, SEEDS)):
        spec = point.spec
        assert isinstance(spec, ModularArithmetic)
        fails = spec.recipe.weight_decay == 0 or spec.recipe.train_share == settings.few
        wobble = 1 + 0.02 * (i % 5)
        grokked, steps = 15 * delay * wobble, np.array(spec.steps)

        def rise(at: float, top: float = 1.0, now: np.ndarray = steps) -> list[float]:
            return (top / (1 + ((1 + at) / (1.0 + now)) ** 6)).tolist()

        top = control if fails else 1.0
        outcome: dict[str, Any] = {
            "fitted": 15,
            "generalised": None if fails or spec.recipe.seed == late else round(grokked),
            "at_fit": at_fit * wobble,
            "highest": top,
            "steps": spec.steps,
            "train_accuracy": rise(8.0),
            "test_accuracy": rise(grokked / 2, top),
            "unseen_accuracy": rise(grokked / 2, top),
            "restricted_accuracy": rise(rule * grokked / 2 * wobble),
            "embedding_share": rise(rule * grokked / 2 * wobble),
            "weight_norm": rise(8.0),
        }
        status = "failed" if i < lost else "done"
        records.append(
            PointRecord(key=point.key, experiment=point.experiment, spec={}, status=status, outcome=outcome, reason="")
        )
    return Results(records)


def states(results: Results, part: str) -> set[str]:
    claims = Grokking().judge(SETTINGS, SEEDS, results).claims
    return {c.state for c in claims if c.name.startswith(part)}


def test_networks_that_grok_show_it_and_their_controls_do_not() -> None:
    finding = Grokking().judge(SETTINGS, SEEDS, fabricated())
    assert verdict_of(finding.claims) == "shown"
    assert len(finding.controls) == 4
    assert {verdict_of(claims) for claims in finding.controls.values()} == {"not shown"}
    assert len(finding.curves["time_to_grok"]["generalised"]) >= 3 * len(SEEDS)


def test_networks_that_do_not_are_refuted() -> None:
    assert states(fabricated(delay=1.5), "delay") == {"refuted"}
    assert states(fabricated(at_fit=0.8), "memorises") == {"refuted"}
    assert states(fabricated(rule=1.5), "rule_forms_first") == {"refuted"}
    assert "passed" not in states(fabricated(lost=1), "delay_quadratic_addition")
    generalising = Grokking().judge(SETTINGS, SEEDS, fabricated(control=1.0))
    assert {verdict_of(claims) for claims in generalising.controls.values()} == {"shown"}


def test_a_network_that_is_not_there_counts_with_its_last_step() -> None:
    claims = Grokking().judge(SETTINGS, SEEDS, fabricated(late=0)).claims
    found = next(c for c in claims if c.name == "delay_quadratic_addition")
    values = found.measurement.diagnostics["values"]
    assert values[0] == pytest.approx(SETTINGS.quadratic.steps / 15)
    assert values[1] == pytest.approx(20 * 1.02, rel=0.01)
    assert found.state == "passed"


def test_it_keeps_the_contract() -> None:
    small = {"p": 5, "steps": 6, "train_share": 0.5}
    changes: dict[str, Any] = {f"quadratic.{k}": v for k, v in (small | {"width": 8}).items()}
    changes |= {
        f"transformer.{k}": getattr(SMALL, k) for k in ("p", "train_share", "d_model", "heads", "d_mlp", "steps")
    }
    check_phenomenon(Grokking, {**changes, "readings": 4, "curve_steps": 6, "curve_seeds": 1})


@pytest.mark.slow
def test_it_is_shown_and_its_controls_are_not(tmp_path: Path) -> None:
    report = run(Grokking(), store=Store.open(tmp_path), executor=Local(1))
    assert (report.verdict, report.control) == ("shown", "not shown")
