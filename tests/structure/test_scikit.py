"""Recursive feature machines as estimators of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from gnomon.errors import GnomonError
from gnomon.structure.scikit import RecursiveFeatureClassifier, RecursiveFeatureRegressor, nearest_probabilities


@parametrize_with_checks([RecursiveFeatureRegressor(rounds=1), RecursiveFeatureClassifier(rounds=1)])
def test_it_is_an_estimator_of_scikit_learn(estimator: BaseEstimator, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_the_nearest_probabilities_are_those_of_a_general_minimiser() -> None:
    estimates = np.random.default_rng(0).normal(0.4, 0.5, size=(20, 4))
    found = nearest_probabilities(estimates)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for row, answer in zip(estimates, found, strict=True):
        total = {"type": "eq", "fun": lambda p: p.sum() - 1}
        truth = minimize(
            lambda p, row=row: ((p - row) ** 2).sum(),
            np.full(4, 0.25),
            bounds=[(0, 1)] * 4,
            constraints=total,
            tol=1e-12,
        )
        np.testing.assert_allclose(answer, truth.x, atol=1e-5)


@pytest.mark.parametrize("tuning", ["validation", "likelihood"])
def test_origin_rotation_and_unit_of_the_inputs_do_not_matter(tuning: str) -> None:
    rng = np.random.default_rng(1)
    x, new = rng.normal(size=(150, 4)), rng.normal(size=(20, 4))
    y = x[:, 0] * x[:, 1] + 3
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]

    def moved(inputs: np.ndarray) -> np.ndarray:
        return 7 * inputs @ turn + 5

    recipe = {"tuning": tuning, "rounds": 2, "bandwidth": (0.6, 1.2), "exponent": 1.0, "ridge": (1e-3, 1e-1)}
    plain, other = RecursiveFeatureRegressor(**recipe), RecursiveFeatureRegressor(**recipe)
    found = plain.fit(x, y).predict(new)
    np.testing.assert_allclose(other.fit(moved(x), y).predict(moved(new)), found, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(other.agop_, turn.T @ plain.agop_ @ turn / 49, rtol=1e-4, atol=1e-7)


def test_classes_by_any_name_are_learned_with_probabilities() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(900, 6))
    names = np.array(["north", "south", "west"])
    y = names[(x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 1)]
    one = RecursiveFeatureClassifier(rounds=2, bandwidth=1.2, exponent=1.0, power=1.0, ridge=(1e-2, 1e-1))
    one.fit(x[:700], y[:700])
    chances = one.predict_proba(x[700:])
    assert one.score(x[700:], y[700:]) > 0.85
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert chances.min() >= 0
    assert (names[chances.argmax(axis=1)] == one.predict(x[700:])).all()
    # the probability of the class that is named is about how often that class is right
    assert abs(chances.max(axis=1).mean() - one.score(x[700:], y[700:])) < 0.1
    # three inputs matter of six
    values = np.linalg.eigvalsh(one.agop_)
    assert values[-3:].sum() > 0.9 * values.sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "cubic"}, "unknown kernel 'cubic'; one of laplace"),
        ({"tuning": "luck"}, "unknown tuning 'luck'"),
        ({"ridge": ()}, "there is no candidate"),
        ({"solver": "guess"}, "unknown solver 'guess'; one of auto, exact, iterative"),
        ({"validation_share": 0.99}, "leaves none of 12 examples to fit"),
        ({"kernel": "quadratic", "tuning": "likelihood"}, "radial kernels only"),
    ],
    ids=["kernel", "tuning", "candidates", "solver", "share", "likelihood"],
)
def test_bad_options_are_refused_when_fitted(options: dict[str, object], words: str) -> None:
    with pytest.raises(GnomonError, match=words):
        RecursiveFeatureRegressor(**options).fit(np.arange(24.0).reshape(12, 2) % 7, np.arange(12.0))
