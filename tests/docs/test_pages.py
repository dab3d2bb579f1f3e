"""What the pages show runs, and the atlas has every quantity."""

import doctest
import sys
from pathlib import Path

import pytest

from gnomon.estimators import estimators

DOCS = Path(__file__).resolve().parents[2] / "docs"


PAGES = [
    p.relative_to(DOCS) for p in [*DOCS.glob("*.md"), *DOCS.glob("instruments/*.md")] if ">>> " in p.read_text("utf-8")
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
