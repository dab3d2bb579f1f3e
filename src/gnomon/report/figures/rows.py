"""Measurements as the rows of a figure's data: fixed field names, finite numbers, readable text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.numbers import reading, unit_text


def scalar_row(measurement: Measurement, **coordinates: Any) -> dict[str, Any]:
    """One row of a scalar measurement; a refused reading keeps its place with empty numbers."""
    row = {"value": None, "low": None, "high": None, "refused": measurement.status != "ok", **coordinates}
    row |= {"site": measurement.site or "", "estimator": measurement.estimator}
    value = measurement.value
    if not isinstance(value, float):
        return row | {"reading": f"{measurement.status}: {measurement.reason}"}
    low, high = interval(measurement)
    text = f"{reading(value, measurement.uncertainty)} {unit_text(measurement)}".strip()
    return row | {"value": finite(value), "low": low, "high": high, "reading": text}


def array_rows(measurement: Measurement, axis: str, **coordinates: Any) -> list[dict[str, Any]]:
    """One row a component of a one-axis measurement; ``axis`` names the field that counts from 1."""
    values = np.asarray(measurement.value, dtype=float)
    low, high = measurement.uncertainty.low, measurement.uncertainty.high
    known = low is not None and high is not None
    return [
        {
            axis: i + 1,
            "value": finite(float(value)),
            "low": finite(float(np.asarray(low)[i])) if known else None,
            "high": finite(float(np.asarray(high)[i])) if known else None,
            "reading": f"{reading(float(value), measurement.uncertainty, (i,))} {unit_text(measurement)}".strip(),
            "site": measurement.site or "",
            **coordinates,
        }
        for i, value in enumerate(values)
    ]


def interval(measurement: Measurement) -> tuple[float | None, float | None]:
    """Ends of the interval of a scalar, ``None`` where there is none or it is endless."""
    uncertainty = measurement.uncertainty
    if uncertainty.low is None or uncertainty.high is None:
        return None, None
    return finite(float(uncertainty.low)), finite(float(uncertainty.high))


def finite(value: float) -> float | None:
    """``value``, or ``None`` for what a chart cannot draw."""
    return value if math.isfinite(value) else None


def method(measurements: Sequence[Measurement], bands: str = "Bands and bars") -> str:
    """Who measured it and what the intervals mean, for a caption; ``bands`` is how they are drawn."""
    names = sorted({m.estimator for m in measurements if m.estimator})
    levels = sorted({m.uncertainty.level for m in measurements if m.uncertainty.level is not None})
    covers = sorted({c for m in measurements for c in m.uncertainty.covers})
    sentences = [f"Measured by {', '.join(names)}."] if names else []
    if levels:
        stated = " and ".join(f"{level:.0%}".replace("%", "\N{NO-BREAK SPACE}%") for level in levels)
        intervals = f"{bands}: {stated} intervals" if bands else f"Intervals: {stated},"
        sentences.append(f"{intervals} over {' and '.join(covers)}.")
    read = [m for m in measurements if m.status == "ok"]
    if read and all(m.uncertainty.kind == "exact" for m in read):
        sentences.append("Exact functions of the weights: no error bars.")
    elif any(m.uncertainty.kind == "unknown" for m in read):
        sentences.append("Points without a bar have an unknown uncertainty.")
    if any(m.status != "ok" for m in measurements):
        sentences.append("× marks a reading that was refused.")
    return " ".join(sentences)


def alternative(title: str, measurements: Sequence[Measurement], most: int = 12) -> str:
    """The figure in words: its readings, shortened to ``most``."""
    parts = []
    for m in measurements[:most]:
        told = f"{m.value.size:,} values" if isinstance(m.value, np.ndarray) else scalar_row(m)["reading"]
        parts.append(f"{m.site or 'whole network'}: {told}")
    more = f"; and {len(measurements) - most} more, in the table" if len(measurements) > most else ""
    return f"Chart. {title}. " + "; ".join(parts) + more + "."
