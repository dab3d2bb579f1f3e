"""Scores of forecasts: what they say of right ones and of wrong ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.laws.distribution import Mixture
from gnomon.laws.scores import score, skill
from gnomon.randomness import Rng


def test_scores_of_right_forecasts_are_calibrated() -> None:
    draw = Rng(1).numpy()
    found = []
    for centre in draw.normal(size=1000):
        belief = Mixture.pooled([Mixture.single(centre - 1, 0.5), Mixture.single(centre + 1, 0.5)], [0.3, 0.7])
        y = centre + (1 if draw.random() < 0.7 else -1) + 0.5 * draw.normal()
        found.append(score(belief, y))
    z = np.array([one.z for one in found])
    assert abs(z.mean()) < 4 / math.sqrt(1000)
    assert abs((z**2).mean() - 1) < 4 * math.sqrt(2 / 1000)
    for level in (0.5, 0.9):
        share = np.mean([one.covered[level] for one in found])
        assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / 1000)


def test_overconfident_forecasts_score_worse() -> None:
    y = Rng(2).numpy().normal(size=1000)
    right, bold = ([score(Mixture.single(0.0, s), v) for v in y] for s in (1.0, 0.4))
    assert np.mean([one.log_score for one in right]) > np.mean([one.log_score for one in bold])
    assert skill([one.crps for one in right], [one.crps for one in bold]) > 0
    assert np.mean([one.covered[0.9] for one in bold]) < 0.6


def test_json_and_refusals() -> None:
    impossible = score(Mixture.single(0.0, 1.0, scale="log"), -1.0)
    assert impossible.to_json()["log_score"] is None
    assert impossible.to_json()["covered"] == {"0.5": False, "0.9": False}
    with pytest.raises(GnomonError, match="finite"):
        score(Mixture.single(0.0, 1.0), math.nan)
    with pytest.raises(GnomonError, match="same numbers"):
        skill([1.0], [])
