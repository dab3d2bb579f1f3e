"""The page of fits: what it states, a figure for every number of columns, and nothing amiss in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report_browser import Visit, browser  # noqa: F401

from gnomon.laws import Table
from gnomon.laws.comparison import Comparison, compare
from gnomon.laws.registry import form
from gnomon.randomness import Rng
from gnomon.report import fits
from gnomon.report.figures.fits import pictures
from gnomon.report.fits import write_fits

Fitted = Callable[[int], Comparison]
_FORMS = {1: ["power_law", "log_linear"], 2: ["chinchilla", "log_linear_2"], 3: ["log_linear_3", "constant"]}


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Fits to tables with so many columns, each made once."""
    made: dict[int, Comparison] = {}

    def of(columns: int) -> Comparison:
        if columns not in made:
            axes = np.meshgrid(*[np.geomspace(1e6, 1e9, {1: 30, 2: 6, 3: 4}[columns])] * columns)
            x = np.stack([axis.ravel() for axis in axes], axis=1)
            y = 1.5 + 300 * (x**-0.4).sum(axis=1) + 0.01 * Rng(0).numpy().normal(size=len(x))
            names = ("N <b>", "D", "steps")[:columns]
            table = Table(x=x, y=y, columns=names, target="loss")
            forms = [form(name) for name in _FORMS[columns]]
            made[columns] = compare(table, forms, noise="normal", draws=60, rng=Rng(0))
        return made[columns]

    return of


@pytest.fixture(scope="module")
def written(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The page of fits to a table with so many columns, each written once."""
    pages: dict[int, Path] = {}

    def of(columns: int) -> Path:
        if columns not in pages:
            pages[columns] = write_fits(fitted(columns), tmp_path_factory.mktemp("page"), source="runs.csv")
        return pages[columns]

    return of


@pytest.mark.parametrize(("columns", "figures"), [(1, 3), (2, 5)])
def test_the_page_and_its_figures(fitted: Fitted, written: Callable[[int], Path], columns: int, figures: int) -> None:
    found, page = fitted(columns), written(columns)
    text = page.read_text(encoding="utf-8")
    assert text.count("<figure ") == figures
    assert len(list((page.parent / "figures").glob("*.svg"))) == figures
    assert "<b>" not in text
    for name, one in found[found.best].parameters.items():
        assert f"<code>{name}</code>" in text
        assert np.isfinite(one.value)
    assert "runs.csv" in text
    assert not re.search(r"NaN|Infinity|undefined", text.split("<script", 1)[0])


def test_of_many_columns_there_are_forecasts_and_residuals(fitted: Fitted) -> None:
    assert [picture.key for picture in pictures(fitted(3))] == ["held_out", *(f"residuals_{i}" for i in range(3))]


def test_what_is_not_determined_is_on_the_page(fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "pictures", lambda _: [])
    found = fitted(1)
    best = found[found.best]
    name = next(iter(best.parameters))
    open_ended = replace(best.parameters[name], low=-np.inf, high=np.inf)
    vague = replace(
        best, unidentified=("E: the data do not reach it",), parameters={**best.parameters, name: open_ended}
    )
    others = tuple(one for one in found.fits if one.form.name != found.best)
    page = write_fits(replace(found, fits=(vague, *others), rivals=("log_linear",)), tmp_path, source="runs.csv")
    text = page.read_text(encoding="utf-8")
    assert "E: the data do not reach it" in text
    assert "−∞ to ∞" in text
    assert "do not determine all of its parameters" in text
    assert "does not tell it from log_linear" in text


def test_the_curve_passes_through_the_data_and_its_band_holds_it(fitted: Fitted) -> None:
    found = fitted(1)
    curve = pictures(found)[0]
    (law,) = (c for c in curve.curves if c.name == "power_law")
    x, y = found.fits[0].table.x[:, 0], found.fits[0].table.y
    assert max(law.x) == pytest.approx(10 * x.max())
    low, high = (np.interp(np.log(x), np.log(law.x), np.array(ends, dtype=float)) for ends in (law.low, law.high))
    # at 90 %: fewer than 21 of 30 once in 10,000 times; what interpolation adds is far less than the noise
    assert ((low < y) & (y < high)).sum() >= 21
    assert sum(len(c.x) for c in curve.curves if c.style == "points") == len(y)


def test_rows_moved_to_a_slice_lie_off_it_by_their_residuals(fitted: Fitted) -> None:
    found = fitted(2)
    table, one = found.fits[0].table, found["chinchilla"]
    along = pictures(found)[0]
    points = [c for c in along.curves if c.style == "points"]
    assert sum(len(c.x) for c in points) == len(table)
    off = []
    for curve in points:
        level = float(re.findall(r"[\d.]+", curve.name.replace(",", ""))[0])
        assert level > 0
        (line,) = (c for c in along.curves if c.style == "line" and c.name == curve.group)
        off += list(np.array(curve.y) - np.interp(np.log(curve.x), np.log(line.x), np.array(line.y, dtype=float)))
    residuals = table.y - one.form.value(table.x, one.theta)
    assert np.std(off) == pytest.approx(np.std(residuals), rel=0.1)


@pytest.mark.browser
@pytest.mark.parametrize(("columns", "width"), [(1, 360), (2, 1280)], ids=["phone", "desk"])
def test_the_page_in_a_browser(written: Callable[[int], Path], browser: Any, columns: int, width: int) -> None:  # noqa: F811
    page = written(columns)
    visit = Visit(browser, page, viewport={"width": width, "height": 800})
    visit.see_all_figures()
    states = visit.page.eval_on_selector_all("figure[data-chart]", "all => all.map(one => one.dataset.state)")
    assert set(states) == {"live"}
    assert visit.overflow() <= 0
    assert visit.said == []
    assert visit.asked == [page.as_uri()]
    visit.context.close()
