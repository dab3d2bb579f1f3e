"""What the pages tell people to type after `gnomon run` is there: phenomena, presets and fields."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from gnomon.errors import UnknownNameError
from gnomon.phenomena.registry import phenomena, phenomenon

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *(p for p in ROOT.glob("docs/**/*.md") if "_build" not in p.parts)]
COMMAND = re.compile(r"^\$ gnomon run (?P<name>[a-z_]+)(?P<rest>.*)$", re.MULTILINE)


def examples() -> list[tuple[str, str, list[str]]]:
    """Page, phenomenon and the words that follow, of each command on a line of its own."""
    return [
        (str(page.relative_to(ROOT)), found["name"], shlex.split(found["rest"], comments=True))
        for page in PAGES
        for found in COMMAND.finditer(page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "name", "words"), examples())
def test_what_a_page_runs_is_there(page: str, name: str, words: list[str]) -> None:
    if name == "all":
        return
    kind = phenomenon(name)
    preset = words[words.index("--preset") + 1] if "--preset" in words else "quick"
    changes = dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "--set")
    changed = kind.presets[preset].changed(changes)  # type: ignore[index]
    assert not changes or changed != kind.presets[preset]  # type: ignore[index]


def test_every_phenomenon_has_a_page_and_the_examples_are_seen() -> None:
    assert {p.stem for p in (ROOT / "docs/phenomena").glob("*.md")} == {*phenomena(), "index"}
    assert sum("--set" in words for _, _, words in examples()) >= 4
    with pytest.raises(UnknownNameError):
        phenomenon("grokking").presets["quick"].changed({"mlp.weight_decay": "0.5"})
