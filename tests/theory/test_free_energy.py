"""The free energy of phases against evidence that is integrated, for population losses and for data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import k0e, logsumexp

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.free_energy import (
    PhaseCrossover,
    PhaseOdds,
    crossing_constant,
    free_energies,
    regular_constant,
)

# A Gaussian in the plane, of mean (0, δ) and unit variance. Phase 0 says (w1 w2, 0): a normal crossing, λ = 1/2, m = 2,
# and a loss of δ²/2 too much. Phase 1 says (w1, w2): regular, λ = 1. The prior of every parameter is standard normal.
_LOG_T = np.linspace(-60.0, 5.0, 20_001)
_T = np.exp(_LOG_T)
# the product t of two normals has the density K0(|t|)/π; here on the grid of log |t|, with its step
_DENSITY = np.log(k0e(_T)) - _T - math.log(math.pi) + _LOG_T + math.log(_LOG_T[1] - _LOG_T[0])


def crossing_evidence(n: float, mean: float = 0.0) -> float:
    """Logarithm of the integral of exp(n · mean · w1 w2 − n (w1 w2)²/2) over the prior."""
    quadratic = _DENSITY - n * _T**2 / 2
    return float(logsumexp(np.concatenate([quadratic + n * mean * _T, quadratic - n * mean * _T])))


def odds(n: float, gap: float) -> float:
    """F0 − F1 for the population loss."""
    plane = -math.log1p(n) - n * 2 * gap / (2 * (n + 1))
    return n * gap - crossing_evidence(n) + plane


def odds_of_data(n: int, means: NDArray[np.float64]) -> float:
    """F0 − F1 for data with these two means, all constants of the data left out of both."""
    plane = -math.log1p(n) + n**2 * float(np.square(means).sum()) / (2 * (n + 1))
    return plane - crossing_evidence(n, float(means[0]))


def plane_phases(gap: float) -> dict[str, Any]:
    constants = (
        crossing_constant(1, 2, 0.5, -math.log(2 * math.pi)),
        regular_constant(0.0, 2, -math.log(2 * math.pi) - gap),
    )
    return {
        "losses": (gap, 0.0),
        "coefficients": (0.5, 1.0),
        "multiplicities": (2, 1),
        "constants": constants,
    }


def test_the_evidence_of_the_crossing_is_the_integral_in_two_dimensions() -> None:
    w, step = np.linspace(-8, 8, 1601, retstep=True)
    for n, mean in ((20.0, 0.0), (50.0, 0.3)):
        t = w[:, None] * w[None, :]
        brute = np.exp(n * mean * t - n * t**2 / 2 - (w[:, None] ** 2 + w[None, :] ** 2) / 2).sum() * step**2
        assert crossing_evidence(n, mean) == pytest.approx(math.log(brute / (2 * math.pi)), abs=1e-6)


@pytest.mark.parametrize(("power", "strength"), [(1, 2.0), (2, 0.5), (3, 1.0)], ids=str)
def test_the_constant_of_a_phase_is_what_its_integral_leaves(power: int, strength: float) -> None:
    # one direction, prior uniform on [−1, 1]: the remainder is exponentially small
    n = 1e7
    integral, _ = quad(lambda w: 0.5 * math.exp(-n * strength * w ** (2 * power)), -1, 1, points=[0], epsabs=0)
    found = free_energies(n, [0.0], 1 / (2 * power), 1, crossing_constant(power, 1, strength, math.log(0.5)))
    assert -math.log(integral) == pytest.approx(found.item(), abs=1e-6)


def test_the_remainder_of_two_regular_phases_falls_as_1_over_n() -> None:
    gap, curvatures = 0.01, np.array([0.3, 1.0, 4.0])
    normal = -0.5 * math.log(2 * math.pi)
    constants = regular_constant(0.0, 1, normal), regular_constant(float(np.log(curvatures).sum()), 3, 3 * normal)

    def exact(n: float) -> float:
        return n * gap + 0.5 * math.log1p(n) - 0.5 * float(np.log1p(n * curvatures).sum())

    for n in (100, 1000, 10_000):
        theory = PhaseOdds(losses=(gap, 0.0), coefficients=(0.5, 1.5), constants=constants, samples=n)
        assert exact(n) - theory.value() == pytest.approx((1 - (1 / curvatures).sum()) / (2 * n), rel=0.03)
    truth = brentq(exact, 300, 3000)
    remainder = abs(1 - (1 / curvatures).sum()) / (2 * truth)
    crossover = PhaseCrossover(
        losses=(gap, 0.0), coefficients=(0.5, 1.5), constants=constants, constant_error=2 * remainder
    ).predict()
    assert abs(crossover.value - truth) <= crossover.uncertainty.systematic < 0.01 * truth
    # without the constants it is off by what they come to
    plain = PhaseCrossover(losses=(gap, 0.0), coefficients=(0.5, 1.5), constant_error=abs(constants[1]) + 2 * remainder)
    assert abs(plain.value() - truth) <= plain.systematic()


def test_the_remainder_of_a_crossing_falls_as_1_over_log_n_and_multiplicity_counts() -> None:
    gap = 0.01
    missing = []
    for n in (10**2, 10**4, 10**8):
        missing.append(odds(n, gap) - PhaseOdds(samples=n, **plane_phases(gap)).value())
        # with m = 1 instead of 2 it would be off by log log n, more and more
        single = PhaseOdds(samples=n, **plane_phases(gap) | {"multiplicities": (1, 1)})
        assert abs(odds(n, gap) - single.value()) > 3 * abs(missing[-1])
    assert np.array(missing) * np.log([1e2, 1e4, 1e8]) == pytest.approx([-1.4] * 3, abs=0.1)


@pytest.mark.parametrize("gap", [0.03, 0.01, 1e-3, 1e-4], ids=str)
def test_the_simple_phase_wins_up_to_the_crossover(gap: float) -> None:
    truth = brentq(lambda n: odds(n, gap), 1 / gap, 100 / gap)
    bound = 1.6 / math.log(truth)  # of the remainder
    theory = PhaseCrossover(**plane_phases(gap), constant_error=bound)
    assert theory.outside() == ()
    assert abs(theory.value() - truth) <= theory.systematic() <= 0.35 * truth
    assert abs(theory.value() / truth - 1) <= 0.12
    # the constants of this pair are small: without them it is within a quarter, as the domain says
    plain = PhaseCrossover(**plane_phases(gap) | {"constants": (0.0, 0.0)})
    assert abs(plain.value() / truth - 1) <= 0.25
    assert plain.systematic() is None
    # without the multiplicity it is too early by far more
    assert PhaseCrossover(losses=(gap, 0.0), coefficients=(0.5, 1.0)).value() < 0.8 * truth


def test_data_turn_from_one_phase_to_the_other_where_the_theory_says() -> None:
    gap, datasets = 0.01, 300
    crossover = PhaseCrossover(**plane_phases(gap)).value()
    shares = []
    for factor in (1 / 10, 1, 10):
        n = round(factor * crossover)
        rng = Rng(0).child("data", n).numpy()
        means = np.array([0.0, math.sqrt(2 * gap)]) + rng.normal(size=(datasets, 2)) / math.sqrt(n)
        found = np.array([odds_of_data(n, m) for m in means])
        shares.append((found > 0).mean())
        # the mean of what data fit of their noise is a constant of order one: half a nat a parameter, less in phase 0
        theory = PhaseOdds(samples=n, **plane_phases(gap)).value()
        error = found.std() / datasets**0.5
        assert -0.5 - 3 * error <= found.mean() - theory <= 1.0 + 3 * error
    assert shares[0] <= 0.15
    assert 0.3 <= shares[1] <= 0.8
    assert shares[2] >= 0.97


def test_the_closed_form_of_the_crossover_is_the_largest_root() -> None:
    rng = Rng(1).child("roots").numpy()
    for _ in range(50):
        losses, step = (float(rng.uniform(0.001, 0.05)), 0.0), float(rng.uniform(0.5, 3.0))
        constants = tuple(rng.normal(size=2))
        theory = PhaseCrossover(losses=losses, coefficients=(0.5, 0.5 + step), constants=constants)
        if theory.outside():
            continue
        n = theory.value()

        def difference(samples: ArrayLike, theory: PhaseCrossover = theory) -> NDArray[np.float64]:
            both = free_energies(samples, theory.losses, theory.coefficients, 1, theory.constants)
            return both[..., 0] - both[..., 1]

        assert difference(n) == pytest.approx(0.0, abs=1e-8)
        assert (difference(np.geomspace(1.001 * n, 1000 * n, 200)) > 0).all()
        assert difference(0.999 * n) < 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"losses": (0.0, 0.01)}, "it wins however many"),
        ({"coefficients": (1.5, 0.5)}, "it wins however few"),
        ({"losses": (1.0, 0.0)}, "below 16"),
        ({"losses": (1e-16, 0.0)}, "beyond"),
    ],
    ids=["better", "no larger", "early", "never"],
)
def test_without_a_crossover_it_refuses(fields: dict[str, Any], reason: str) -> None:
    inputs = {"losses": (0.01, 0.0), "coefficients": (0.5, 1.5)}
    with pytest.raises(OutOfDomainError, match=reason):
        PhaseCrossover(**inputs | fields).predict()
    # so it is: with few examples, or with many, no phase is overtaken
    if "losses" in fields and fields["losses"][0] == 0.0:
        assert (np.diff(free_energies(np.geomspace(3, 1e9, 50), (0.0, 0.01), (0.5, 1.5))) > 0).all()


def test_few_examples_are_refused_for_odds_too() -> None:
    few = PhaseOdds(samples=8, **plane_phases(0.01))
    with pytest.raises(OutOfDomainError, match="fewer than 16"):
        few.predict()
    assert abs(odds(8, 0.01) - few.value()) > 0.4


@pytest.mark.parametrize(
    "fields",
    [
        {"losses": (float("nan"), 0.0)},
        {"coefficients": (0.0, 1.0)},
        {"multiplicities": (0, 1)},
        {"constant_error": -1.0},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_phases_without_meaning_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(GnomonError):
        PhaseOdds(**{"losses": (0.01, 0.0), "coefficients": (0.5, 1.5), "samples": 100} | fields)
