"""Detection at few false alarms: the truth is known of normal scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from gnomon.assurance.privacy.operating_point import detected_at
from gnomon.errors import GnomonError


@pytest.mark.parametrize(("shift", "rate"), [(0.0, 0.05), (2.0, 0.05), (4.0, 0.02)], ids=str)
def test_interval_covers_the_true_share(shift: float, rate: float) -> None:
    truth = float(norm.sf(norm.isf(rate) - shift))
    generator = np.random.default_rng(0)
    found = [
        detected_at(generator.standard_normal(80) + shift, generator.standard_normal(300), rate, level=0.9)
        for _ in range(300)
    ]
    inside = [one is not None and one.low <= truth <= one.high for one in found]
    assert np.mean(inside) >= 0.9
    assert np.mean([one.value for one in found if one is not None]) == pytest.approx(truth, abs=0.04)


def test_it_narrows_to_the_truth() -> None:
    generator = np.random.default_rng(1)
    found = detected_at(generator.standard_normal(20_000) + 2, generator.standard_normal(20_000), 0.05)
    truth = float(norm.sf(norm.isf(0.05) - 2))
    assert found is not None
    assert found.low <= truth <= found.high
    assert found.high - found.low < 0.05


def test_no_threshold_is_known_of_too_few() -> None:
    assert detected_at(np.ones(10), np.zeros(99), 0.01) is None
    found = detected_at(np.ones(10), np.arange(100.0) / 200, 0.01)
    assert found is not None
    # one of 100: nothing below a lower end is excluded, for no threshold is surely low enough
    assert (found.value, found.low) == (1.0, 0.0)
    with pytest.raises(GnomonError, match="0 positives"):
        detected_at(np.ones(0), np.zeros(9), 0.5)
