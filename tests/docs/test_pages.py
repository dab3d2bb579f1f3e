"""What the pages show runs, the atlas has every quantity, and the table of theories every theory."""

import doctest
import re
import sys
from pathlib import Path

import pytest

from gnomon.estimators import estimators
from gnomon.theory import theories

DOCS = Path(__file__).resolve().parents[2] / "docs"


PAGES = [
    p.relative_to(DOCS)
    for p in [page for where in ("*.md", "instruments/*.md", "theories/*.md") for page in sorted(DOCS.glob(where))]
    if ">>> " in p.read_text("utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_examples_of_a_page_run(page: Path) -> None:
    results = doctest.testfile(str(DOCS / page), module_relative=False, encoding="utf-8")
    assert results.attempted > 0
    assert results.failed == 0


def test_the_atlas_has_every_quantity_and_drops_what_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the docs extra is not installed")
    monkeypatch.setattr(sys, "path", [str(DOCS / "_ext"), *sys.path])
    import atlas

    (tmp_path / "gone.md").write_text("of a family that was removed")
    atlas.write(tmp_path)
    assert not (tmp_path / "gone.md").exists()
    text = "\n".join(p.read_text(encoding="utf-8") for p in tmp_path.glob("*.md"))
    own = [e for e in estimators().values() if e.__module__.startswith("gnomon.estimators.")]
    assert own
    for quantity in (q for e in own for q in e.quantities):
        assert text.count(f"\n## {quantity.name}\n") == 1
        assert quantity.definition in text
    for estimator in own:
        assert text.count(f".. autoclass:: {estimator.__module__}.{estimator.__qualname__}\n") == 1
    written = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.md")}
    atlas.write(tmp_path)
    assert written == {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.md")}


def test_the_table_has_every_theory_and_links_only_to_pages_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason="the docs extra is not installed")
    monkeypatch.setattr(sys, "path", [str(DOCS / "_ext"), *sys.path])
    import theories as table

    rows = list(table.lines({"learning_coefficients"}))[2:]
    own = [kind for kind in theories().values() if kind.__module__.startswith("gnomon.theory.")]
    assert len(rows) == len(own) >= 4
    for kind, row in zip(own, rows, strict=True):
        assert f"`{kind.name}`" in row
        assert ("](learning_coefficients.md)" in row) == ("learning_coefficients" in kind.__module__)
        # the four columns, whatever the theory writes
        assert len(re.findall(r"(?<!\\)\|", row)) == 5
