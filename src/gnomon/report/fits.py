"""The page of fits: the law with its intervals, how it compares, and figures of data, forecasts and residuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnomon.laws.comparison import Comparison
from gnomon.laws.fit import Fit
from gnomon.report.document import rendered, write_file, writing_to
from gnomon.report.exports import draw
from gnomon.report.figures.fits import pictures
from gnomon.report.figures.pictures import figure_of
from gnomon.report.numbers import fixed, plain


def write_fits(found: Comparison, out_dir: Path | str, *, source: str) -> Path:
    """Write ``fit.html`` and ``figures/*.{svg,pdf,png,vl.json}`` into ``out_dir``; the path of the page.

    The page needs no network and forbids itself any; it is written last, under a temporary name, and renamed. Raises
    GnomonError when the folder cannot be written.

    Parameters
    ----------
    source : what the table was read from, in words.
    """
    folder = Path(out_dir)
    best, table = found[found.best], found.fits[0].table
    drawn = [draw(figure_of(picture, f"{table.target} fit")) for picture in pictures(found)]
    html = rendered(
        "fit.html.j2",
        title=f"{table.target} against {' and '.join(table.columns)}",
        best=best,
        inputs=list(zip(best.form.columns, table.columns, strict=False)),
        level=f"{100 * best.level:.3g} %",
        parameters=[_parameter(best, name) for name in best.parameters],
        forms=[_form(found, one) for one in sorted(found.fits, key=lambda one: one.bic)],
        rivals=found.rivals,
        open=[(one.form.name, reason) for one in found.fits for reason in one.unidentified],
        figures=drawn,
        facts=_facts(found, source),
    )
    with writing_to(folder):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        for one in drawn:
            for name, content in one.files():
                write_file(folder / "figures" / name, content)
        return write_file(folder / "fit.html", html.encode())


def _parameter(best: Fit, name: str) -> dict[str, str]:
    one = best.parameters[name]
    return {
        "name": name,
        "meaning": best.form.parameters[name],
        "value": _number(one.value),
        "interval": _ends((one.low, one.high)),
        "bootstrap": _ends(one.bootstrap),
        "profile": _ends(one.profile),
    }


def _ends(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: float) -> str:
    return plain(value, digits=4) if math.isfinite(value) else fixed(value, 0)


def _form(found: Comparison, one: Fit) -> dict[str, Any]:
    first = found[found.best]
    return {
        "name": one.form.name,
        "title": one.form.title,
        "equation": one.form.equation,
        "parameters": str(len(one.parameters)),
        "bic": fixed(one.bic - min(f.bic for f in found.fits), 1),
        "aic": fixed(one.aic - min(f.aic for f in found.fits), 1),
        "heldout": "–" if one.heldout is None else plain(one.heldout),
        "weight": f"{100 * found.weights[one.form.name]:.1f} %",
        "identifiable": one.identifiable,
        "best": one is first,
    }


def _facts(found: Comparison, source: str) -> Sequence[tuple[str, str]]:
    best = found[found.best]
    table, noise = best.table, best.noise
    ranges = ", ".join(
        f"{name} from {plain(float(column.min()))} to {plain(float(column.max()))}"
        for name, column in zip(table.columns, table.x.T, strict=True)
    )
    kind = {"normal": "normal", "laplace": f"Laplace, its cusp rounded at {plain(noise.delta)}"}[noise.kind]
    scale = {"linear": "of the values", "log": "of their logarithms"}[noise.scale]
    groups = "each its own" if table.groups is None else f"in {len(set(table.groups.tolist()))} groups"
    return [
        ("table", source),
        ("rows", f"{len(table):,}, {groups}; {ranges}"),
        ("noise", f"{kind}, {scale}; spread {plain(noise.spread)}"),
        ("loss minimised", plain(best.objective, digits=4)),
        ("draws of the bootstrap", f"{len(best.draws):,}"),
        ("source", best.form.source),
    ]
