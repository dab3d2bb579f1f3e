"""Profile intervals against closed forms and against another constrained minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN
from scipy import optimize, stats

from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import candidates, families
from gnomon.laws.noise import loss as loss_of
from gnomon.laws.profile import profiles, threshold


def test_of_a_linear_form_they_are_the_t_intervals() -> None:
    known = KNOWN["log_linear_2"]
    y = known.noisy("normal", 20, seed=0)
    found = fit_many(known.form, known.x, y, noise=families["normal"], starts=known.theta[None])
    profile = profiles(
        known.form, known.x, y, noise=families["normal"], theta=found.theta, objective=found.objective, level=0.9
    )
    basis = known.form.jacobian(known.x, known.theta)
    n, p = basis.shape
    coefficients, squares, *_ = np.linalg.lstsq(basis, y.T, rcond=None)
    errors = np.sqrt(squares[:, None] / (n - p) * np.diag(np.linalg.inv(basis.T @ basis)))
    half = stats.t.ppf(0.95, n - p) * errors
    np.testing.assert_allclose(profile.low, coefficients.T - half, atol=2e-3 * half.max())
    np.testing.assert_allclose(profile.high, coefficients.T + half, atol=2e-3 * half.max())
    np.testing.assert_allclose((profile.high - profile.low) / (2 * half), 1, atol=3e-3)


@pytest.mark.parametrize("noise", ["normal", "log_laplace"])
def test_at_the_ends_the_constrained_loss_is_at_the_threshold(noise: str) -> None:
    known = KNOWN["power_law"]
    y = known.noisy(noise, 1, seed=7)[0]
    family = candidates(noise, y)[0]
    loss = loss_of(family)
    found = fit_many(known.form, known.x, y, noise=family, starts=known.form.starts(known.x, y, 24))
    profile = profiles(known.form, known.x, y, noise=family, theta=found.theta, objective=found.objective, level=0.95)
    rise = threshold(family, found.objective, rows=len(y), parameters=3, level=0.95)[0]
    for ends in (profile.low[0], profile.high[0]):
        for k in range(3):

            def constrained(others: np.ndarray, k: int = k, end: float = float(ends[k])) -> float:
                theta = np.insert(others, k, end)
                return float(loss.of(loss.residual(y, known.form.value(known.x, theta))).mean() / rise)

            start = np.delete(found.theta[0], k)
            simplex = start + np.vstack([np.zeros(2), 0.1 * np.eye(2)])
            options = {"maxiter": 4000, "maxfev": 4000, "xatol": 1e-10, "fatol": 1e-10, "initial_simplex": simplex}
            least = optimize.minimize(constrained, start, method="Nelder-Mead", options=options).fun
            assert np.sqrt(least - found.objective[0] / rise) == pytest.approx(1, abs=5e-3)


def test_a_side_without_end_is_open() -> None:
    known = KNOWN["power_law"]
    early = known.x[:, 0] < 4  # nowhere near the plateau
    y = known.noisy("normal", 8, seed=1, size=0.05)[:, early]
    x = known.x[early]
    found = fit_many(known.form, x, y, noise=families["normal"], starts=known.form.starts(x, y[0], 24))
    profile = profiles(
        known.form, x, y, noise=families["normal"], theta=found.theta, objective=found.objective, level=0.95
    )
    open_below = np.isneginf(profile.low[:, 0])
    assert open_below.sum() >= 7  # one in 40 closes by chance
    assert (known.form.natural(profile.low)[open_below, 0] == 0).all()


def test_a_better_optimum_on_the_way_is_told() -> None:
    known = KNOWN["growing_power_law"]
    y = known.noisy("normal", 1, seed=0)[0]
    worse = known.theta + np.array([0.5, 0.0, 0.0])
    objective = ((y - known.form.value(known.x, worse)) ** 2).mean() / 2
    profile = profiles(
        known.form,
        known.x,
        y,
        noise=families["normal"],
        theta=worse[None],
        objective=np.array([objective]),
        level=0.95,
    )
    assert profile.objective[0] < objective


def test_the_unit_of_the_values_makes_no_difference() -> None:
    known = KNOWN["logistic"]
    y = known.noisy("normal", 1, seed=3)[0]
    ends = {}
    for unit in (1.0, 1e-15, 1e15):
        starts = known.form.starts(known.x, unit * y, 24)
        found = fit_many(known.form, known.x, unit * y, noise=families["normal"], starts=starts)
        profile = profiles(
            known.form,
            known.x,
            unit * y,
            noise=families["normal"],
            theta=found.theta,
            objective=found.objective,
            level=0.95,
        )
        ends[unit] = np.array([profile.low[0], profile.high[0]]) / [unit, unit, 1, 1]
    np.testing.assert_allclose(ends[1e-15], ends[1.0], rtol=1e-4)
    np.testing.assert_allclose(ends[1e15], ends[1.0], rtol=1e-4)
