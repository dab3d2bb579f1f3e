"""Intervals of every form cover the true parameters as often as they say, on tables of realistic size."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN

from gnomon.laws import bootstrap, fit
from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import candidates
from gnomon.laws.profile import profiles
from gnomon.randomness import Rng

ALL = [name for name in KNOWN if name != "broken_power_law_3"]  # 12 parameters: see the test of what it says
FAST = [name for name in ALL if name not in ("broken_power_law", "broken_power_law_2")]


def within(covered: np.ndarray, lowest: int = 90, highest: int = 98) -> bool:
    percent = np.round(100 * covered)
    return bool(((percent >= lowest) & (percent <= highest)).all())


@pytest.mark.parametrize("name", FAST)
def test_profile_intervals(name: str) -> None:
    known = KNOWN[name]
    y = known.noisy("normal", 200, seed=1)
    noise = candidates("normal", y[0])[0]
    starts = np.stack([known.form.starts(known.x, one, 9) for one in y])
    found = fit_many(known.form, known.x, y, noise=noise, starts=starts)
    profile = profiles(known.form, known.x, y, noise=noise, theta=found.theta, objective=found.objective, level=0.95)
    covered = ((profile.low <= known.theta) & (known.theta <= profile.high)).mean(0)
    assert within(covered), covered


@pytest.mark.parametrize("noise", ["normal", "log_laplace"])
def test_bootstrap_intervals(noise: str) -> None:
    known = KNOWN["power_law"]
    y = known.noisy(noise, 100, seed=1)
    family = candidates(noise, y[0])[0]
    best = fit_many(known.form, known.x, y, noise=family, starts=known.form.starts(known.x, known.mean, 9))
    covered = np.zeros(3)
    for i, (one, theta) in enumerate(zip(y, best.theta, strict=True)):
        weights = bootstrap.multiplicities(len(one), 150, Rng(i))
        draws = fit_many(known.form, known.x, one, noise=family, starts=theta[None], weights=weights).theta
        share = bootstrap.tail(known.table(one), family, 3, 0.95)
        low, high = bootstrap.interval(draws, share)
        covered += (low <= known.theta) & (known.theta <= high)
    assert within(covered / len(y)), covered


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "log_laplace"])
@pytest.mark.parametrize("name", ALL)
def test_stated_intervals_of_200_tables(name: str, noise: str) -> None:
    """What `fit` states, among the tables of which it says that they determine the parameters."""
    known = KNOWN[name]
    size = 0.01 if name == "broken_power_law_2" else 0.02
    by: dict[str, list[np.ndarray]] = {"stated": [], "bootstrap": [], "profile": []}
    for i, y in enumerate(known.noisy(noise, 200, seed=1, size=size)):
        found = fit(known.table(y), known.form, noise=noise, draws=200, rng=Rng(i))
        if found.identifiable:
            each = {"stated": [(one.low, one.high) for one in found.parameters.values()]}
            each |= {
                which: [getattr(one, which) for one in found.parameters.values()] for which in by if which != "stated"
            }
            for which, ends in each.items():
                low, high = np.array(ends).T
                by[which].append((low <= known.natural) & (known.natural <= high))
    covered = {which: np.round(100 * np.mean(each, 0)).astype(int).tolist() for which, each in by.items()}
    print(name, noise, "tables", len(by["stated"]), covered)
    if name == "broken_power_law_2":
        assert within(np.mean(by["stated"], 0), 80, 100), covered
    else:
        assert len(by["stated"]) >= 180
        assert within(np.mean(by["stated"], 0), 90, 99), covered
