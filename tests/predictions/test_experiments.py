"""The experiments that challenges bring along, each against something worked out in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.organisms.digits import digits
from gnomon.predictions.analytic_network_experiment import AnalyticNetwork, add
from gnomon.predictions.deep_linear_experiment import DeepLinear, learn, passes_half
from gnomon.predictions.descent_threshold_experiment import DescentThreshold, find_threshold
from gnomon.predictions.digits_regression_experiment import DigitsRegression, kernel, one_hot, pool, prepared, regress
from gnomon.predictions.wide_network_experiment import WideNetwork, problem, train_wide
from gnomon.randomness import Rng
from gnomon.theory.deep_linear_random import RandomLearningTime
from gnomon.theory.modular_addition import solution


def test_a_wide_network_descends_as_automatic_derivatives_say() -> None:
    spec = WideNetwork(width=24, examples=12, tested=20, learning_rate=0.3, steps=5, seed=3)
    given = [torch.from_numpy(part).float() for part in problem(spec)]
    x, y, z, truth = given
    generator = Rng(spec.seed).child("weights").numpy()
    first = torch.from_numpy(generator.standard_normal((64, 24), dtype=np.float32)).requires_grad_()
    second = torch.from_numpy(generator.standard_normal((24, 10), dtype=np.float32)).requires_grad_()

    def outputs(inputs: torch.Tensor) -> torch.Tensor:
        return (2 / 24) ** 0.5 * torch.relu((2 / 64) ** 0.5 * inputs @ first) @ second

    start, start_unseen = outputs(x).detach(), outputs(z).detach()
    for _ in range(spec.steps):
        loss = (outputs(x) - start - y).square().sum() / (2 * len(x))
        gradients = torch.autograd.grad(loss, (first, second))
        with torch.no_grad():
            for weight, gradient in zip((first, second), gradients, strict=True):
                weight -= spec.learning_rate * gradient
    found = train_wide(spec)
    with torch.no_grad():
        train, test = outputs(x) - start - y, outputs(z) - start_unseen - truth
    assert found["train_error"] == pytest.approx(float(train.square().mean()), rel=1e-4)
    assert found["test_error"] == pytest.approx(float(test.square().mean()), rel=1e-4)


def test_the_images_of_a_wide_network_do_not_depend_on_its_width() -> None:
    one, other = (problem(WideNetwork(width=width, seed=1)) for width in (8, 64))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.square(one.inputs).sum(axis=1).mean() == pytest.approx(64)


def test_a_linear_network_learns_when_the_closed_form_says() -> None:
    spec = DeepLinear(singular_values=(3.0, 1.5), steps=900)
    times = [learn(spec.changed({"seed": seed}))["half_learned"] for seed in range(30)]
    for mode in (0, 1):
        theory = RandomLearningTime(
            singular_values=(3.0, 1.5), mode=mode, hidden=32, scales=(1e-3, 1e-3), learning_rate=0.01
        )
        of_mode = np.array([t[mode] for t in times])
        assert theory.quantile(0.3) < np.median(of_mode) < theory.quantile(0.7)
        within = (of_mode > theory.quantile(0.05)) & (of_mode < theory.quantile(0.95))
        assert 23 <= within.sum() <= 30


def test_a_singular_value_that_is_not_learned_has_no_time() -> None:
    assert learn(DeepLinear(singular_values=(3.0, 0.5), steps=300))["half_learned"][1] is None
    with pytest.raises(GnomonError, match="diverged"):
        learn(DeepLinear(singular_values=(3.0,), learning_rate=2.0, steps=300))
    with pytest.raises(GnomonError, match="give fewer"):
        learn(DeepLinear(singular_values=(1.0,) * 3, dimension=2))


def test_half_is_passed_between_points() -> None:
    assert passes_half(np.array([0.0, 0.25, 0.75, 0.1])) == 1.5
    assert passes_half(np.array([0.6, 0.7])) == 0.0
    assert passes_half(np.array([0.1, 0.4])) is None


def test_the_kernel_is_that_of_many_features() -> None:
    x = pool()[0][:6]
    directions = np.random.default_rng(0).standard_normal((64, 400_000))
    features = np.sqrt(2 / 400_000) * np.maximum(x @ directions, 0)
    np.testing.assert_allclose(kernel(x, x), features @ features.T, atol=0.02)


def test_many_features_are_the_kernel() -> None:
    specs = [DigitsRegression(examples=40, features=n, penalty=0.1, noise=0.2, seed=5) for n in (20_000, None)]
    wide, limit = (regress(spec)["excess_risk"] for spec in specs)
    assert wide == pytest.approx(limit, rel=0.02)
    with pytest.raises(GnomonError, match="needs a penalty"):
        regress(DigitsRegression(examples=40))


def test_nothing_of_the_pool_is_trained_or_tested_on() -> None:
    whole = digits()
    rest = whole.split(897, Rng(0).child("predictions", "pool"))[1]
    rows = {row.tobytes() for row in pool()[0]}
    both = sum(row.tobytes() in rows for row in prepared(rest.images))
    twins = len(whole) - len(np.unique(whole.images, axis=0))
    assert both <= twins
    assert len(rest) == 900
    assert np.square(one_hot(rest.classes)).sum(axis=1) == pytest.approx(0.9)


def test_descent_diverges_at_two_over_the_largest_curvature() -> None:
    for dimension in (10, 60, 130, 250):
        spec = DescentThreshold(examples=100, dimension=dimension, seed=2)
        x = Rng(2).child("inputs").numpy().standard_normal((100, dimension))
        exact = 2 / float(np.linalg.eigvalsh(x.T @ x / 100)[-1])
        assert find_threshold(spec)["threshold"] == pytest.approx(exact, rel=0.005)


def test_the_written_network_is_asked_every_pair() -> None:
    spec = AnalyticNetwork(p=7, width=9, seed=1)
    embed, unembed = solution(7, 9, Rng(1).child("solution"))
    right = [
        int((unembed @ (embed[:, a] + embed[:, 7 + b]) ** 2).argmax()) == (a + b) % 7
        for a in range(7)
        for b in range(7)
    ]
    assert add(spec)["accuracy"] == pytest.approx(np.mean(right))
    assert add(AnalyticNetwork(p=7, width=300))["accuracy"] == 1.0
