"""The page says all that was measured, honestly, to whoever reads it, and is written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import specimen

from gnomon.errors import GnomonError
from gnomon.lab.affordable import LeftOut
from gnomon.measurement import Measurement, Uncertainty, Unit
from gnomon.report import document
from gnomon.report.certificates import mark, marks
from gnomon.report.content import Examination
from gnomon.report.headline import MOST_CARDS, cards, introduction, trust
from gnomon.report.numbers import read
from gnomon.report.page import write_report
from gnomon.report.readings import row, wide
from gnomon.report.refusals import refusals

HOSTILE = "</script><!-- <img src=x onerror=alert(1)>\"'&{{ 7*7 }}\u2028"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Elements, their nesting, and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def bare(*measurements: Measurement, **changes: Any) -> Examination:
    """An examination of ``measurements`` alone."""
    return replace(specimen.examination(), measurements=measurements, certificates={}, left_out=(), **changes)


@pytest.fixture(scope="module")
def parsed(written: Any) -> Page:
    return Page(written.html)


def test_every_reading_is_on_the_page(written: Any, parsed: Page) -> None:
    text = " ".join("".join(parsed.text).split())
    for m in written.examination.measurements:
        shown = read(m)
        if shown is None:
            assert m.reason in text
        else:
            assert f"{shown.value} {shown.spread}" in text, m.site


def test_there_is_no_zero_error_that_nobody_stated(parsed: Page) -> None:
    assert not re.search(r"± 0(\.0*)?(?![\d.])", "".join(parsed.text))
    assert "uncertainty unknown" in "".join(parsed.text)


def test_refusals_are_told_once_with_reason_remedy_and_what_was_withheld(written: Any, parsed: Page) -> None:
    told = refusals(written.examination.measurements)
    tails = [m for m in written.examination.measurements if m.quantity == "tail_exponent" and m.status != "ok"]
    assert [([name for name, _ in r.quantities], len(r.places)) for r in told] == [
        (["twonn_dimension"], 2),
        (["tail_exponent"], len(tails)),
        (["mystery_profile"], 1),
    ]
    assert told[0].suffices == "12,000 rows"
    low, high = sorted(
        m.diagnostics["estimate"] for m in written.examination.measurements if m.reason == told[0].reason
    )
    assert told[0].estimate == f"{low:.3g} to {high:.3g}"
    assert "12,000 rows" in "".join(parsed.text)


def test_reasons_that_differ_in_their_numbers_are_told_together() -> None:
    nll = specimen.QUANTITIES["nll"]
    refused = [
        Measurement.insufficient(
            nll, f"{n:,} rows of x2 see a factor of {f}", site=f"blocks.{i}", suffices={"rows": 2 * n}, estimator="e"
        )
        for i, (n, f) in enumerate(((1200, 3.5), (900, 3.5), (10000, 3.5)))
    ]
    (told,) = refusals(refused)
    assert told.reason == "900 to 10,000 rows of x2 see a factor of 3.5"
    assert told.suffices == "1,800 to 20,000 rows"
    assert told.places == ("blocks.0", "blocks.1", "blocks.2")
    other = Measurement.insufficient(nll, "no rows of x2 see a factor of 3.5", estimator="e")
    assert len(refusals([*refused, other])) == 2


def test_one_reason_for_several_quantities_is_told_once() -> None:
    nll, cka = specimen.QUANTITIES["nll"], specimen.QUANTITIES["cka"]
    refused = [
        Measurement.insufficient(q, "one row", site="embed", estimator="e", diagnostics={"estimate": x})
        for q, x in ((nll, 1.5), (cka, 0.25))
    ]
    (told,) = refusals(refused)
    assert [name for name, _ in told.quantities] == ["nll", "cka"]
    assert told.estimate == "Negative log-likelihood: 1.50; Centred kernel alignment: 0.250"
    assert len(refusals([*refused, replace(refused[0], site="logits")])) == 2


def test_a_wide_table_holds_numbers_only() -> None:
    spectrum, ratio = specimen.QUANTITIES["agop_spectrum"], specimen.QUANTITIES["participation_ratio"]
    exact = Uncertainty.exact()
    measured = [
        Measurement.ok(spectrum, [2.0, 1.0], exact, site="embed", estimator="e"),
        Measurement.insufficient(spectrum, "too few", site="blocks.0", estimator="e"),
        Measurement.ok(ratio, 3.0, exact, site="blocks.0", estimator="e"),
        Measurement.insufficient(ratio, "too few", site="embed", estimator="e"),
        Measurement.ok(ratio, 4.0, exact, site="embed:weight", estimator="e"),
    ]
    declined = Measurement.insufficient(ratio, "no evidence: too few", site="logits", estimator="e")
    assert row(declined, marks([declined], {})).verdict == "no evidence"
    by_site, by_matrix = wide(measured, marks(measured, {}), specimen.SITES)
    assert [c.quantity for c in by_site.columns] == ["participation_ratio"]
    assert [(place, cell.status) for place, (cell,) in by_site.rows if cell] == [
        ("embed", "insufficient"),
        ("blocks.0", "ok"),
    ]
    assert [place for place, _ in by_matrix.rows] == ["embed:weight"]


def test_prices_of_what_was_left_out(parsed: Page) -> None:
    text = "".join(parsed.text)
    for words in ("hessian_spectrum", "5 min 40 s", "12,000", "1.0 GiB", "needs images", "Trace of the Hessian"):
        assert words in text


def test_marks_are_the_worst_of_their_rows_and_link_to_them(written: Any, parsed: Page) -> None:
    certificates = written.examination.certificates
    verdicts = {
        pair: mark(certificates, *pair).verdict
        for pair in (("loss", "nll"), ("cka", "cka"), ("mle", "mle_dimension"), ("third_party", "agop_mystery"))
    }
    assert list(verdicts.values()) == ["calibrated", "stale", "failed", "none"]
    failed_and_stale = {("a", "b"): [specimen.certificate_row("x", 1.0, passed=False, fresh=False)]}
    assert mark(failed_and_stale, "a", "b").verdict == "failed"
    assert mark({("a", "b"): []}, "a", "b").verdict == "none"
    identifiers = {a["id"] for _, a in parsed.elements if "id" in a}
    links = [a["href"] for a in parsed.all("a")]
    assert all(link and link[0] == "#" and link[1:] in identifiers | {"content"} for link in links)
    assert "#certificate-loss-nll" in links
    counted = {one.verdict: n for one, n in trust(marks(written.examination.measurements, certificates))}
    assert list(counted) == ["failed", "stale", "none", "calibrated"]
    assert counted["none"] == 3


def test_identifiers_are_unique(parsed: Page) -> None:
    found = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(found) == len(set(found))


def test_certificates_are_shown_row_by_row(parsed: Page) -> None:
    text = "".join(parsed.text)
    assert text.count("closed form B") >= 20
    assert "missed" in text
    assert "0.41" in text


def test_the_headline_names_what_matters_most(written: Any) -> None:
    examination = written.examination
    found = cards(examination, marks(examination.measurements, examination.certificates))
    assert 5 <= len(found) <= MOST_CARDS
    by_title = {card.title: card for card in found}
    assert str(by_title["Negative log-likelihood"].reading) == "1.362 ± 0.021"
    assert "3.91" in by_title["Negative log-likelihood"].words
    highest = max(
        (m for m in examination.measurements if m.quantity == "participation_ratio" and m.site in _outputs()),
        key=lambda m: float(m.value),  # type: ignore[arg-type]
    )
    assert f"at {highest.site}," in by_title["Participation ratio"].words
    spikes = [m for m in examination.measurements if m.quantity == "spikes"]
    assert by_title["Matrices with spikes"].reading.value == f"{sum(m.value > 0 for m in spikes)} of 36"  # type: ignore[operator]
    first, second = introduction(examination)
    assert first == (
        "stories260K has 260,032 parameters in 5 blocks. It was fed stories_sampled.txt (200 examples, "
        "51,243 tokens), and scored by the next token loss."
    )
    read_ok = sum(m.status == "ok" for m in examination.measurements)
    assert second.startswith(f"{read_ok} readings of 27 quantities were taken in 41.3 s; ")


def _outputs() -> set[str]:
    return {"embed", *(f"blocks.{i}" for i in range(specimen.BLOCKS))}


def test_a_network_of_unknown_kind_has_a_headline_too() -> None:
    ours = [m for m in specimen.examination().measurements if m.quantity == "agop_mystery"]
    examination = bare(*ours)
    (card,) = cards(examination, marks(ours, {}))
    assert card.title == "AGOP mystery"
    assert "the highest of 6 sites" in card.words


def test_sites_are_ranked_only_where_their_intervals_part() -> None:
    ratio = specimen.QUANTITIES["participation_ratio"]

    def words_for(error: float | None, systematic: float = 0.0) -> str:
        measured = [
            Measurement.ok(
                ratio,
                value,
                Uncertainty.unknown()
                if error is None
                else Uncertainty.interval(value - error, value + error, covers={"data"}, systematic=systematic),
                site=f"blocks.{i}",
            )
            for i, value in enumerate((5.0, 6.0, 7.0))
        ]
        (card,) = cards(bare(*measured), marks(measured, {}))
        return card.words

    assert words_for(0.9) == "at blocks.2, the highest of 3 sites; lowest at blocks.0: 5.0 ± 0.9"
    alike = "at blocks.2; the 3 sites do not differ beyond their intervals"
    assert words_for(1.1) == words_for(0.9, systematic=0.2) == words_for(None) == alike


def test_the_glossary_defines_what_it_can(parsed: Page, written: Any) -> None:
    names = {a["id"] for a in parsed.all("div") if a.get("id")}
    shown = {m.quantity for m in (*written.examination.measurements, *written.examination.history)}
    assert {f"quantity-{name}" for name in shown} <= names
    assert r"\unknowncommand{J(x)}" in "".join(parsed.text)


def test_a_quantity_that_the_catalogue_lacks_is_shown_without_definition(tmp_path: Path) -> None:
    ours = [m for m in specimen.examination().measurements if m.quantity in ("nll", "mystery_profile")]
    html = write_report(bare(*ours), tmp_path, quantities={}).read_text()
    assert html.count("has no definition of this quantity") == 2
    assert "1.362" in html


def test_provenance_names_commit_state_seed_and_hashes(parsed: Page) -> None:
    text = "".join(parsed.text)
    for words in ("43e3049f1c26", "with uncommitted changes", "a7bea7bea7bea7be", "torch 2.13.0", "Linux x86_64"):
        assert words in text
    assert "2026-02-03T10:11:12+00:00" in text


def test_nothing_measured_at_all_is_a_page_too(tmp_path: Path) -> None:
    html = write_report(bare(provenance=None), tmp_path).read_text()
    assert "No reading could be taken" in html
    assert "none was recorded" in html
    assert "gnomon calibrate" in html


def test_the_page_is_accessible(parsed: Page) -> None:
    headings = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))
    assert len(parsed.all("caption")) == len(parsed.all("table"))
    assert all(a.get("scope") in ("col", "row") for a in parsed.all("th"))
    drawings = [a for a in parsed.all("div") if a.get("class") == "drawing"]
    assert len(drawings) == len(parsed.all("figure"))
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert all(a.get("aria-label") for a in parsed.all("button"))
    assert parsed.all("html") == [{"lang": "en"}]
    assert {"main", "nav", "header", "footer"} <= {tag for tag, _ in parsed.elements}


def test_only_the_two_known_scripts_may_run(parsed: Page, written: Any) -> None:
    policy = str(next(a["content"] for a in parsed.all("meta") if a.get("http-equiv") == "Content-Security-Policy"))
    sources = re.findall(r"<script>(.*?)</script>", written.html, re.DOTALL)
    hashes = ["sha256-" + b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in sources]
    assert len(hashes) == 2
    assert re.findall(r"'(sha256-[^']*)'", policy) == hashes
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    loads = [a for _, a in parsed.elements if a.get("src") or (a.get("href") or "#")[0] not in "#d"]
    assert loads == []


def hostile() -> Examination:
    """Names, reasons and diagnostics that try to leave their place."""
    unit = Unit()
    site = f"blocks.0.{HOSTILE}"
    common: dict[str, Any] = {"symbol": HOSTILE, "unit": unit, "estimator": HOSTILE}
    exact, unknown = Uncertainty.exact(), Uncertainty.unknown()
    labels = {HOSTILE: HOSTILE}
    measured = [
        Measurement(quantity=HOSTILE, value=1.0 + i, uncertainty=exact, site=s, labels=labels, **common)
        for i, s in enumerate((site, "blocks.1", HOSTILE))
    ]
    measured += [
        Measurement(
            quantity="cka",
            value=0.5,
            uncertainty=Uncertainty.exact(systematic=0.1, systematic_source=HOSTILE),
            site=a,
            labels={"other_site": b},
            **common,
        )
        for a, b in ((site, "blocks.1"), ("blocks.1", HOSTILE))
    ]
    refusal: dict[str, Any] = {"status": "failed", "reason": HOSTILE, "site": site}
    measured.append(Measurement(quantity="nll", value=None, uncertainty=unknown, **refusal, **common))
    original = specimen.examination()
    facts = replace(original.subject, name=HOSTILE, data=HOSTILE, loss=HOSTILE, sites=(site, "blocks.1", HOSTILE))
    origin = replace(specimen.PROVENANCE, subject=HOSTILE, hardware=HOSTILE, packages=((HOSTILE, HOSTILE),))
    row = specimen.certificate_row(HOSTILE, 1.0)
    return replace(
        original,
        title=HOSTILE,
        subject=facts,
        measurements=measured,
        certificates={(HOSTILE, HOSTILE): [row]},
        left_out=(LeftOut(estimator=HOSTILE, quantities=(HOSTILE,), reason=HOSTILE),),
        history=[replace(measured[0], labels={"step": str(step), "split": HOSTILE}) for step in (0, 10)],
        provenance=origin,
    )


def strings(value: Any) -> set[str]:
    """All the texts inside a JSON value."""
    if isinstance(value, str):
        return {value}
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return set().union(*map(strings, inner))


def test_text_from_models_and_data_is_never_markup(tmp_path: Path) -> None:
    path = write_report(hostile(), tmp_path, quantities={})
    html = path.read_text(encoding="utf-8")
    parsed = Page(html)
    assert not parsed.all("img")
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert "<!--" not in html
    assert "{{ 7*7 }}" in html  # templates are not read from data
    assert HOSTILE in "".join(parsed.text)
    specs = re.findall(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert len(specs) == len(parsed.all("figure")) == 3
    assert any(HOSTILE[:-1] + " " in strings(json.loads(spec)) for spec in specs)
    names = [p.name for p in (tmp_path / "figures").iterdir()]
    assert all(re.fullmatch(r"[a-z0-9-]+\.(svg|pdf|png|vl\.json)", name) for name in names)


def test_figures_are_exported_in_four_formats(written: Any) -> None:
    folder = written.path.parent / "figures"
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG", ".json": b"{"}
    stems: dict[str, set[str]] = {}
    for path in folder.iterdir():
        assert path.read_bytes().startswith(starts[path.suffix]), path
        stems.setdefault(path.name.split(".")[0], set()).add(path.suffix)
    assert all(suffixes == starts.keys() for suffixes in stems.values())
    assert len(stems) == written.html.count("<figure ")


def test_writing_again_replaces_and_leaves_no_scraps(tmp_path: Path) -> None:
    ours = [m for m in specimen.examination().measurements if m.quantity == "nll"]
    for title in ("first", "second"):
        path = write_report(bare(*ours, title=title), tmp_path)
    assert "<h1>second</h1>" in path.read_text()
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "figures"}


def test_a_full_disk_is_one_line_and_spares_the_report_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [m for m in specimen.examination().measurements if m.quantity == "nll"]
    path = write_report(bare(*ours, title="first"), tmp_path)
    before = path.read_bytes()
    opened = os.fdopen

    def full(handle: int, mode: str) -> Any:
        file = opened(handle, mode)

        class Full:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, content: bytes) -> None:
                file.write(content[:1000])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return Full()

    monkeypatch.setattr(document.os, "fdopen", full)
    with pytest.raises(GnomonError, match="No space left on device; free some space") as caught:
        write_report(bare(*ours, title="second"), tmp_path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "figures"}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with pytest.raises(GnomonError, match=r"cannot write the report to .*taken.*give another folder"):
        write_report(bare(), taken)


def test_formatting_a_number_does_not_load_the_drawing() -> None:
    code = (
        "import sys; import gnomon.report.numbers; "
        "sys.exit(any(name in sys.modules for name in ('altair', 'jinja2', 'vl_convert')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
