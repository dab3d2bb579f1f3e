"""The analytic solution of modular addition, as the organism's own network with these weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.organisms.modular import ModularAddition
from gnomon.randomness import Rng
from gnomon.theory import OutOfDomainError
from gnomon.theory.modular_addition import AnalyticAddition, error_rate, solution, sufficient_width


def logits(p: int, width: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Outputs ``(p², p)`` of the network of the organism with the weights of the solution, and the answers."""
    network = ModularAddition(p=p, width=width).network()
    embed, unembed = solution(p, width, Rng(seed))
    state = {"embed.weight": torch.from_numpy(embed), "unembed.weight": torch.from_numpy(unembed)}
    network.double().load_state_dict(state)
    a, b = (x.ravel() for x in np.mgrid[:p, :p])
    inputs = torch.zeros(p * p, 2 * p, dtype=torch.float64)
    inputs[np.arange(p * p), a] = 1
    inputs[np.arange(p * p), p + b] = 1
    with torch.no_grad():
        return network(inputs).numpy(), (a + b) % p


def accuracies(p: int, width: int, seeds: int) -> NDArray[np.float64]:
    return np.array([(found.argmax(axis=1) == answers).mean() for found, answers in _each(p, width, seeds)])


def _each(p: int, width: int, seeds: int) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    return [logits(p, width, seed) for seed in range(seeds)]


def test_logits_are_those_of_the_formula() -> None:
    p, width = 13, 30
    embed, _ = solution(p, width, Rng(3))
    phases = Rng(3).child("phases").numpy().uniform(0, 2 * np.pi, size=(2, width))
    omega = 2 * np.pi * (1 + np.arange(width) % 6) / p
    amplitude = embed[0, 0] / np.cos(phases[0, 0])
    found, _ = logits(p, width, 3)
    for a, b in ((0, 0), (3, 11), (12, 12)):
        s, d = omega * (a + b) + phases.sum(axis=0), omega * (a - b) + phases[0] - phases[1]
        for r in range(p):
            expected = ((1 + np.cos(s)) * (1 + np.cos(d)) * np.cos(s - omega * r)).sum() * amplitude**3
            assert found[a * p + b, (a + b - r) % p] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("p", "width"), [(11, 20), (23, 11)], ids=str)
def test_the_right_logit_is_one_above_the_wrong_ones_on_average(p: int, width: int) -> None:
    # over all pairs each phase is met in all its turns: the average is exact, whatever the phases
    found, answers = logits(p, width, 0)
    right = found[np.arange(p * p), answers]
    assert right.mean() - (found.sum() - right.sum()) / (p * p * (p - 1)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("p", "width", "seeds"),
    [
        *[(7, 12, 200), (11, 10, 120), (11, 30, 120), (23, 11, 80), (23, 22, 80), (23, 44, 80), (31, 45, 40)],
        # cycles that are not whole
        *[(11, 13, 120), (23, 17, 80), (23, 28, 80), (31, 12, 40), (47, 27, 20)],
    ],
    ids=str,
)
def test_networks_are_right_as_often_as_the_theory_says(p: int, width: int, seeds: int) -> None:
    theory = AnalyticAddition(p=p, width=width)
    found = accuracies(p, theory.width, seeds)
    error = found.std(ddof=1) / seeds**0.5
    prediction = theory.predict()
    assert abs(prediction.value - found.mean()) <= prediction.uncertainty.systematic + 3 * error
    assert prediction.uncertainty.systematic <= 0.04


def test_above_the_sufficient_width_nearly_every_network_is_right_everywhere() -> None:
    p = 23
    enough = sufficient_width(p, wrong=0.1)
    assert error_rate(p, enough) * p**2 < 0.1 <= error_rate(p, enough - 11) * p**2
    wrong = (1 - accuracies(p, enough, 60)) * p**2
    # at most 0.1 a network in expectation; errors come in clusters, at least two (a, b), (b, a) at a time
    assert wrong.mean() <= 0.1 + 3 * max(wrong.std(ddof=1), 0.5) / 60**0.5
    assert (wrong == 0).mean() >= 0.9
    half = (1 - accuracies(p, enough // 2 // 11 * 11, 20)) * p**2
    assert (half > 0).mean() >= 0.9


def test_the_error_falls_exponentially_with_the_width() -> None:
    rates = np.array([error_rate(23, 11 * c) for c in (4, 6, 8, 10)])
    steps = np.diff(np.log(rates))
    assert (steps < -1.5).all()
    assert np.ptp(steps) < 0.5 * abs(steps.mean())


@pytest.mark.parametrize(
    ("p", "width", "reason"),
    [(10, 20, "not odd"), (3, 12, "at least 5"), (5, 8, "fewer than 10"), (197, 50, "too few of the 98 frequencies")],
    ids=str,
)
def test_outside_the_domain_it_refuses(p: int, width: int, reason: str) -> None:
    with pytest.raises(OutOfDomainError, match=reason):
        AnalyticAddition(p=p, width=width).predict()


def law(p: int, width: int, draws: int, rng: np.random.Generator) -> float:
    """The accuracy over draws of the phases, by the formula of the logits, for widths below one cycle."""
    s, d = rng.uniform(0, 2 * np.pi, size=(2, draws, width))
    terms = (1 + np.cos(s)) * (1 + np.cos(d)) * np.exp(1j * s)
    turns = np.exp(-2j * np.pi * np.outer(1 + np.arange(width), np.arange(p)) / p)
    return float(((terms @ turns).real.argmax(axis=1) == 0).mean())


def test_where_too_many_frequencies_are_missing_the_refusal_is_earned() -> None:
    draws, rng = 20_000, Rng(4).child("law").numpy()
    inside, outside = AnalyticAddition(p=97, width=36), AnalyticAddition(p=197, width=50)
    errors = [abs(one.value() - law(one.p, one.width, draws, rng)) for one in (inside, outside)]
    noise = 3 * (0.25 / draws) ** 0.5
    assert inside.outside() == ()
    assert errors[0] <= inside.systematic() + noise
    assert errors[1] > outside.systematic()


@pytest.mark.parametrize(("p", "width"), [(2, 20), (11, 0)], ids=str)
def test_networks_that_are_none_are_refused(p: int, width: int) -> None:
    with pytest.raises(GnomonError):
        AnalyticAddition(p=p, width=width)
    with pytest.raises(GnomonError):
        solution(p, width, Rng(0))
