"""Calibration certificates: the mark beside a reading and the rows that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gnomon.measurement import Measurement
from gnomon.report.content import CalibrationRow
from gnomon.report.figures.figure import slug
from gnomon.report.numbers import plain

Verdict = Literal["calibrated", "stale", "failed", "none"]
Certificates = Mapping[tuple[str, str], Sequence[CalibrationRow]]

_SIGNS: dict[Verdict, tuple[str, str]] = {
    "calibrated": ("✓", "calibrated: known answers recovered with today's code"),
    "stale": ("↻", "stale: calibrated with an older version of the code"),
    "failed": ("✗", "failed: a known answer was missed"),
    "none": ("○", "uncalibrated: no certificate"),
}


@dataclass(frozen=True)
class Mark:
    """Whether an instrument recovered its known answers: a sign, what it says, and where its rows are."""

    verdict: Verdict
    sign: str
    says: str
    anchor: str


def mark(certificates: Certificates, estimator: str, quantity: str) -> Mark:
    """The mark of ``estimator`` for ``quantity``: the worst of its rows."""
    rows = certificates.get((estimator, quantity), ())
    verdict: Verdict
    if not rows:
        verdict = "none"
    elif not all(row["passed"] for row in rows):
        verdict = "failed"
    else:
        verdict = "calibrated" if all(row["fresh"] for row in rows) else "stale"
    return Mark(verdict, *_SIGNS[verdict], anchor=anchor(estimator, quantity) if rows else "")


def anchor(estimator: str, quantity: str) -> str:
    """Identifier of the rows in the page."""
    return slug("certificate", estimator, quantity)


def marks(measurements: Iterable[Measurement], certificates: Certificates) -> dict[tuple[str, str], Mark]:
    """The marks of all instruments that took a reading."""
    pairs = sorted({(m.estimator, m.quantity) for m in measurements})
    return {pair: mark(certificates, *pair) for pair in pairs}


def shown(row: CalibrationRow) -> dict[str, Any]:
    """A row as text."""
    return {
        "known_answer": row["known_answer"],
        **{field: _number(row[field]) for field in ("truth", "mean", "bias", "spread")},
        "coverage": "–" if row["coverage"] is None else f"{row['coverage']:.2f}",
        "nominal": f"{row['nominal']:.2f}",
        "n": f"{row['n']:,}",
        "passed": row["passed"],
        "fresh": row["fresh"],
        "code_version": row["code_version"],
    }


def _number(value: Any) -> str:
    """A number, the norm of an array, or a dash where there is none."""
    if value is None:
        return "–"
    array = np.asarray(value, dtype=float)
    if array.ndim == 0:
        return plain(float(array))
    return f"‖·‖ = {plain(float(np.linalg.norm(array)))}"
