"""When a line is crossed: against closed forms and over simulated ladders, of the fitted shapes and of others."""

import numpy as np
import pytest
from known_ladders import LINE, START, ladder
from scipy import optimize, stats

from gnomon.assurance.forecast import CROSSING, Ladder, Rung, crossing, due
from gnomon.assurance.forecast.curves import SHARES
from gnomon.control.attacks.quantities import ATTACK_SUCCESS
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty, clopper_pearson


def straight(values: list[float], error: float = 0.1) -> Ladder:
    rungs = (Rung(compute=10.0**i, value=value, error=error) for i, value in enumerate(values))
    return Ladder(rungs=tuple(rungs))


def fieller(x: np.ndarray, y: np.ndarray, error: float, line: float, level: float) -> tuple[float, float, float]:
    """Where the regression line of ``y`` on ``x`` comes to ``line``, and the ends of Fieller's interval of it."""
    n = len(x)
    sxx = ((x - x.mean()) ** 2).sum()
    slope = ((x - x.mean()) * y).sum() / sxx
    spread = max(1.0, ((y - y.mean() - slope * (x - x.mean())) ** 2).sum() / error**2 / (n - 2)) * error**2
    t = stats.f.ppf(level, 1, n - 2) * spread

    def off(place: float) -> float:
        d = place - x.mean()
        return (line - y.mean() - slope * d) ** 2 - t * (1 / n + d**2 / sxx)

    middle = x.mean() + (line - y.mean()) / slope
    return middle, optimize.brentq(off, x.mean() - 50, middle), optimize.brentq(off, middle, middle + 50)


@pytest.mark.parametrize(
    "values", [[-0.1, 0.12, 0.19, 0.33, 0.38], [-0.1, 0.1, 0.12, 0.35, 0.36]], ids=["calm", "scattered"]
)
def test_of_straight_lines_it_is_fiellers_interval(values: list[float]) -> None:
    """One shape only, as a value is not positive: ends by root-finding of the closed form, to the grid's step."""
    found = crossing(straight(values, 0.05), 0.5, decades=6, level=0.8).measurement
    x = np.log(10.0) * np.arange(5)
    middle, low, high = fieller(x, np.array(values), 0.05, 0.5, 0.8)
    step = 1.05 * np.log(10.0) * (4 + 12) / 239
    assert isinstance(found.value, float)
    assert np.log(found.value) == pytest.approx(middle, abs=step)
    assert np.log(float(found.uncertainty.low or 0)) == pytest.approx(low, abs=step)
    assert np.log(float(found.uncertainty.high or 0)) == pytest.approx(high, abs=step)


def test_a_mirrored_ladder_is_crossed_at_the_same_compute() -> None:
    """Shares p against "above is worse" and 1 - p against "below is worse" are one question."""
    rungs = [(10.0 ** (12 + i / 2), hits / 100) for i, hits in enumerate((2, 4, 5, 9, 13, 20))]
    up = Ladder(rungs=tuple(Rung(compute=c, value=p, trials=100.0) for c, p in rungs))
    down = Ladder(rungs=tuple(Rung(compute=c, value=1 - p, trials=100.0) for c, p in rungs))
    a, b = crossing(up, 0.3), crossing(down, 0.7, worse="below")
    assert a.measurement.value == pytest.approx(b.measurement.value)
    assert a.measurement.uncertainty.low == pytest.approx(b.measurement.uncertainty.low)
    assert a.measurement.uncertainty.high == pytest.approx(b.measurement.uncertainty.high)


@pytest.mark.parametrize("shape", SHARES, ids=[one.name for one in SHARES])
def test_without_noise_the_true_crossing_is_found(shape: object) -> None:
    """Shares of very many trials, from each shape: the estimate is the truth to the grid's step."""
    assert hasattr(shape, "up")
    x = np.log(10.0 ** np.linspace(10, 12, 5))
    y = shape.up(shape.back(np.array(0.25)) + 0.5 * (x - np.log(10.0**12.5)))
    rungs = tuple(Rung(compute=float(np.exp(a)), value=float(b), trials=1e9) for a, b in zip(x, y, strict=True))
    found = crossing(Ladder(rungs=rungs), 0.25)
    assert found.shape == shape.name  # type: ignore[attr-defined]
    assert np.log10(float(found.measurement.value or 0)) == pytest.approx(12.5, abs=0.015)


def test_three_rungs_tell_no_trend_and_what_would_do() -> None:
    found = crossing(straight([0.1, 0.2, 0.3]), 0.5).measurement
    assert found.status == "insufficient"
    assert found.suffices == {"rungs": 4}
    again = [Rung(compute=1e9, value=0.1, trials=50.0)] * 5
    assert crossing(Ladder(rungs=tuple(again)), 0.5).measurement.reason == "a ladder of 1 rungs tells no trend"


def test_a_level_ladder_is_not_crossed_within_the_horizon_and_the_bound_says_from_where() -> None:
    """No trend: the curve that never crosses fits as well, so the interval is open above, and begins beyond the top."""
    rungs = tuple(Rung(compute=10.0 ** (10 + i), value=0.02, trials=2000.0) for i in range(6))
    found = crossing(Ladder(rungs=rungs), 0.5)
    u = found.measurement.uncertainty
    assert found.measurement.value == np.inf
    assert u.high == np.inf
    assert u.low == pytest.approx(found.horizon) == pytest.approx(10.0**16)


def test_a_ladder_that_is_past_the_line_was_crossed_on_it() -> None:
    rungs = tuple(
        Rung(compute=10.0 ** (10 + i), value=p, trials=500.0) for i, p in enumerate((0.05, 0.1, 0.3, 0.6, 0.8, 0.9))
    )
    u = crossing(Ladder(rungs=rungs), 0.3).measurement.uncertainty
    assert 10.0**11 < float(u.low or 0) < float(u.high or 0) < 10.0**13


