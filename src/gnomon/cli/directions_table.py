"""What `gnomon directions` prints in the terminal."""

from __future__ import annotations

import typer

from gnomon.cli.tables import print_table
from gnomon.measurement import Measurement
from gnomon.report.numbers import read
from gnomon.structure.directions.result import Directions, Found

_WORDS = "bag of words"


def print_directions(found: Directions) -> None:
    """A table of every method and site, one of the methods with the words beside, and what more examples would give."""
    about = found.about
    where = f" at {about['position']}" if "position" in about else ""
    title = (
        f"{about['concept']} in {about['subject']}{where}: {about['examples']} examples, {about['positive']} with it"
    )
    tested = about.get("test") is not None or any(m.labels.get("on") == "test" for m in found.measurements)
    columns = [
        "method",
        "site",
        "cosine",
        "halves",
        "seeds",
        "rank",
        "p-values",
        "AUROC, left out",
        *(["AUROC, test"] if tested else []),
    ]
    print_table(title, columns, [_row(found, one, tested) for one in found.found])
    left_out = [m for m in found.measurements if m.quantity == "detection_auroc" and m.status != "ok"]
    for m in left_out:
        typer.echo(f"left out: {m.labels['method']} at {m.site}: {m.reason}")
    columns = ["method", "site chosen", "AUROC, left out", "all sites"]
    rows = [_summary(found, method, tested) for method in found.methods]
    words = found.reading("surface_auroc", on="left out")
    if words is not None:
        rows.append(
            (_WORDS, "", _text(words), "", *((_text(found.reading("surface_auroc", on="test")), "") if tested else ()))
        )
    print_table("by method", [*columns, *(["AUROC, test", "all sites, test"] if tested else [])], rows)
    for method in found.methods:
        one = found.at(method)
        if one.curve is not None:
            typer.echo(f"{method} at {one.site}: {one.curve.sentence()}")


def _row(found: Directions, one: Found, tested: bool) -> tuple[str, ...]:
    at = {"site": one.site, "method": one.method}
    rank = found.reading("direction_rank", **at)
    cells = (
        one.method,
        one.site,
        _text(found.reading("direction_cosine", **at)),
        _bare(found.reading("split_half_cosine", **at)),
        _bare(found.reading("seed_cosine", **at)),
        "–" if rank is None or rank.value is None else f"{rank.value:.0f}",
        " ".join(f"{p:.2g}" for p in one.p_values),
        _text(found.reading("detection_auroc", **at, on="left out")),
    )
    return (*cells, _text(found.reading("detection_auroc", **at, on="test"))) if tested else cells


def _summary(found: Directions, method: str, tested: bool) -> tuple[str, ...]:
    times = next((one.times for one in found.chosen if one.method == method), {})
    site = found.site(method)
    often = f"{site} ({times[site]} of {sum(times.values())})" if times else site
    cells: list[str] = [method, often]
    for on in ("left out", "test") if tested else ("left out",):
        cells += [
            _text(found.detected(method, on)),
            _text(found.reading("detection_auroc", method=method, sites="all", on=on)),
        ]
    return tuple(cells)


def _text(measurement: Measurement | None) -> str:
    if measurement is None:
        return "–"
    return str(read(measurement)) if measurement.status == "ok" else measurement.status


def _bare(measurement: Measurement | None) -> str:
    return "–" if measurement is None or measurement.value is None else f"{float(measurement.value):.2f}"
