"""Events: noise does not raise them, and what they wait for does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.lab.observer import LossBelow, LossPlateau

WINDOW = 200


def plateau() -> LossPlateau:
    return LossPlateau(window=WINDOW, tolerance=0.01)


def alarms(losses: NDArray[np.float64], event: LossPlateau | LossBelow) -> list[int]:
    return [step for step, loss in enumerate(losses) if event.happened(step, float(loss))]


def noise(kind: str, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    white = generator.normal(size=n)
    if kind == "white":
        return white
    if kind == "heavy":
        return generator.standard_t(3, size=n) / math.sqrt(3)
    correlated = np.empty(n)
    correlated[0] = white[0]
    for i in range(1, n):  # correlation time of 2 steps, of variance 1
        correlated[i] = 0.6 * correlated[i - 1] + math.sqrt(1 - 0.36) * white[i]
    return correlated


@pytest.mark.parametrize("kind", ["white", "heavy", "correlated"])
@pytest.mark.parametrize("size", [0.001, 0.02, 0.2])
def test_at_the_tolerance_a_look_is_a_false_alarm_as_often_as_stated(kind: str, size: float) -> None:
    """The loss falls by exactly the tolerance in a window, the worst case: 5 % of the looks may raise an alarm."""
    generator = np.random.default_rng(0)
    looks = found = 0
    for _ in range(600):
        # the mean of the window is 1, and the loss falls over it by 0.01
        losses = 1.005 - 0.01 * (np.arange(WINDOW) + 0.5) / WINDOW + size * noise(kind, WINDOW, generator)
        looks += 1
        found += bool(alarms(losses, plateau()))
    allowed = 0.05 if kind != "correlated" else 0.08  # blocks of 12 steps are nearly, not quite, independent
    assert found / looks <= allowed + 3 * math.sqrt(allowed * (1 - allowed) / looks)


def test_a_loss_that_still_falls_hardly_raises_an_alarm_in_a_long_run() -> None:
    """Power laws and exponentials that fall by at least three times the tolerance a window, 20 windows each."""
    generator = np.random.default_rng(1)
    steps = np.arange(20 * WINDOW)
    for loss in (3.0 * np.exp(-0.03 * steps / WINDOW), 10.0 * (steps + 50.0) ** -0.6):
        for size, most in ((0.01, 0), (0.1, 8)):  # of 400 looks; noise of 10 % is four times what hides a plateau
            noisy = [loss * (1 + size * noise("white", len(steps), generator)) for _ in range(20)]
            assert sum(len(alarms(one, plateau())) for one in noisy) <= most


def test_a_plateau_is_noticed_within_two_windows_of_its_beginning() -> None:
    generator = np.random.default_rng(2)
    begins = 3 * WINDOW + 77
    steps = np.arange(10 * WINDOW)
    loss = np.where(steps < begins, 3.0 - 2.0 * steps / begins, 1.0)
    for _ in range(50):
        first = alarms(loss + 0.01 * noise("white", len(steps), generator), plateau())[0]
        assert begins <= first <= begins + 2 * WINDOW


def test_a_plateau_happens_once_until_the_loss_has_left_it() -> None:
    generator = np.random.default_rng(3)
    flat = np.full(10 * WINDOW, 2.0)
    fall = np.linspace(2.0, 1.0, 3 * WINDOW)
    loss = np.concatenate([flat, fall, np.full(10 * WINDOW, 1.0)])
    found = alarms(loss + 0.005 * noise("white", len(loss), generator), plateau())
    assert found == [WINDOW - 1, 14 * WINDOW - 1]


def test_noise_that_could_hide_a_fall_delays_the_plateau() -> None:
    generator = np.random.default_rng(4)
    losses = 1.0 + 0.5 * noise("white", 20 * WINDOW, generator)  # 1 % cannot be told within a window
    assert len(alarms(losses, plateau())) <= 1
    assert alarms(losses, LossPlateau(window=20 * WINDOW, tolerance=0.2)) == [20 * WINDOW - 1]


def test_a_rising_loss_does_not_fall() -> None:
    assert alarms(np.linspace(1, 2, WINDOW), plateau()) == [WINDOW - 1]


def test_a_loss_of_zero_is_no_error() -> None:
    assert alarms(np.zeros(3 * WINDOW), plateau()) == []


def test_a_threshold_is_crossed_once_by_the_mean_of_a_window() -> None:
    losses = np.array([3.0, 0.4, 2.0, 1.0, 0.6, 0.4, 0.2, 9.0, 0.1, 0.1])
    assert alarms(losses, LossBelow(0.5)) == [1]
    assert alarms(losses, LossBelow(0.7, window=3)) == [5]
    assert LossBelow(0.5).name == "loss below 0.5"


def test_what_is_asked_wrongly_is_refused() -> None:
    with pytest.raises(GnomonError, match="a plateau cannot be told in 31 losses"):
        LossPlateau(window=31)
    with pytest.raises(GnomonError, match="no plateau of tolerance 0"):
        LossPlateau(tolerance=0)
    with pytest.raises(GnomonError, match="no window of 0 losses"):
        LossBelow(1.0, window=0)
