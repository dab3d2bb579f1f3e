"""Tables in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnomon.lab.certificate import Certificate
    from gnomon.measurement import Measurement
    from gnomon.phenomena import Report


_WIDTH_OF_A_FILE = 180


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout; cells are plain text (no markup is read from them)."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # a pipe or file has no width of its own; what is read there later should not be folded to a terminal's
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE).print(table)


def measurement_row(m: Measurement) -> tuple[str, ...]:
    """Quantity, site, value with interval, unit, status or reason, estimator."""
    from gnomon.report.numbers import interval_text, value_text

    place = " · ".join([m.site or "", *m.labels.values()]).strip(" ·")
    if m.status != "ok":
        return (m.quantity, place, "–", "", str(m.unit), f"{m.status}: {m.reason}", m.estimator)
    return (m.quantity, place, value_text(m), interval_text(m), str(m.unit), m.status, m.estimator)


def certificate_row(c: Certificate) -> tuple[str, ...]:
    """Quantity, known answer, truth, mean, bias, spread, coverage, readings, verdict."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.3g}"

    return (
        c.quantity,
        c.known_answer,
        number(c.truth),
        number(c.mean),
        number(c.bias),
        number(c.spread),
        "–" if c.coverage is None else f"{c.coverage:.0%} of {c.nominal:.0%}",
        f"{c.read}/{c.n}" + (f", {c.insufficient} declined" if c.insufficient else ""),
        "pass" if c.passed else f"FAIL: {c.reason}",
    )


def claim_row(report: Report) -> Iterator[tuple[str, ...]]:
    """For each claim: phenomenon, arm, statement, value, interval, threshold, state."""
    arms = {"claim": report.finding.claims, **{f"control: {a}": c for a, c in report.finding.controls.items()}}
    for arm, claims in arms.items():
        for claim in claims:
            m, threshold = claim.measurement, claim.to_json()
            ends = "" if claim.ends is None else f"{claim.ends[0]:.4g} to {claim.ends[1]:.4g}"
            yield (
                report.phenomenon.name,
                arm,
                claim.statement,
                f"{m.value:.4g}" if isinstance(m.value, float) else m.reason,
                ends,
                f"{threshold['sense']} {threshold['threshold']}",
                claim.state,
            )
