"""Challenges by theory: where the theory is exact the prediction is, and distances that were seen make it wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fabricated import results
from scipy.stats import t

from gnomon.predictions.by_theory import ByTheory, student
from gnomon.predictions.registry import challenge, challenges


def _of_theory() -> list[str]:
    return [name for name, kind in challenges().items() if issubclass(kind, ByTheory)]


def _made(name: str) -> ByTheory[Any]:
    one = challenge(name)
    assert isinstance(one, ByTheory)
    return one


def _value(one: ByTheory[Any], at: Any) -> float:
    return float(np.mean([float(theory.value()) for theory in one.theories(at)]))


@pytest.mark.parametrize("name", _of_theory())
def test_the_prediction_is_the_theory(name: str) -> None:
    one = _made(name)
    seen = results(one, one.seen, lambda at: _value(one, at), scatter=0.02)
    of_targets = results(one, one.unseen.values(), lambda at: _value(one, at), scatter=0.02)
    for target, found in one.predict(seen).items():
        at = one.unseen[target]
        assert found.distribution.median == pytest.approx(_value(one, at), rel=1e-6)
        assert found.by["name"] == one.theories(at)[0].name
        measured = one.measure(target, of_targets)
        low, high = found.distribution.interval(0.99)
        assert low <= float(measured.value or 0) <= high


@pytest.mark.parametrize("name", _of_theory())
def test_a_theory_that_is_off_is_not_corrected_but_wide(name: str) -> None:
    one = _made(name)
    off = results(one, one.seen, lambda at: 0.8 * _value(one, at), scatter=0.0)
    for target, found in one.predict(off).items():
        at = one.unseen[target]
        assert found.distribution.median == pytest.approx(_value(one, at), rel=1e-6)
        farthest = 0.2 * one.precision(at) / max(map(one.precision, one.seen))
        low, high = found.distribution.interval(0.9)
        assert low < np.exp(-farthest) * _value(one, at)
        assert np.exp(farthest) * _value(one, at) < high


def test_student_is_students() -> None:
    for degrees in (3, 4, 8):
        found = student(1.0, 0.5, degrees, least=0.0, scale="linear")
        for p in (0.01, 0.05, 0.25, 0.5, 0.9):
            exact = 1.0 + 0.5 * float(t.ppf(p, degrees))
            assert found.quantile(p) == pytest.approx(exact, abs=0.03 * abs(exact - 1.0) + 1e-9)


def test_the_bound_of_a_theory_is_the_least_width() -> None:
    found = student(0.0, 1e-6, 4, least=0.1, scale="linear")
    assert found.quantile(0.95) == pytest.approx(0.1 * 1.6449, rel=1e-3)
