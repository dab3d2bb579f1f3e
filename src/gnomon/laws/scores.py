r"""Scores of forecasts against what was measured.

The log score and the CRPS are proper: nobody gains in expectation by stating another distribution than the one
believed. Coverage and z show calibration: over many right forecasts z is standard normal.

Source: Gneiting & Raftery, JASA 102 (2007) 359.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnomon.errors import GnomonError
from gnomon.laws.distribution import Mixture

LEVELS = (0.5, 0.9)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a forecast is worth once its number is measured.

    Parameters
    ----------
    z : standard normal where the forecast is right; its sign is that of the measured minus the forecast.
    log_score : logarithm of the density at the measured number, nats; more is better.
    crps : continuous ranked probability score, in the unit of the number; less is better.
    covered : for each level of a central interval, whether it holds the measured number.
    """

    z: float
    log_score: float
    crps: float
    covered: dict[float, bool]

    def to_json(self) -> dict[str, Any]:
        """JSON object; ``None`` for a number that is infinite."""
        numbers = {"z": self.z, "log_score": self.log_score, "crps": self.crps}
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        return {**finite, "covered": {f"{level:g}": held for level, held in self.covered.items()}}


def score(forecast: Mixture, measured: float, *, levels: Sequence[float] = LEVELS) -> Scores:
    """All scores of one forecast. Raises GnomonError where ``measured`` is not finite.

    >>> found = score(Mixture.single(2.0, 0.5), 3.0)
    >>> round(found.z, 6), round(found.log_score, 3), round(found.crps, 3), found.covered
    (2.0, -2.226, 0.726, {0.5: False, 0.9: False})
    """
    if not math.isfinite(measured):
        raise GnomonError(f"a forecast is not scored against {measured}", mend="measure a finite number")
    below = forecast.cdf(measured)
    return Scores(
        z=forecast.z(measured),
        log_score=forecast.log_density(measured),
        crps=forecast.crps(measured),
        covered={level: bool(abs(below - 0.5) <= level / 2) for level in levels},
    )


def skill(scores: Sequence[float], baseline: Sequence[float]) -> float:
    """One minus the ratio of mean scores (less is better): 1 is perfect, 0 no better than the baseline.

    Raises GnomonError when there are none, or not as many of one as of the other.

    >>> skill([1.0, 2.0], [4.0, 2.0])
    0.5
    """
    if len(scores) != len(baseline) or not scores:
        raise GnomonError(f"skill of {len(scores)} scores over {len(baseline)}", mend="score both on the same numbers")
    return 1 - float(np.mean(scores)) / float(np.mean(baseline))
