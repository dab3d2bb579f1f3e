"""The page in a real browser: no console error, no network, no overflow, every chart alive."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
SILENT = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=SILENT)
        yield chromium
        chromium.close()


class Visit:
    """One look at the page, and everything that it did behind our back."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def see_all_figures(self) -> None:
        self.page.evaluate(
            """async () => {
              for (const figure of document.querySelectorAll("figure[data-chart]")) {
                figure.scrollIntoView();
                while (!figure.dataset.state) await new Promise((done) => setTimeout(done, 5));
              }
            }"""
        )

    def overflow(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "light"), (1280, "dark")], ids=["phone in the light", "desk in the dark"]
)
def test_the_page_in_a_browser(browser: Any, written: Any, width: int, scheme: str) -> None:
    visit = Visit(browser, written.path, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.see_all_figures()
    states = visit.page.eval_on_selector_all("figure[data-chart]", "all => all.map(one => one.dataset.state)")
    assert len(states) > 20
    assert set(states) == {"live"}
    drawn = visit.page.eval_on_selector_all(".live svg", "all => all.map(one => one.getBoundingClientRect().width)")
    assert len(drawn) == len(states)
    assert all(0 < w <= width for w in drawn)
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert visit.overflow() <= 0
    assert visit.said == []
    assert visit.asked == [written.path.as_uri()]
    visit.context.close()


def test_dark_recolours_the_charts(browser: Any, written: Any) -> None:
    found = {}
    for scheme in ("light", "dark"):
        visit = Visit(browser, written.path, viewport={"width": 900, "height": 800}, color_scheme=scheme)
        found[scheme] = visit.page.evaluate(
            """() => {
              const text = document.querySelector(".drawing svg text");
              return [getComputedStyle(text).fill, getComputedStyle(document.body).backgroundColor];
            }"""
        )
        visit.context.close()
    assert found["light"][1] == "rgb(255, 255, 255)"
    assert found["dark"][1] == "rgb(18, 22, 27)"
    assert found["light"][0] != found["dark"][0]


def test_without_scripts_the_drawings_stand(browser: Any, written: Any) -> None:
    visit = Visit(
        browser, written.path, viewport={"width": 360, "height": 800}, java_script_enabled=False, offline=True
    )
    assert visit.page.locator(".drawing svg").count() == visit.page.locator("figure[data-chart]").count()
    assert visit.page.locator(".drawing svg").first.is_visible()
    box = visit.page.locator("main").bounding_box()
    assert box["x"] + box["width"] <= 360
    assert visit.asked == [written.path.as_uri()]
    visit.context.close()


def test_a_mark_leads_to_its_certificate(browser: Any, written: Any) -> None:
    visit = Visit(browser, written.path, viewport={"width": 1280, "height": 800})
    row = visit.page.locator("#certificate-cka-cka")
    assert row.get_attribute("open") is None
    visit.page.locator("#summary a.mark.stale").click()
    visit.page.wait_for_function("document.getElementById('certificate-cka-cka').open")
    assert row.get_by_text("closed form A").is_visible()
    visit.context.close()


def test_it_prints_on_few_pages_with_its_tables_open(browser: Any, written: Any, tmp_path: Path) -> None:
    visit = Visit(browser, written.path, viewport={"width": 1280, "height": 800}, color_scheme="dark")
    pdf = visit.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    visit.page.emulate_media(media="print")
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not visit.page.locator("nav").is_visible()
    assert not visit.page.locator(".live").first.is_visible()
    assert visit.said == []
    visit.context.close()


def test_hostile_text_runs_nothing(browser: Any, tmp_path: Path) -> None:
    from test_report_page import hostile

    from gnomon.report.page import write_report

    path = write_report(hostile(), tmp_path, quantities={})
    visit = Visit(browser, path, viewport={"width": 360, "height": 800})
    visit.page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    visit.see_all_figures()
    visit.page.locator(".live svg .mark-symbol path").first.hover(force=True)
    assert visit.page.locator("img").count() == 0
    assert visit.overflow() <= 0
    assert visit.said == []
    assert visit.asked == [path.as_uri()]
    visit.context.close()
