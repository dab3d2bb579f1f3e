"""Closed forms of the learning coefficient against integrals done numerically and against each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, estimators_of
from gnomon.estimators.degeneracy import LocalLearningCoefficient
from gnomon.estimators.degeneracy.known import LinearNetwork
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, SquaredError, Subject
from gnomon.theory import OutOfDomainError, Theory
from gnomon.theory.learning_coefficients import (
    DeepLinearCoefficient,
    NormalCrossingCoefficient,
    ReducedRankCoefficient,
    RegularCoefficient,
    deep_linear,
    normal_crossing,
    reduced_rank,
    regular,
)
from gnomon.theory.learning_coefficients_at_temperature import (
    CrossingCoefficient,
    TwoLayerCoefficient,
    crossing_energy,
    two_layer_energy,
)


def aoyagi_watanabe(m: int, h: int, n: int, r: int) -> tuple[float, int]:
    """The four cases as they are published (Neural Networks 18 (2005) 924)."""
    if n + r <= m + h and m + r <= n + h and h + r <= m + n:
        even = (m + h + n + r) % 2 == 0
        found = (-((h + r) ** 2) - m**2 - n**2 + 2 * (h + r) * (m + n) + 2 * m * n + (0 if even else 1)) / 8
        return found, 1 if even else 2
    if m + h < n + r:
        return (h * m - h * r + n * r) / 2, 1
    if n + h < m + r:
        return (h * n - h * r + m * r) / 2, 1
    return m * n / 2, 1


SIZES = list(itertools.product(range(1, 6), repeat=3))


@pytest.mark.parametrize("sizes", SIZES)
def test_derived_reduced_rank_is_the_published_one(sizes: tuple[int, int, int]) -> None:
    m, h, n = sizes
    for r in range(min(sizes)):
        assert reduced_rank(m, h, n, r) == pytest.approx(aoyagi_watanabe(m, h, n, r))


@pytest.mark.parametrize("sizes", SIZES)
def test_a_linear_network_of_two_layers_is_reduced_rank_regression(sizes: tuple[int, int, int]) -> None:
    for r in range(min(sizes)):
        assert deep_linear(sizes, r) == pytest.approx(reduced_rank(*sizes, r))


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 3), (2, 2), (4, 1), (2, 5)])
def test_reduced_rank_is_what_the_integral_tends_to(inputs: int, outputs: int) -> None:
    found, multiplicity = reduced_rank(inputs, 2, outputs)
    energies = [two_layer_energy(s, inputs, outputs) for s in (1e4, 1e8, 1e12)]
    missing = found - np.array(energies)
    assert (np.diff(missing) < 0).all()
    # with a logarithm, (m − 1) / log s is still missing
    logarithm = (multiplicity - 1) / np.log(1e12)
    assert missing[-1] == pytest.approx(logarithm, abs=0.3 * logarithm + 1e-4)


@pytest.mark.parametrize("widths", [(2, 4, 3, 1), (2, 2, 3, 1), (2, 2, 2, 1), (1, 1, 1, 1), (3, 4, 5, 6, 1), (5, 1)])
def test_a_deep_network_of_one_output_is_a_product_of_chi_squares(widths: tuple[int, ...]) -> None:
    # |A_1 … A_{L-1} a_L|² is a product of independent χ² with as many degrees of freedom as each width but the last
    smallest = min(widths[:-1])
    assert deep_linear(widths) == pytest.approx((smallest / 2, widths[:-1].count(smallest)))


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 2), (2, 2), (1, 3), (0, 2)])
def test_normal_crossings_are_what_the_integral_tends_to(a: int, b: int) -> None:
    found, multiplicity = normal_crossing([a, b])
    energies = [crossing_energy(s, a, b) for s in (1e4, 1e8, 1e12)]
    missing = found - np.array(energies)
    assert (np.diff(missing) < 0).all()
    logarithm = (multiplicity - 1) / np.log(1e12)
    assert 0 <= missing[-1] <= 1.5 * logarithm + 0.03


def test_crossing_energy_of_a_quadratic() -> None:
    for s in (0.1, 1.0, 100.0):
        assert crossing_energy(s, 0, 1) == pytest.approx(s / (1 + 2 * s))


def test_volume_near_a_crossing_scales_as_the_closed_form_says() -> None:
    # V(ε) = ε^λ (−log ε)^(m−1) up to a constant, by Monte Carlo with importance in log w
    rng = np.random.default_rng(0)
    logs = -rng.exponential(4.0, size=(2, 400_000))
    weight = np.prod(4.0 * np.exp(logs * (1 - 1 / 4.0)), axis=0)
    for a, b in ((1, 2), (2, 2)):
        found, multiplicity = normal_crossing([a, b])
        log_loss = 2 * a * logs[0] + 2 * b * logs[1]
        small = np.array([-12.0, -16.0, -20.0])
        volumes = np.array([(weight * (log_loss < s)).mean() for s in small])
        slopes = np.diff(np.log(volumes) - (multiplicity - 1) * np.log(-small)) / np.diff(small)
        assert slopes == pytest.approx(found, abs=0.03)


def test_a_vanishing_density_leaves_what_the_volume_says() -> None:
    # ∫ over [0, 1]² of w2 1[w1⁴ w2⁴ < ε] in closed form, with s = ε^{1/4}: s − s²/2; the density itself gives λ = 1/4
    found, multiplicity = normal_crossing([2, 2], [0, 1])
    s = np.exp(np.array([-60.0, -80.0]) / 4)
    slope = np.diff(np.log(s - s**2 / 2)) / (-20.0)
    assert slope == pytest.approx(found, abs=1e-6)
    assert multiplicity == 1


def test_regular() -> None:
    assert regular(7) == (3.5, 1)


THEORIES: list[tuple[Theory, float]] = [
    (RegularCoefficient(parameters=7), 3.5),
    (NormalCrossingCoefficient(powers=(1, 2, 0)), 0.25),
    (ReducedRankCoefficient(features=3, hidden=2, outputs=3), 2.5),
    (DeepLinearCoefficient(widths=(2, 4, 3, 1)), 1.0),
]


@pytest.mark.parametrize(("theory", "truth"), THEORIES, ids=lambda t: getattr(t, "name", None))
def test_theories_predict_the_quantity_that_is_measured(theory: Theory, truth: float) -> None:
    found = theory.predict()
    assert (found.quantity, found.value) == ("learning_coefficient", truth)
    assert found.uncertainty.systematic == 0.0
    assert estimators_of(found.quantity)


def test_a_minimum_with_null_directions_is_not_regular() -> None:
    # the loss w1² in two dimensions: λ = 1/2 where the regular formula would say 1
    assert crossing_energy(1e8, 0, 1) == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(OutOfDomainError, match="1 null directions"):
        RegularCoefficient(parameters=2, null_directions=1).predict()


@pytest.mark.parametrize("kind", [ReducedRankCoefficient, DeepLinearCoefficient], ids=lambda k: k.name)
def test_where_the_loss_has_no_zero_there_is_no_coefficient(kind: type[Theory]) -> None:
    (outside,) = kind.examples()["outside"]
    with pytest.raises(OutOfDomainError, match="the loss has no zero"):
        outside.predict()
    # the energy itself then grows with the temperature's inverse, beyond every λ
    assert outside.predict(anyway=True).value == float("inf")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RegularCoefficient, {"parameters": 0}),
        (RegularCoefficient, {"parameters": 2, "null_directions": 3}),
        (NormalCrossingCoefficient, {"powers": (1, -1)}),
        (NormalCrossingCoefficient, {"powers": (1, 2), "density_powers": (1,)}),
        (ReducedRankCoefficient, {"features": 2, "hidden": 2, "outputs": 3, "rank": 3}),
        (DeepLinearCoefficient, {"widths": (3,)}),
        (DeepLinearCoefficient, {"widths": (3, 0, 3)}),
    ],
    ids=str,
)
def test_inputs_without_meaning_are_refused(kind: type[Theory], fields: dict[str, Any]) -> None:
    with pytest.raises(GnomonError, match=r"."):
        kind(**fields)


@pytest.mark.parametrize(
    ("features", "outputs", "strength"), [(3, 3, 1.0), (2, 4, 0.5), (3, 1, 1.0), (1, 3, 1.0), (2, 2, 3.0)], ids=str
)
def test_two_layers_at_a_temperature_by_importance_sampling(features: int, outputs: int, strength: float) -> None:
    rng = Rng(0).child("two layers", features, outputs).numpy()
    first, second = rng.normal(size=(100_000, 2, features)), rng.normal(size=(100_000, outputs, 2))
    energies = strength * np.square(second @ first).sum(axis=(1, 2))
    weights = np.exp(-energies)
    mean = np.average(energies, weights=weights)
    error = np.sqrt(np.square(weights * (energies - mean)).sum()) / weights.sum()
    found = TwoLayerCoefficient(features=features, outputs=outputs, strength=strength).predict()
    assert abs(found.value - mean) < 4 * error


@pytest.mark.parametrize(("features", "outputs"), [(3, 3), (2, 5)], ids=str)
def test_two_layers_at_a_high_temperature_are_the_variance_of_the_product(features: int, outputs: int) -> None:
    weak = TwoLayerCoefficient(features=features, outputs=outputs, strength=1e-7)
    assert abs(weak.value() - 1e-7 * 2 * features * outputs) < 2 * weak.systematic()


def test_the_estimator_reads_two_layers_at_its_temperature() -> None:
    # white inputs of variance v, three outputs: s = τ v / (3 γ²), with γ = 1
    x, tau = np.linalg.qr(Rng(1).child("inputs").numpy().normal(size=(64, 3))).Q * 8 * 2**0.5, 30.0
    subject = Subject(LinearNetwork((3, 2, 3)), loss=SquaredError())
    estimator = LocalLearningCoefficient(n_beta=tau, localisation=1.0)
    data = ArrayData(x, np.zeros((64, 3)))
    (found,) = estimator.measure(subject, data, sites=(), budget=Budget(), rng=Rng(2))
    theory = TwoLayerCoefficient(features=3, outputs=3, strength=tau * 2 / 3).predict()
    assert found.quantity == theory.quantity
    assert abs(found.value - theory.value) < 4 * found.uncertainty.error + found.uncertainty.systematic


@pytest.mark.parametrize(
    ("theory", "reason"),
    [
        (TwoLayerCoefficient(features=1, outputs=1, strength=3.0), "no density"),
        (TwoLayerCoefficient(features=3, outputs=3, strength=1e20), "more than"),
        (CrossingCoefficient(powers=(0, 0), strength=3.0), "no minimum"),
        (CrossingCoefficient(powers=(1, 1), strength=1e30), "more than"),
    ],
    ids=["one by one", "cold", "constant", "cold crossing"],
)
def test_beyond_the_integrals_it_refuses(theory: Theory, reason: str) -> None:
    with pytest.raises(OutOfDomainError, match=reason):
        theory.predict()


def test_energies_without_meaning_are_refused() -> None:
    with pytest.raises(GnomonError):
        TwoLayerCoefficient(features=3, outputs=3, strength=0.0)
    with pytest.raises(GnomonError):
        CrossingCoefficient(powers=(1, -1), strength=1.0)
