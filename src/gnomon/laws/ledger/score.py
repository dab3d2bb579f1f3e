r"""The score of a prediction.

A prediction is of the number that will be measured: its distribution holds what the measurement itself scatters. It is
therefore scored as it stands: PIT, log score, CRPS, coverage and skill use the measured number y and nothing else. The
error bar of the measurement serves two further ends. It enters ``z_with_error``, for readers who hold that the
prediction was of the quantity and not of the number,

.. math:: z' = \frac{g(y) - m}{\sqrt{v + (\sigma\, g'(y))^2}},

with m and v mean and variance of g(Y), g the identity or the logarithm, and σ the standard error of the measurement
with a third of its squared systematic bound (a uniform error). And it says of a miss whether the measurement could
explain it: ``beyond_error`` holds when no part of the measured interval, widened by the systematic bound, lies in the
predicted 90 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.special import ndtri

from gnomon.errors import InsufficientEvidenceError
from gnomon.laws import scores
from gnomon.laws.distribution import Mixture
from gnomon.laws.ledger.prediction import Prediction
from gnomon.measurement import Measurement, Uncertainty

LEVELS = (0.5, 0.8, 0.9, 0.95)
HIT = 0.9
"""A prediction whose central interval of this level does not hold the measured number is a miss."""


@dataclass(frozen=True, kw_only=True)
class Score:
    r"""How a prediction did. ``None`` stands for numbers that are infinite.

    Parameters
    ----------
    value : what was measured.
    median, low, high : of the prediction; the ends of its interval of level `HIT`.
    pit : probability that the prediction gave to smaller numbers.
    z : :math:`\Phi^{-1}` of that: standard normal where predictions are right.
    z_with_error, beyond_error : see above; ``None`` where the error of the measurement is unknown.
    log_score : logarithm of the density at the value, nats; more is better.
    crps : continuous ranked probability score, in the unit of the value; less is better.
    covered : by level in per cent, whether the central interval of the prediction holds the value.
    baselines : CRPS of each baseline.
    skill : one minus the ratio of the CRPS to that of each baseline: 1 is perfect, 0 no better.
    """

    value: float
    median: float
    low: float
    high: float
    pit: float
    z: float | None
    z_with_error: float | None
    beyond_error: bool | None
    log_score: float | None
    crps: float | None
    covered: Mapping[str, bool]
    baselines: Mapping[str, float | None]
    skill: Mapping[str, float | None]

    @property
    def missed(self) -> bool:
        """Whether the value is outside the interval of level `HIT`."""
        return not self.covered[_percent(HIT)]

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**data)


def score(prediction: Prediction, measurement: Measurement) -> Score | None:
    """The score of ``prediction`` against ``measurement``; ``None`` where that gave no number.

    Raises InsufficientEvidenceError when the measurement is of another quantity or unit, or no single number.
    """
    target = prediction.target
    if (measurement.quantity, str(measurement.unit)) != (target.quantity, target.unit):
        raise InsufficientEvidenceError(
            f"prediction {prediction.name!r} is of {target.quantity} in {target.unit}, "
            f"not of {measurement.quantity} in {measurement.unit}",
            mend="measure its target",
        )
    if measurement.value is None:
        return None
    if not isinstance(measurement.value, float) or not math.isfinite(measurement.value):
        raise InsufficientEvidenceError(f"prediction {prediction.name!r} is of one finite number", mend="measure one")
    value, stated = measurement.value, prediction.distribution
    found = scores.score(stated, value, levels=LEVELS)
    baselines = {name: _finite(one.crps(value)) for name, one in prediction.baselines.items()}
    low, high = stated.interval(HIT)
    error = standard_error(measurement.uncertainty)
    return Score(
        value=value,
        median=stated.median,
        low=low,
        high=high,
        pit=stated.cdf(value),
        z=_finite(found.z),
        z_with_error=None if error is None else _finite(_z_with_error(stated, value, error)),
        beyond_error=_beyond(measurement, low, high),
        log_score=_finite(found.log_score),
        crps=_finite(found.crps),
        covered={_percent(level): held for level, held in found.covered.items()},
        baselines=baselines,
        skill={name: _skill(found.crps, of) for name, of in baselines.items()},
    )


def standard_error(uncertainty: Uncertainty) -> float | None:
    """Standard error of a scalar, its systematic bound taken as a uniform error; ``None`` where it is unknown.

    That of an interval is half its width over the normal quantile of its level.
    """
    if uncertainty.kind == "unknown":
        return None
    statistical = 0.0
    if uncertainty.kind == "stderr":
        statistical = float(np.asarray(uncertainty.error))
    elif uncertainty.kind == "interval" and uncertainty.level is not None:
        statistical = float(np.asarray(uncertainty.half_width) / ndtri(0.5 + uncertainty.level / 2))
    return math.hypot(statistical, (uncertainty.systematic or 0.0) / math.sqrt(3))


def _z_with_error(stated: Mixture, value: float, error: float) -> float:
    factor = 1.0 if stated.kind == "normal" else 2.0  # variance of a component of spread 1
    mean = float(stated.weights @ stated.locations)
    variance = float(stated.weights @ (factor * stated.spreads**2 + (stated.locations - mean) ** 2))
    if stated.scale == "linear":
        return (value - mean) / math.hypot(math.sqrt(variance), error)
    if value <= 0:
        return -math.inf
    return (math.log(value) - mean) / math.hypot(math.sqrt(variance), error / value)


def _beyond(measurement: Measurement, low: float, high: float) -> bool | None:
    """Whether the measured interval lies wholly outside [``low``, ``high``]."""
    uncertainty = measurement.uncertainty
    if uncertainty.kind == "unknown":
        return None
    ends = [measurement.value if end is None else end for end in (uncertainty.low, uncertainty.high)]
    slack = uncertainty.systematic or 0.0
    least, most = float(np.asarray(ends[0])) - slack, float(np.asarray(ends[1])) + slack
    return most < low or least > high


def _skill(crps: float, baseline: float | None) -> float | None:
    return None if baseline is None or not math.isfinite(crps) else 1 - crps / baseline


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _percent(level: float) -> str:
    return f"{100 * level:g}"
