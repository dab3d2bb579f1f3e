"""The page of a ledger: what stands where, hostile text, and a real browser."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from test_report_browser import Visit, browser  # noqa: F401 - the fixture

from gnomon.laws.ledger.book import Book, Record, Registered, Scored
from gnomon.laws.ledger.score import score
from gnomon.laws.ledger.summary import summary
from gnomon.measurement import Measurement, Uncertainty
from gnomon.report.figures.ledger import figures
from gnomon.report.ledger import write_ledger
from toy_challenge import HEADS, by_hand

HOSTILE = "</script><img src=x onerror=alert(1)>"


def record(number: int, value: float | None, *, challenge: str = "coins", outside: tuple[str, ...] = ()) -> Record:
    prediction = dataclasses.replace(by_hand(f"{challenge}/{number}"), outside=outside)
    time = f"2026-11-{number:02}T12:00:00.000000Z"
    registered = Registered(
        number=number, time=time, prediction=prediction, challenge=challenge, cluster=challenge, code={"version": "v"}
    )
    if value is None:
        return Record(registered=registered, scored=None)
    measured = Measurement.ok(HEADS, value, Uncertainty.interval(value - 0.004, value + 0.004, covers={"seed"}))
    scored = Scored(
        number=100 + number,
        time=time,
        measured_at=time,
        measurement=measured,
        origin={},
        score=score(prediction, measured),
    )
    return Record(registered=registered, scored=scored)


def document(*records: Record) -> dict[str, Any]:
    book = Book({r.registered.number: r for r in records})
    found: dict[str, Any] = json.loads(json.dumps(summary(book, path="ledger.jsonl", head="0" * 64), allow_nan=False))
    return found


@pytest.fixture(scope="module")
def several() -> dict[str, Any]:
    values = [0.5, 0.508, 0.49, 0.523, 0.56, 0.495, 0.478]
    inside = [record(i, v, challenge="coins" if i % 2 else "dice") for i, v in enumerate(values, start=1)]
    return document(*inside, record(8, 0.9, outside=("too far",)), record(9, None), record(10, 0.3, challenge=HOSTILE))


@pytest.fixture(scope="module")
def page(several: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ledger(several, tmp_path_factory.mktemp("page"))


def test_misses_come_first_and_what_is_outside_apart(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    places = [
        html.index(f'<section id="{key}"') for key in ("misses", "hits", "outside", "open", "totals", "calibration")
    ]
    assert places == sorted(places)
    misses = html[places[0] : places[1]]
    assert all(f"<code>{name}</code>" in misses for name in ("coins/5", "dice/4", "coins/7"))
    assert misses.index("coins/5") < misses.index("dice/4")  # the worst first
    assert "within its error" in misses[misses.index("dice/4") :]
    assert "within its error" not in misses[misses.index("coins/5") : misses.index("dice/4")]
    assert "coins/8" in html[places[2] : places[3]]
    assert "coins/9" in html[places[3] : places[4]]
    assert "8 scored, in 3 clusters" in html
    assert "1 scored, in 1 cluster<" in html
    assert HOSTILE not in html
    names = {"every", "calibration", "coverage", "skill"}
    assert {p.name for p in (page.parent / "figures").glob("*.svg")} == {f"ledger-{name}.svg" for name in names}


def test_the_numbers_behind_the_figures(several: dict[str, Any]) -> None:
    drawn = {f.key: f.spec["data"]["values"] for f in figures(several["predictions"])}
    inside = [p for p in several["predictions"] if p["score"] and not p["outside"]]
    pits = [r["y"] for r in drawn["ledger-calibration"] if r["series"] == "predictions"]
    assert pits == sorted(p["score"]["pit"] for p in inside)
    shares = [r["y"] for r in drawn["ledger-coverage"]]
    held = [p["score"]["covered"]["90"] for p in sorted(inside, key=lambda p: p["scored"]["number"])]
    assert shares == pytest.approx([sum(held[:k]) / k for k in range(1, len(held) + 1)])
    assert [r["series"] for r in drawn["ledger-every"]] == ["miss"] * 4 + ["hit"] * 4
    assert len(drawn["ledger-skill"]) == 2 * len(inside)
    assert all(-6 <= r["z"] <= 6 for r in drawn["ledger-every"])


def test_a_ledger_without_scores_has_a_page_without_figures(tmp_path: Path) -> None:
    html = write_ledger(document(record(1, None)), tmp_path).read_text(encoding="utf-8")
    assert "1 without a score" in html
    assert "<figure" not in html


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")], ids=["phone", "desk"])
def test_in_a_browser(browser: Any, page: Path, width: int, scheme: str) -> None:  # noqa: F811
    visit = Visit(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    visit.see_all_figures()
    states = visit.page.eval_on_selector_all("figure[data-chart]", "all => all.map(one => one.dataset.state)")
    assert states == ["live"] * 4
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert visit.overflow() <= 0
    assert visit.said == []
    assert visit.asked == [page.as_uri()]
    visit.context.close()
