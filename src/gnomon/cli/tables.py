"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnomon.lab.certificate import Certificate
    from gnomon.measurement import Measurement


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout; cells are plain text (no markup is read from them)."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def measurement_row(m: Measurement) -> tuple[str, ...]:
    """Quantity, site, value with interval, unit, status or reason, estimator."""
    from gnomon.report.numbers import interval_text, value_text

    place = " · ".join([m.site or "", *m.labels.values()]).strip(" ·")
    if m.status != "ok":
        return (m.quantity, place, "–", "", str(m.unit), f"{m.status}: {m.reason}", m.estimator)
    return (m.quantity, place, value_text(m), interval_text(m), str(m.unit), m.status, m.estimator)


def certificate_row(c: Certificate) -> tuple[str, ...]:
    """Estimator, quantity, known answer, truth, mean, bias, spread, coverage, n, verdict."""

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.4g}"

    return (
        c.estimator,
        c.quantity,
        c.known_answer,
        number(c.truth),
        number(c.mean),
        number(c.bias),
        number(c.spread),
        "–" if c.coverage is None else f"{c.coverage:.0%} of {c.nominal:.0%}",
        f"{c.read}/{c.n}",
        "pass" if c.passed else f"FAIL: {c.reason}",
    )
