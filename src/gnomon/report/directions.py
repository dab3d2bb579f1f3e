"""The page of directions: what each method finds at each site, how sure it is, and what words alone tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gnomon.measurement import Measurement
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.directions import figures
from gnomon.report.numbers import plain, read
from gnomon.structure.concepts.quantities import SURFACE_AUROC
from gnomon.structure.directions.quantities import (
    DETECTION_AUROC,
    DIRECTION_COSINE,
    DIRECTION_RANK,
    EXAMPLES_NEEDED,
    SEED_COSINE,
    SPLIT_HALF_COSINE,
)
from gnomon.structure.directions.result import Directions, Found

_QUANTITIES = (
    DETECTION_AUROC,
    DIRECTION_COSINE,
    SPLIT_HALF_COSINE,
    SEED_COSINE,
    DIRECTION_RANK,
    EXAMPLES_NEEDED,
    SURFACE_AUROC,
)
_HASH_SHOWN = 16


def write_directions(found: Directions, out_dir: Path | str) -> Path:
    """Write ``directions.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    The page needs no network and forbids itself any. Raises GnomonError when the folder cannot be written.
    """
    folder = Path(out_dir)
    drawn = [draw(figure) for figure in figures(found)]
    about = found.about
    html = rendered(
        "directions.html.j2",
        title=f"{about.get('concept', 'Directions')} in {about.get('subject', 'arrays')}",
        lead=_lead(found),
        tested=_is_tested(found),
        methods=[_method(found, method) for method in found.methods],
        words=[_text(found.reading("surface_auroc", on=on)) for on in ("left out", "test")],
        sites=[_site(found, one) for one in found.found],
        refused=[(m.labels["method"], m.site, m.reason) for m in found.measurements if _is_refused(m)],
        sentences=[
            f"{method} at {found.site(method)}: {curve.sentence()}."
            for method in found.methods
            if (curve := found.at(method).curve) is not None
        ],
        concerns=[one["text"] for one in found.concerns],
        figures=drawn,
        quantities=_QUANTITIES,
        facts=_facts(found),
    )
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in drawn:
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / "directions.html", html.encode())


def _is_tested(found: Directions) -> bool:
    return any(m.labels.get("on") == "test" for m in found.measurements)


def _is_refused(m: Measurement) -> bool:
    return m.quantity == "detection_auroc" and m.status != "ok"


def _lead(found: Directions) -> str:
    about = found.about
    place = {"last": "last token", "mean": "mean over tokens", "span": "named span"}.get(about.get("position", ""))
    return (
        f"{about['examples']:,} examples in {about['clusters']:,} clusters, {about['positive']:,} with the concept"
        f"{f', read at the {place} of each text' if place else ''}; {about['folds']} folds, "
        f"intervals at {100 * about['level']:.3g} %."
    )


def _method(found: Directions, method: str) -> dict[str, Any]:
    times = next((one.times for one in found.chosen if one.method == method), {})
    site = found.site(method)
    return {
        "name": method,
        "site": site,
        "often": f"{times[site]} of {sum(times.values())}" if times else "the only one",
        "cells": [
            (
                _text(found.detected(method, on)),
                _text(found.reading("detection_auroc", method=method, sites="all", on=on)),
            )
            for on in ("left out", "test")
        ],
    }


def _site(found: Directions, one: Found) -> dict[str, Any]:
    at = {"site": one.site, "method": one.method}
    rank = found.reading("direction_rank", **at)
    return {
        "method": one.method,
        "site": one.site,
        "cosine": _text(found.reading("direction_cosine", **at)),
        "halves": _bare(found.reading("split_half_cosine", **at)),
        "seeds": _bare(found.reading("seed_cosine", **at)),
        "rank": "–" if rank is None or rank.value is None else plain(float(rank.value)),
        "p_values": ", ".join(f"{p:.2g}" for p in one.p_values),
        "left_out": _text(found.reading("detection_auroc", **at, on="left out")),
        "test": _text(found.reading("detection_auroc", **at, on="test")),
        "chosen": bool(found.chosen) and found.site(one.method) == one.site,
    }


def _text(measurement: Measurement | None) -> str:
    if measurement is None:
        return "–"
    return str(read(measurement)) if measurement.status == "ok" else measurement.status


def _bare(measurement: Measurement | None) -> str:
    return "–" if measurement is None or measurement.value is None else f"{float(measurement.value):.2f}"


def _facts(found: Directions) -> list[tuple[str, str]]:
    about, came = found.about, found.provenance
    facts = [("concept", str(about.get("source") or about.get("concept", "")))]
    if about.get("test"):
        facts.append(("test", f"{about['test']['source']}, {about['test']['examples']:,} examples"))
    facts.append(("kind", str(about["kind"])))
    if came is not None:
        facts += [
            ("weights", came.weights_hash[:_HASH_SHOWN] or "none"),
            ("data", (came.data_hash or "none")[:_HASH_SHOWN]),
            ("seed", str(came.seed)),
            ("code", came.code_version),
            ("packages", ", ".join(f"{name} {number}" for name, number in came.packages)),
            ("hardware", came.hardware),
            ("made", came.created),
        ]
    return facts
