"""The randomisation test: against scipy's, against a search by hand, and its coverage."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import permutation_test

from gnomon.assurance.privacy.randomisation import randomisation_test
from gnomon.errors import GnomonError
from gnomon.randomness import Rng


def _gap(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return a.mean(axis=axis) - b.mean(axis=axis)


def test_p_value_is_that_of_all_assignments() -> None:
    generator = np.random.default_rng(0)
    treated, control = generator.standard_normal(5) + 1, generator.standard_normal(6)
    expected = permutation_test(
        (treated, control), _gap, vectorized=True, n_resamples=np.inf, alternative="greater"
    ).pvalue
    assert randomisation_test(treated, control, Rng(0)).p_value == pytest.approx(expected)


def test_ends_are_where_the_test_of_a_common_rise_turns() -> None:
    generator = np.random.default_rng(1)
    treated, control = generator.standard_normal(5) + 2, generator.standard_normal(5)
    found = randomisation_test(treated, control, Rng(0), level=0.9)

    def p_value(rise: float, sign: int) -> float:
        pooled = np.concatenate([treated - rise, control])
        gaps = [pooled[list(s)].mean() - np.delete(pooled, s).mean() for s in itertools.combinations(range(10), 5)]
        return float(np.mean(sign * np.array(gaps) >= sign * gaps[0] - 1e-12))

    for end, sign in ((found.low, 1), (found.high, -1)):
        assert p_value(end - 1e-6 * sign, sign) <= 0.05 < p_value(end + 1e-6 * sign, sign)


@pytest.mark.parametrize("drawn", ["enumerated", "drawn"])
def test_coverage_of_a_common_rise(drawn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if drawn == "drawn":
        monkeypatch.setattr("gnomon.assurance.privacy.randomisation._ENUMERATED", 0)
        monkeypatch.setattr("gnomon.assurance.privacy.randomisation._DRAWN", 199)
    generator = np.random.default_rng(2)
    inside, p_values = [], []
    for run in range(400):
        units = generator.exponential(size=9)
        units[:4] += 3.0
        found = randomisation_test(units[:4], units[4:], Rng(run), level=0.9)
        inside.append(found.low <= 3.0 <= found.high)
        units[:4] -= 3.0
        p_values.append(randomisation_test(units[:4], units[4:], Rng(run)).p_value)
    assert np.mean(inside) >= 0.9 - 2 * math.sqrt(0.09 / 400)
    assert np.mean(np.array(p_values) <= 0.1) <= 0.1 + 2 * math.sqrt(0.09 / 400)


def test_too_few_units_have_no_ends() -> None:
    found = randomisation_test(np.array([9.0]), np.array([1.0, 2.0]), Rng(0))
    assert (found.low, found.high) == (-math.inf, math.inf)
    with pytest.raises(GnomonError, match="0 treated and 1 not"):
        randomisation_test(np.array([]), np.array([1.0]), Rng(0))
