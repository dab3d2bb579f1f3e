"""The ledger in the terminal: misses, hits, what is outside its domain, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from gnomon.cli.tables import print_table

_COLUMNS = ("", "prediction", "predicted (90 %)", "measured", "z", "log score", "CRPS")


def print_ledger(document: Mapping[str, Any]) -> None:
    """Print the document of `gnomon.laws.ledger.summary.summary`."""
    baselines = sorted({name for p in document["predictions"] if p["score"] for name in p["score"]["skill"]})
    columns = (*_COLUMNS, *(f"skill over {name.replace('_', ' ')}" for name in baselines))
    inside = [p for p in document["predictions"] if not p["outside"]]
    outside = [p for p in document["predictions"] if p["outside"]]
    for title, some in (
        ("misses: outside the 90 % interval", [p for p in inside if p["state"] == "miss"]),
        ("hits", [p for p in inside if p["state"] == "hit"]),
        ("outside the domain of the law or theory", [p for p in outside if p["score"]]),
    ):
        if some:
            print_table(f"{title} ({len(some)})", columns, [_row(p, baselines) for p in some])
    without = [p for p in document["predictions"] if p["score"] is None]
    if without:
        print_table(
            f"without a score ({len(without)})", ("", "prediction", "predicted (90 %)", "state"), map(_open, without)
        )
    for title, domain in (("totals", "inside"), ("totals of those outside their domain", "outside")):
        rows = list(_totals(document["totals"][domain]))
        if rows:
            print_table(title, ("", "value", f"{document['totals']['level']:.0%} interval"), rows)
    if document["totals"]["inside"]["predictions"]:
        typer.echo(document["totals"]["note"])
    typer.echo(f"head: {document['head']}")


def _row(p: Mapping[str, Any], baselines: Sequence[str]) -> tuple[str, ...]:
    score = p["score"]
    explained = " (its error may explain it)" if p["state"] == "miss" and score["beyond_error"] is False else ""
    return (
        str(p["number"]),
        p["name"],
        _predicted(p),
        f"{score['value']:.4g}{_error(p)}{explained}",
        _number(score["z"], ".2f"),
        _number(score["log_score"], ".2f"),
        _number(score["crps"], ".3g"),
        *(_number(score["skill"].get(name), ".2f") for name in baselines),
    )


def _open(p: Mapping[str, Any]) -> tuple[str, ...]:
    state = f"{p['state']}: {p['measured']['reason']}" if p["measured"] else p["state"]
    return str(p["number"]), p["name"], _predicted(p), state


def _predicted(p: Mapping[str, Any]) -> str:
    at, unit = p["predicted"], "" if p["unit"] == "1" else f" {p['unit']}"
    return f"{at['median']:.4g} [{at['low']:.4g}, {at['high']:.4g}]{unit}"


def _error(p: Mapping[str, Any]) -> str:
    uncertainty = p["measured"]["uncertainty"]
    low, high = uncertainty["low"], uncertainty["high"]
    return "" if low is None or high is None else f" [{low:.4g}, {high:.4g}]"


def _totals(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not found["predictions"]:
        return
    counts = ("predictions", "challenges", "clusters")
    yield ", ".join(counts), ", ".join(str(found[name]) for name in counts), ""
    for level, share in found["coverage"].items():
        yield f"coverage of the {level} % interval", f"{share['value']:.0%}", _ends(share, ".0%")
    for name, skill in found["skill"].items():
        yield f"skill over {name.replace('_', ' ')}", f"{skill['value']:.2f}", _ends(skill, ".2f")
    if found["z_rms"] is not None:
        yield "z: mean, root mean square", f"{found['z_mean']:.2f}, {found['z_rms']:.2f}", ""


def _ends(one: Mapping[str, Any], style: str) -> str:
    return "" if one["low"] is None else f"{one['low']:{style}} to {one['high']:{style}}"


def _number(value: float | None, style: str) -> str:
    return "–" if value is None else f"{value:{style}}"
