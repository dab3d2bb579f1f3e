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

MORE_BREAKS = ["broken_power_law_2", "broken_power_law_3"]
ALL = [name for name in KNOWN if name not in MORE_BREAKS]
FAST = [name for name in ALL if name != "broken_power_law"]

# what does not cover as it should, at 30 to 60 rows of Laplace noise, as measured
WIDE = "resamples of least absolute values scatter too much: the bootstrap covers 99 or 100 of 100"
NARROW = "the likelihood of a Laplace rises too steeply for so few rows: the profile covers 88 of 100"
MISSED = {
    "log_linear_2": WIDE,
    "log_linear_3": WIDE,
    "saturating_exponential": WIDE,
    "chinchilla": NARROW,
    "broken_power_law": NARROW,
}


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
@pytest.mark.parametrize(
    ("name", "noise"),
    [(name, "normal") for name in ALL]
    + [
        pytest.param(name, "log_laplace", marks=[pytest.mark.xfail(reason=MISSED[name])] if name in MISSED else [])
        for name in ALL
    ],
)
def test_stated_intervals_of_200_tables(name: str, noise: str) -> None:
    """Both intervals as `fit` makes them, for 200 tables at once; a table that does not bound a parameter says so."""
    known = KNOWN[name]
    y = known.noisy(noise, 200, seed=1, size=0.02)
    family = candidates(noise, y[0])[0]
    starts = np.stack([known.form.starts(known.x, one, 24) for one in y])
    found = fit_many(known.form, known.x, y, noise=family, starts=starts)
    for _ in range(2):  # from any better optimum that a profile meets
        profile = profiles(
            known.form, known.x, y, noise=family, theta=found.theta, objective=found.objective, level=0.95
        )
        found = fit_many(known.form, known.x, y, noise=family, starts=profile.theta[:, None])
    profiled = (profile.low <= known.theta) & (known.theta <= profile.high)
    closed = np.isfinite(profile.low) & np.isfinite(profile.high)
    drawn = []
    for i, (one, theta) in enumerate(zip(y, found.theta, strict=True)):
        weights = bootstrap.multiplicities(len(one), 200, Rng(i))
        draws = fit_many(known.form, known.x, one, noise=family, starts=theta[None], weights=weights).theta
        share = bootstrap.tail(known.table(one), family, len(theta), 0.95)
        low, high = bootstrap.interval(draws, share)
        drawn.append((low <= known.theta) & (known.theta <= high) | ~closed[i])
    covered = {which: np.mean(each, 0) for which, each in (("bootstrap", drawn), ("profile", profiled))}
    print(name, noise, {which: np.round(100 * each).astype(int).tolist() for which, each in covered.items()})
    print("  closed", np.round(100 * closed.mean(0)).astype(int).tolist())
    one = fit(known.table(y[0]), known.form, noise=noise, draws=20)
    ends = np.array([each.profile for each in one.parameters.values()])
    np.testing.assert_allclose(ends[:, 0], known.form.natural(profile.low[0]), rtol=0.02)
    assert within(covered["bootstrap"]), covered
    assert within(covered["profile"]), covered


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), list(zip(MORE_BREAKS, [0.01, 0.003], strict=True)))
def test_stated_intervals_of_more_breaks(name: str, size: float) -> None:
    """9 and 12 parameters from 80 and 120 points; 12 tables, so only the mean over the parameters is told."""
    known = KNOWN[name]
    covered = []
    for i, y in enumerate(known.noisy("log_normal", 12, seed=5, size=size)):
        found = fit(known.table(y), known.form, noise="log_normal", draws=100, rng=Rng(i))
        covered.append(
            [one.low <= t <= one.high for one, t in zip(found.parameters.values(), known.natural, strict=True)]
        )
    print(name, np.mean(covered, 0).round(2).tolist())
    assert np.mean(covered) >= 0.87
