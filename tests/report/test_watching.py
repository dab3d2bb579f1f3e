"""The page of a running sweep: counts that add up, no network, whole at any moment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import PointRecord
from gnomon.lab.sweep import SweepState, Tally
from gnomon.report.watching import WatchPage

_FAILURE = PointRecord(
    key="k", experiment="b", spec={"width": 3}, status="failed", reason="<script>alert(1)</script>", created="noon"
)


def _state(status: str = "running") -> SweepState:
    return SweepState(
        status=status,  # type: ignore[arg-type]
        experiments={
            "a": Tally(total=100, kept=10, done=40, failed=0, seconds=2.0),
            "b": Tally(total=50, done=0, failed=1, seconds=None),
        },
        failures=(_FAILURE,),
        workers=4,
        seconds=20.0,
    )


def _facts(html: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>([^<]*)</dd>", html))


def test_the_time_left_is_the_work_left_over_the_workers() -> None:
    # 50 of a at 2 s each, 49 of b for which the others stand in, on 4 workers
    assert _state().seconds_left == pytest.approx((50 * 2.0 + 49 * 2.0) / 4)
    assert _state().rate == pytest.approx(41 / 20)


def test_the_page_while_it_runs_and_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "out" / "sweep.html"
    with WatchPage(path, "A sweep & more", ["first", "second"], result="result.html") as page:
        page.show("first", _state())
        first = path.read_text()
        page._written = -float("inf")  # two seconds later
        page.show("first", _state())
        html = path.read_text()
    assert 'http-equiv="refresh"' in first
    assert _facts(html) == {
        "done now": "40",
        "in the store before": "10",
        "failed": "1",
        "left": "99",
        "points a second": "2.05",
        "time passed": _facts(html)["time passed"],
        "time left, about": "49.5 s",
        "workers": "4",
    }
    assert "<title>51 of 150 · A sweep &amp; more · gnomon</title>" in html
    assert "second" in html
    assert "waiting" in html
    # what failed is shown, and cannot break out
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=\"(?!#|data:)", html)
    ended = path.read_text()
    assert 'http-equiv="refresh"' not in ended
    assert "Finished at" in ended
    assert '<a href="result.html">' in ended
    assert [p.name for p in path.parent.iterdir()] == ["sweep.html"]


def test_it_is_not_written_at_every_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(WatchPage, "_write", lambda self, status: written.append(status))
    with WatchPage(tmp_path / "page.html", "t", ["a"]) as page:
        page._written = float("inf")
        for _ in range(100):
            page.show("a", _state())
    assert written == ["running", "finished"]


def test_an_interrupt_is_said(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    page = WatchPage(path, "t", ["a"]).__enter__()
    page.show("a", _state())
    page.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "Interrupted at" in path.read_text()
    assert 'http-equiv="refresh"' not in path.read_text()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GnomonError, match="cannot write"), WatchPage(tmp_path / "file" / "page.html", "t", ["a"]):
        pass
