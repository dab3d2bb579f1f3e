"""The batched minimiser against scipy, linear programming, and itself."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN
from scipy import optimize

from gnomon.laws import form
from gnomon.laws.fitting import fit_many
from gnomon.laws.noise import candidates
from gnomon.laws.noise import loss as loss_of
from gnomon.laws.solver import Loss, minimise

SMALL = [name for name in KNOWN if name not in ("broken_power_law_2", "broken_power_law_3")]


@pytest.mark.parametrize("noise", ["normal", "log_normal", "laplace", "log_laplace"])
@pytest.mark.parametrize("name", SMALL)
def test_no_worse_than_the_best_of_many_starts_of_scipy(name: str, noise: str) -> None:
    known = KNOWN[name]
    form = known.form
    y = known.noisy(noise, 1, seed=3)[0]
    family = candidates(noise, y)[0]
    loss = loss_of(family)
    starts = form.starts(known.x, y, 48)
    found = fit_many(form, known.x, y, noise=family, starts=starts)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(all="ignore"):
            value, jacobian = form.value(known.x, theta), form.jacobian(known.x, theta)
            if loss.scale == "log":
                jacobian = jacobian / value[:, None]
                residual = np.log(y) - np.log(np.where(value > 0, value, np.nan))
            else:
                residual = y - value
            size = np.abs(residual)
            terms = residual**2 / 2
            if np.isfinite(loss.delta):
                terms = np.where(size < loss.delta, terms, loss.delta * size - loss.delta**2 / 2)
            gradient = -(jacobian * np.clip(residual, -loss.delta, loss.delta)[:, None]).mean(0)
            total = terms.mean() / found.objective[0]
        if not np.isfinite(total):
            return 1e30, np.zeros(len(theta))
        return float(total), gradient / found.objective[0]

    best = 1e30
    for start in (known.theta, *starts[:: max(1, len(starts) // 5)], found.theta[0]):
        best = min(best, optimize.minimize(objective, start, jac=True, method="BFGS", options={"maxiter": 300}).fun)
    assert best >= 1 - 1e-6
    assert best <= 1 + 1e-9  # the two objectives are the same function


def test_least_absolute_values_are_those_of_linear_programming() -> None:
    law, random = form("log_linear"), np.random.default_rng(0)
    x = np.geomspace(1, 1e3, 41)[:, None]
    y = 2 - 0.5 * np.log(x[:, 0]) + random.standard_t(2, size=(5, 41))
    delta = 1e-6
    for one in y:
        found = minimise(law, x, one, law.starts(x, one, 2), Loss(delta=delta))
        basis = law.jacobian(x, np.zeros(2))
        n = len(one)
        programme = optimize.linprog(
            np.r_[np.zeros(2), np.ones(2 * n)],
            A_eq=np.hstack([basis, np.eye(n), -np.eye(n)]),
            b_eq=one,
            bounds=[(None, None)] * 2 + [(0, None)] * (2 * n),
        )
        # Huber's loss is below δ|r| by δ²/2 at most
        least = found.objective.min() * n / delta
        assert programme.fun - n * delta <= least <= programme.fun * (1 + 1e-9)


@pytest.mark.parametrize("loss", [Loss(), Loss(scale="log", delta=1e-3)], ids=["squared", "huber"])
def test_together_as_one_by_one(loss: Loss) -> None:
    known = KNOWN["power_law"]
    y = known.noisy("log_laplace", 30, seed=1)
    starts = np.stack([known.form.starts(known.x, one, 7)[i % 7] for i, one in enumerate(y)])
    together = minimise(known.form, known.x, y, starts, loss)
    alone = [minimise(known.form, known.x, one, start[None], loss) for one, start in zip(y, starts, strict=True)]
    np.testing.assert_allclose(together.objective, [one.objective[0] for one in alone], rtol=1e-9)
    assert together.converged.all()


@pytest.mark.parametrize("loss", [Loss(), Loss(scale="log", delta=1e-3)], ids=["squared", "huber"])
def test_a_weight_is_a_multiplicity(loss: Loss) -> None:
    known = KNOWN["power_law"]
    y = known.noisy("log_laplace", 1, seed=2)[0]
    counts = np.random.default_rng(5).integers(0, 4, size=len(y))
    y[counts == 0] = -1.0  # rows without weight may be outside of what the loss can take
    starts = known.form.starts(known.x, known.mean, 12)
    with np.errstate(invalid="ignore"):
        weighted = minimise(known.form, known.x, y, starts, loss, weights=counts.astype(float))
    repeated = minimise(known.form, np.repeat(known.x, counts, axis=0), np.repeat(y, counts), starts, loss)
    np.testing.assert_allclose(weighted.objective.min(), repeated.objective.min(), rtol=1e-10)


def test_what_is_held_stays() -> None:
    known = KNOWN["power_law"]
    y = known.noisy("normal", 1, seed=4)[0]
    starts = known.form.starts(known.x, y, 9)
    starts[:, 2] = np.log(0.5)
    held = np.zeros(starts.shape, bool)
    held[:, 2] = True
    found = minimise(known.form, known.x, y, starts, Loss(), held=held)
    assert (found.theta[:, 2] == np.log(0.5)).all()
    # the others enter linearly
    basis = np.stack([np.ones(len(y)), known.x[:, 0] ** -0.5], -1)
    residual = np.linalg.lstsq(basis, y, rcond=None)[1][0]
    np.testing.assert_allclose(found.objective.min(), residual / len(y) / 2, rtol=1e-9)


def test_starts_that_have_no_logarithm_are_left() -> None:
    law = form("log_linear")
    x, y = np.geomspace(1, 10, 8)[:, None], np.linspace(1, 2, 8)
    found = minimise(law, x, y, np.array([[-5.0, 0.0], [1.0, 0.0]]), Loss(scale="log"))
    assert np.isinf(found.objective[0])
    assert np.isfinite(found.objective[1])
