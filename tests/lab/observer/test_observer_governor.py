"""The governor keeps observing within its share of training, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from gnomon.lab.observer import Every, Governor, log_spaced
from gnomon.lab.observer.governor import even_shares
from gnomon.lab.observer.schedules import Timetable


@dataclass
class Ran:
    """A simulated run: what was spent on what, and the steps at which each instrument read."""

    governor: Governor
    trained: float
    read: dict[str, list[int]] = field(default_factory=dict)
    skipped: dict[str, list[int]] = field(default_factory=dict)
    overdrawn: float = 0.0


def simulate(
    limit: float | None,
    costs: Mapping[str, Callable[[int], float]],
    schedule: Container[int],
    steps: int,
    pace: Callable[[int], float],
    *,
    known: bool = True,
    extra: Sequence[int] = (),
) -> Ran:
    """Training of ``steps`` steps of ``pace(step)`` seconds; reading number k of an instrument costs ``cost(k)``."""
    governor = Governor(limit, list(costs))
    timetable = Timetable(schedule, steps if known else None)
    ran = Ran(governor, 0.0, {n: [] for n in costs}, {n: [] for n in costs})
    for step in range(steps + 1):
        ran.trained += pace(step) if step else 0.0
        governor.trained(step, ran.trained)
        due = timetable.due(step)
        if due or step in extra:
            thinned = governor.thinned(step, left=timetable.left(step), horizon=timetable.horizon, extra=not due)
            chosen = [n for n in costs if n not in thinned]
            for name in costs:
                (ran.skipped if name in thinned else ran.read)[name].append(step)
            governor.paid({n: costs[n](governor.readings[n]) for n in chosen})
    return ran


def constant(seconds: float) -> Callable[[int], float]:
    return lambda _: seconds


@pytest.mark.parametrize("points", [5, 20, 80])
@pytest.mark.parametrize("price", [1e-4, 3e-3, 0.05, 0.4, 2.0])
@pytest.mark.parametrize("steps", [100, 3000])
def test_the_limit_is_held_exactly_and_what_it_pays_for_is_used(points: int, price: float, steps: int) -> None:
    pace = 0.02
    schedule = log_spaced(steps, points)
    ran = simulate(0.05, {"a": constant(price)}, schedule, steps, constant(pace))
    allowed, wanted = 0.05 * steps * pace, len(schedule) * price
    ends = 2 * price
    assert ran.governor.spent <= max(allowed, ends) + 1e-9
    assert ran.read["a"][0] == 0
    assert ran.read["a"][-1] == steps
    # within one reading of what could be paid for, and of the step before which the pace is not known
    assert ran.governor.spent >= min(allowed, wanted) - 2.01 * price
    if wanted <= allowed:
        assert set(ran.skipped["a"]) <= {1}


def test_without_a_limit_nothing_is_thinned() -> None:
    ran = simulate(None, {"a": constant(100.0)}, log_spaced(50, 10), 50, constant(1e-3))
    assert ran.skipped["a"] == []


def test_thinned_readings_are_spaced_evenly_along_the_schedule() -> None:
    schedule = tuple(range(0, 1001, 10))
    ran = simulate(0.05, {"a": constant(0.5)}, schedule, 1000, constant(0.1))  # 5 s pay for 10 of 101 readings
    assert len(ran.read["a"]) == 10
    gaps = np.diff(ran.read["a"])
    assert gaps.max() <= 1.3 * np.median(gaps)


def test_a_cheap_instrument_reads_everywhere_beside_a_dear_one() -> None:
    costs = {"cheap": constant(0.01), "dear": constant(1.0), "dearer": constant(3.0)}
    ran = simulate(0.05, costs, log_spaced(2000, 40), 2000, constant(0.2))  # 20 s
    assert set(ran.skipped["cheap"]) <= {1}
    cheap = ran.governor.readings["cheap"] * 0.01
    dear, dearer = ran.governor.readings["dear"], 3.0 * ran.governor.readings["dearer"]
    assert abs(dear - dearer) <= 3.0  # equal shares, to a reading
    assert ran.governor.spent == pytest.approx(cheap + dear + dearer)
    assert ran.governor.spent <= 20.0 + 1e-9


def test_an_even_share_gives_nobody_more_than_he_needs() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        needs = {str(i): float(x) for i, x in enumerate(generator.exponential(size=generator.integers(1, 8)))}
        total = float(generator.exponential(2.0))
        shares = even_shares(needs, total)
        assert sum(shares.values()) == pytest.approx(min(total, sum(needs.values())))
        short = [shares[n] for n in needs if shares[n] < needs[n] - 1e-12]
        assert all(shares[n] <= needs[n] for n in needs)
        assert not short or (np.ptp(short) < 1e-9 and min(short) >= max(shares.values()) - 1e-9)
    assert even_shares({"a": 1.0}, -3.0) == {"a": 0.0}


def test_an_instrument_that_is_beyond_all_means_does_not_silence_the_others() -> None:
    costs = {"cheap": constant(0.01), "absurd": constant(50.0)}
    ran = simulate(0.05, costs, log_spaced(1000, 40), 1000, constant(0.05))  # 2.5 s are allowed
    assert ran.read["absurd"] == [0, 1000]
    assert set(ran.skipped["cheap"]) <= {1}
    assert ran.governor.too_dear() == {"absurd": (100.0, pytest.approx(2.5 - 0.01 * ran.governor.readings["cheap"]))}


def test_what_the_first_reading_pays_once_does_not_count_against_the_next() -> None:
    def cold(reading: int) -> float:
        return 2.0 if reading == 0 else 0.02

    def run(*, predicted: bool) -> Ran:
        governor_costs = {"a": cold}
        governor = Governor(0.05, list(governor_costs))
        if predicted:
            governor.estimated({"a": 0.01})
        schedule = Timetable(log_spaced(1000, 40), 1000)
        ran = Ran(governor, 100.0, {"a": []}, {"a": []})
        for step in range(1001):
            governor.trained(step, 0.1 * step)
            if schedule.due(step):
                thinned = governor.thinned(step, left=schedule.left(step), horizon=1000)
                (ran.skipped if thinned else ran.read)["a"].append(step)
                if not thinned:
                    governor.paid({"a": cold(governor.readings["a"])})
        return ran

    assert max(run(predicted=True).skipped["a"]) < 10  # the second reading shows what the next ones cost
    assert run(predicted=False).governor.spent <= 5.0  # 5 s are allowed: held all the same


def test_a_slow_first_step_is_not_the_pace() -> None:
    def compiled(step: int) -> float:
        return 60.0 if step == 1 else 0.01

    ran = simulate(0.05, {"a": constant(0.5)}, log_spaced(10_000, 40), 10_000, compiled)
    assert ran.governor.spent <= 0.05 * ran.trained + 1e-9
    assert ran.governor.spent >= 0.05 * ran.trained - 1.01


def test_a_pace_that_changes_is_followed() -> None:
    for pace in (lambda s: 0.2 if s < 500 else 0.1, lambda s: 0.1 if s < 500 else 0.2):
        ran = simulate(0.05, {"a": constant(0.4)}, range(0, 1001, 5), 1000, pace)
        assert ran.governor.spent <= 0.05 * ran.trained + 0.4
        assert ran.governor.spent >= 0.05 * ran.trained - 1.0


def test_noisy_paces_and_prices_stay_within_a_reading_of_the_limit() -> None:
    generator = np.random.default_rng(1)
    for _ in range(20):
        ran = simulate(
            0.05,
            {"a": lambda _: float(generator.gamma(4.0, 0.05)), "b": lambda _: float(generator.gamma(1.0, 0.02))},
            log_spaced(4000, 60),
            4000,
            lambda _: float(generator.lognormal(-4.0, 0.5)),
        )
        assert ran.governor.spent <= 0.05 * ran.trained + 0.5
        assert ran.governor.spent >= 0.05 * ran.trained * 0.7


def test_without_an_end_only_what_training_has_paid_for_is_spent() -> None:
    ran = simulate(0.05, {"a": constant(1.0)}, Every(10), 5000, constant(0.1), known=False)
    assert ran.read["a"][0] == 0
    for number, step in enumerate(ran.read["a"][1:], start=2):
        assert number * 1.0 <= 0.05 * 0.1 * step + 1e-9
    assert ran.governor.spent == pytest.approx(25.0, abs=1.0)


def test_a_dear_instrument_does_not_starve_where_the_end_is_unknown() -> None:
    costs = {"cheap": constant(0.01), "dear": constant(5.0)}
    ran = simulate(0.05, costs, Every(10), 5000, constant(0.1), known=False)
    assert ran.governor.readings["dear"] >= 3
    assert ran.governor.spent <= 25.0 + 1e-9


def test_an_event_is_observed_when_it_can_be_paid_beside_the_last_step() -> None:
    schedule = log_spaced(1000, 10)
    rich = simulate(0.05, {"a": constant(0.1)}, schedule, 1000, constant(0.1), extra=[333])
    assert 333 in rich.read["a"]
    poor = simulate(0.05, {"a": constant(2.0)}, schedule, 1000, constant(0.1), extra=[333])
    assert 333 in poor.skipped["a"]
    assert poor.read["a"] == [0, 1000]


def test_what_was_skipped_says_the_price_and_what_was_left() -> None:
    governor = Governor(0.05, ["a"])
    governor.trained(0, 0.0)
    governor.paid({"a": 1.0})
    for step in (1, 2, 3):
        governor.trained(step, 2.0 * step)
    found = governor.thinned(3, left=5, horizon=10)
    assert (found["a"].step, found["a"].estimator, found["a"].seconds) == (3, "a", 1.0)
    assert found["a"].left == 0.0
