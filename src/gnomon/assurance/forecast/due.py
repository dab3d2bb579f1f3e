"""When the next test is due, forecasts included."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.assurance.forecast.crossing import Crossing


def due(cadence: float | None, crossings: Sequence[Crossing]) -> float | None:
    """Effective compute at which the next test is due at the latest; ``None`` where nothing sets one.

    It is the earlier of the cadence's and of the low ends of all forecasts. A forecast that is insufficient does not
    move it, and no forecast puts it off.

    >>> due(4e20, [])
    4e+20
    """
    ends = [one.low for one in crossings if one.low is not None]
    return min([*ends, *([] if cadence is None else [cadence])], default=None)
