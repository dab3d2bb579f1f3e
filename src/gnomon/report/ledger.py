"""The page of a ledger: misses first, the calibration of all predictions over time, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.ledger import figures
from gnomon.report.numbers import superscripts


def write_ledger(document: Mapping[str, Any], out_dir: Path | str) -> Path:
    """Write ``ledger.html`` and ``figures/ledger-*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    ``document`` is that of `gnomon.laws.ledger.summary.summary`. Raises GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    drawn = [draw(figure) for figure in figures(document["predictions"])]
    html = rendered(
        "ledger.html.j2",
        sections=[(title, key, [_row(p) for p in some]) for title, key, some in _sections(document["predictions"])],
        baselines=_baselines(document),
        totals=[_totals(document["totals"][domain], title) for domain, title in _DOMAINS],
        counts=document["counts"],
        note=document["totals"]["note"],
        head=document["head"],
        figures=drawn,
    )
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in drawn:
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / "ledger.html", html.encode())


_DOMAINS = (("inside", "Inside the domain of their law or theory"), ("outside", "Outside of it"))


def _sections(predictions: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    inside = [p for p in predictions if not p["outside"]]
    yield "Misses", "misses", [p for p in inside if p["state"] == "miss"]
    yield "Hits", "hits", [p for p in inside if p["state"] == "hit"]
    yield "Outside the domain", "outside", [p for p in predictions if p["outside"] and p["score"] is not None]
    yield "Without a score", "open", [p for p in predictions if p["score"] is None]


def _baselines(document: Mapping[str, Any]) -> list[str]:
    return sorted({name for p in document["predictions"] if p["score"] for name in p["score"]["skill"]}, reverse=True)


def _row(p: Mapping[str, Any]) -> dict[str, Any]:
    score, at = p["score"], p["predicted"]
    unit = "" if p["unit"] == "1" else f" {superscripts(p['unit'])}"
    measured, interval = p["state"], ""
    if score is not None:
        ends = p["measured"]["uncertainty"]
        measured = f"{score['value']:.4g}{unit}"
        interval = "" if ends["low"] is None else f"[{ends['low']:.4g}, {ends['high']:.4g}]"
    elif p["measured"]:
        interval = p["measured"]["reason"]
    return {
        "number": p["number"],
        "name": p["name"],
        "by": f"{p['by']['kind']} {p['by']['name']}",
        "domain": p["domain"],
        "outside": p["outside"],
        "registered": _minute(p["registered_at"]),
        "measured_at": "" if p["measured_at"] is None else _minute(p["measured_at"]),
        "predicted": f"{at['median']:.4g}{unit}",
        "predicted_interval": f"[{at['low']:.4g}, {at['high']:.4g}]",
        "measured": measured,
        "measured_interval": interval,
        "state": p["state"],
        "explained": score is not None and p["state"] == "miss" and score["beyond_error"] is False,
        "z": _number(score, "z", ".2f"),
        "log_score": _number(score, "log_score", ".2f"),
        "crps": _number(score, "crps", ".3g"),
        "skill": {} if score is None else {k: "–" if v is None else f"{v:.2f}" for k, v in score["skill"].items()},
    }


def _number(score: Mapping[str, Any] | None, name: str, style: str) -> str:
    return "–" if score is None or score[name] is None else f"{score[name]:{style}}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _totals(found: Mapping[str, Any], title: str) -> dict[str, Any]:
    rows = []
    for level, one in found["coverage"].items():
        rows.append((f"coverage of the {level} % interval", f"{one['value']:.0%}", _ends(one, ".0%")))
    for name, one in found["skill"].items():
        rows.append((f"skill over {name.replace('_', ' ')}", f"{one['value']:.2f}", _ends(one, ".2f")))
    if found["z_rms"] is not None:
        rows.append(("z: mean, root mean square", f"{found['z_mean']:.2f}, {found['z_rms']:.2f}", ""))
    return {"title": title, "predictions": found["predictions"], "clusters": found["clusters"], "rows": rows}


def _ends(one: Mapping[str, Any], style: str) -> str:
    return "" if one["low"] is None else f"{one['low']:{style}} to {one['high']:{style}}"