def test_noise_that_drowns_every_trend_is_insufficient() -> None:
    rungs = tuple(Rung(compute=10.0 ** (10 + i), value=p, trials=3.0) for i, p in enumerate((1 / 3, 0.0, 2 / 3, 1 / 3)))
    found = crossing(Ladder(rungs=rungs), 0.3).measurement
    assert found.status == "insufficient"
    assert "leave it open" in found.reason


def covered(curve: str, runs: int, **how: float) -> tuple[float, float]:
    """Shares of ladders whose interval holds the truth, and whose low end comes too late."""
    held = late = 0
    for run in range(runs):
        made = ladder(curve, np.random.default_rng([run, 7]), **how)  # type: ignore[arg-type]
        m = crossing(made, LINE, level=0.9).measurement
        if m.status != "ok":
            held += 1
            continue
        low, high = float(m.uncertainty.low or 0.0), float(m.uncertainty.high or 0.0)
        held += low <= 10.0**START <= high
        late += low > 10.0**START
    return held / runs, late / runs


def test_intervals_hold_the_truth() -> None:
    """Fifteen ladders at 90 %: fewer than 10 that hold it have a probability of at most 0.2 %."""
    held, _ = covered("logistic", 15, trials=1000, scatter=0.1)
    assert held >= stats.binom.ppf(0.002, 15, 0.9) / 15


@pytest.mark.slow
@pytest.mark.parametrize("scatter", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("curve", ["logistic", "power law", "mirrored power law", "probit", "ceiling"])
def test_intervals_hold_the_truth_of_the_shapes_and_of_their_kin(curve: str, scatter: float) -> None:
    """Over 200 ladders at 90 %, with and without scatter of networks; the bound is three standard errors below."""
    held, late = covered(curve, 200, trials=1000, scatter=scatter)
    assert held >= 0.9 - 3 * np.sqrt(0.9 * 0.1 / 200)
    assert late <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.slow
@pytest.mark.xfail(strict=True, reason="a floor or a sudden rise beyond the ladder leaves no mark on it")
@pytest.mark.parametrize("curve", ["floor", "sudden"])
def test_truths_that_bend_away_are_missed(curve: str) -> None:
    held, _ = covered(curve, 100, trials=1000)
    assert held >= 0.9 - 3 * np.sqrt(0.9 * 0.1 / 100)


def test_measurements_become_rungs_with_the_weight_that_they_have() -> None:
    share = Measurement.ok(CROSSING, 3.0, Uncertainty.stderr(3.0, 0.5, covers={"data"}))
    one = Rung.of(1e9, share)
    assert one is not None
    assert (one.trials, one.error) == (None, pytest.approx(0.5))
    of_trials = Rung.of(1e9, Measurement.ok(ATTACK_SUCCESS, 0.25, clopper_pearson(10, 40)))
    assert of_trials is not None
    assert (of_trials.value, of_trials.trials) == (0.25, 40.0)
    assert Rung.of(1e9, Measurement.insufficient(ATTACK_SUCCESS, "too few")) is None
    assert Rung.of(1e9, Measurement.ok(ATTACK_SUCCESS, 0.25, Uncertainty.unknown())) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"compute": 0.0, "value": 0.1, "trials": 5.0}, "0 FLOP"),
        ({"compute": 1.0, "value": 1.1, "trials": 5.0}, "no share"),
        ({"compute": 1.0, "value": 0.1}, "error of 0.1 is not known"),
        ({"compute": 1.0, "value": 0.1, "error": 0.0}, "error of 0.1 is not known"),
        ({"compute": 1.0, "value": float("nan"), "error": 1.0}, "a rung of value nan"),
    ],
    ids=["compute", "share", "no error", "zero error", "nan"],
)
def test_a_bad_rung_is_one_line(given: dict[str, float], told: str) -> None:
    with pytest.raises(GnomonError, match=told):
        Rung(**given)


def test_bad_ladders_and_lines_are_one_line() -> None:
    share, number = Rung(compute=1.0, value=0.1, trials=5.0), Rung(compute=2.0, value=0.1, error=0.1)
    with pytest.raises(GnomonError, match="some rungs are shares"):
        Ladder(rungs=(share, number))
    with pytest.raises(GnomonError, match="no rungs"):
        Ladder(rungs=())
    with pytest.raises(GnomonError, match="never crosses 1"):
        crossing(Ladder(rungs=(share,)), 1.0)
    with pytest.raises(GnomonError, match="level 2"):
        crossing(Ladder(rungs=(share,)), 0.5, level=2.0)


def test_a_forecast_brings_the_next_test_forward_and_never_puts_it_off() -> None:
    steep = crossing(Ladder(rungs=tuple(
        Rung(compute=10.0 ** (10 + i / 2), value=p, trials=2000.0) for i, p in enumerate((0.01, 0.03, 0.08, 0.18))
    )), 0.5)  # fmt: skip
    nothing = crossing(straight([0.1, 0.2, 0.3]), 0.5)
    assert steep.low is not None
    assert due(4e20, [steep, nothing]) == steep.low
    assert due(1e3, [steep, nothing]) == 1e3
    assert due(None, [nothing]) is None


def test_no_hits_on_any_rung_foresee_no_crossing() -> None:
    rungs = tuple(Rung(compute=10.0 ** (10 + i / 2), value=0.0, trials=200.0) for i in range(5))
    found = crossing(Ladder(rungs=rungs), 0.5).measurement
    assert (found.value, found.uncertainty.high) == (np.inf, np.inf)
    assert float(found.uncertainty.low or 0.0) >= 10.0**12
