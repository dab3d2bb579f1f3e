"""The page of a dictionary: what its cards say, that text is escaped, and that it works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from test_report_browser import Visit, browser  # noqa: F401
from torch import nn

from gnomon.randomness import Rng
from gnomon.report import dictionary as dictionary_page
from gnomon.report.dictionary import write_dictionary
from gnomon.report.dictionary_cards import HEIGHT, WIDTH, outline, signed
from gnomon.report.dictionary_text import peaks, shown, speller
from gnomon.structure.dictionaries.ablation import Place
from gnomon.structure.dictionaries.contexts import BINS, Contexts
from gnomon.structure.dictionaries.survey import Survey, survey
from gnomon.structure.dictionaries.top_k import TopK, TopKSpec
from gnomon.subjects import Site, Subject, TokenData

_HOSTILE = "<img src=x onerror=alert(1)>"
_WORDS = ["<s>", "▁the", "▁cat", _HOSTILE, "</script><script>alert(2)</script>", "<0x0A>", "'\"&", "s"]


class _Tokenizer:
    all_special_ids = (0,)

    def convert_ids_to_tokens(self, token: int) -> str:
        return _WORDS[token]

    def __call__(self, text: str) -> list[int]:
        return [1, 2]


@pytest.fixture(scope="module")
def surveyed() -> tuple[Survey, Subject, TokenData, Place]:
    embed = nn.Embedding(len(_WORDS), 6)
    embed.weight.data = torch.randn(len(_WORDS), 6, generator=Rng(0).torch())
    subject = Subject(nn.Sequential(embed), sites=[Site("embed", "0")], tokenizer=_Tokenizer(), name="words & such")
    subject.module.forward = lambda input_ids, attention_mask: embed(input_ids)  # type: ignore[method-assign]
    generator = np.random.default_rng(0)
    data = TokenData([np.concatenate([[0], generator.integers(1, 8, size=n)]) for n in generator.integers(3, 40, 60)])
    made = TopK(TopKSpec(latents=130, k=3), 6, None, Rng(1)).eval()
    with torch.no_grad():
        made.encoder_bias[5] = -1e9
    place = Place(made, "embed", "embed")
    return survey(subject, data, place, rng=Rng(0)), subject, data, place


@pytest.fixture(scope="module")
def page(surveyed: tuple[Survey, Subject, TokenData, Place], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, subject, data, place = surveyed
    folder = tmp_path_factory.mktemp("latents")
    return write_dictionary(found, [], folder, subject=subject, data=data, place=place, facts={"trained on": _HOSTILE})


def _table(page: Path) -> dict[str, Any]:
    island = re.search(r'<script type="application/json" id="table">(.*?)</script>', page.read_text(), re.S)
    assert island is not None
    found = json.loads(island[1])
    assert isinstance(found, dict)
    return found


def test_every_latent_has_a_row_and_a_card(surveyed: tuple[Survey, Subject, TokenData, Place], page: Path) -> None:
    found = surveyed[0]
    rows = _table(page)["rows"]
    assert [row[0] for row in rows] == list(range(130))
    assert [row[1] for row in rows] == pytest.approx(found.activity.rates.rate, rel=1e-2)
    cards = [path.read_text() for path in sorted(page.parent.glob("latents/*.html"))]
    assert [text.count('class="card"') for text in cards] == [50, 50, 30]
    assert "It fires nowhere in this data." in cards[0]
    links = re.findall(r'href="(\d+)\.html#latent-(\d+)"', "".join(cards))
    assert links
    assert all(int(number) // 50 == int(block) for block, number in links)


def test_no_text_becomes_markup(page: Path) -> None:
    for path in (page, *page.parent.glob("latents/*.html")):
        text = path.read_text()
        assert "<img" not in text
        assert "alert(2)</script>" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in (page.parent / "latents" / "0.html").read_text()


def test_a_context_in_pieces() -> None:
    spell = speller(_Tokenizer())
    contexts = Contexts(
        activation=np.array([[0.8, 0.0]], dtype=np.float32),
        example=np.array([[0, -1]]),
        position=np.array([[2, -1]]),
        window=np.array([[[0.0, 0.4, 0.8, 0.0, 0.0], [np.nan] * 5]], dtype=np.float32),
        before=2,
    )
    data = TokenData([np.array([1, 2, 5, 1, 7, 1])])
    (one,) = shown(contexts, 0, data, spell, 0.8)
    assert [(p.text, p.level, p.peak) for p in one.pieces] == [
        (" the", 0, False),
        (" cat", 5, False),
        ("↵", 9, True),
        (" thes", 0, False),
    ]
    assert peaks([one]) == ["↵"]


def test_tokens_are_spelled() -> None:
    spell = speller(_Tokenizer())
    assert [spell(i) for i in (0, 1, 5, 7)] == ["<s>", " the", "↵", "s"]
    bytes_ = SimpleNamespace(
        convert_ids_to_tokens=lambda _: "Ġcaf", convert_tokens_to_string=lambda t: t[0].replace("Ġ", " ")
    )
    assert speller(bytes_)(3) == " caf"


def test_the_outline_of_a_histogram() -> None:
    counts = np.zeros(BINS, dtype=np.int64)
    assert outline(counts) == ""
    counts[[3, 4]] = [2, 4]
    tops = [float(y) for y in re.findall(r"V([\d.]+)H", outline(counts))]
    assert (tops[3], tops[4], tops[5]) == (HEIGHT / 2, 0.0, HEIGHT)
    assert outline(counts).endswith(f"H{WIDTH:.1f}V{HEIGHT}z")
    assert signed(0.0) == "0"


def test_the_index_is_written_last(
    surveyed: tuple[Survey, Subject, TokenData, Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, subject, data, place = surveyed

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dictionary_page, "_facts", stop)
    with pytest.raises(KeyboardInterrupt):
        write_dictionary(found, [], tmp_path, subject=subject, data=data, place=place, facts={})
    assert not (tmp_path / "index.html").exists()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")], ids=["phone", "desk"])
def test_the_page_in_a_browser(page: Path, browser: Any, width: int, scheme: str) -> None:  # noqa: F811
    visit = Visit(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme)
    visit.page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
    rates = dict(enumerate(row[1] for row in _table(page)["rows"]))
    assert visit.page.locator("tbody tr").count() == sum(rate > 0 for rate in rates.values())
    visit.page.locator("#living").uncheck()
    assert visit.page.locator("tbody tr").count() == 100
    visit.page.get_by_role("button", name="on →").click()
    assert visit.page.locator("tbody tr").count() == 30
    assert "of 130" in visit.page.locator("#where").inner_text()
    visit.page.get_by_role("button", name="Fires on").click()
    shown_first = int(visit.page.locator("tbody tr th").first.inner_text())
    assert rates[shown_first] == max(rates.values())
    visit.page.locator("#search").fill("5")
    assert visit.page.locator("tbody tr th").all_inner_texts() == ["5"]
    visit.page.locator("#living").check()
    assert visit.page.locator("tbody tr").count() == 0
    visit.page.locator("#search").fill("onerror")
    assert visit.page.locator("tbody tr").count() > 0
    assert visit.page.locator("img").count() == 0
    assert visit.overflow() <= 0
    visit.page.locator("tbody tr a").first.click()
    visit.page.wait_for_selector(".card:target")
    assert visit.overflow() <= 0
    assert visit.said == []
    assert all(url.startswith("file:") for url in visit.asked)
    contrast = visit.page.evaluate(
        """() => {
          const light = (rgb) => rgb.map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
          const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          const paint = (...colours) => {
            for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
          };
          const mark = getComputedStyle(document.querySelector("mark.l9"));
          const body = getComputedStyle(document.body);
          const [back, ink] = [light(paint(body.backgroundColor, mark.backgroundColor)), light(paint(mark.color))];
          return (Math.max(back, ink) + 0.05) / (Math.min(back, ink) + 0.05);
        }"""
    )
    assert contrast >= 4.5  # WCAG 2, level AA
    visit.context.close()


@pytest.mark.browser
def test_without_scripts_there_are_links(page: Path, browser: Any) -> None:  # noqa: F811
    visit = Visit(browser, page, viewport={"width": 360, "height": 800}, java_script_enabled=False, offline=True)
    assert visit.page.locator("#plain a").count() == 3
    visit.page.locator("#plain a").last.click()
    assert visit.page.locator(".card").count() == 30
    visit.context.close()
