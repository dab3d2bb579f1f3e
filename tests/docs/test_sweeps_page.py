"""The files that the page on sweeps shows are read, and make the points that it says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from gnomon.lab.spec import read_toml
from gnomon.lab.sweep.grid import Sweep
from gnomon.phenomena import phenomena

_PAGE = (Path(__file__).resolve().parents[2] / "docs/sweeps.md").read_text(encoding="utf-8")
_FILES = {
    re.findall(r"# (\S+\.toml)", block)[0]: block for block in re.findall(r"^```toml\n(.*?)^```", _PAGE, re.M | re.S)
}


def _sweep(name: str, folder: Path) -> Sweep:
    phenomena()
    file = folder / name
    file.write_text(_FILES[name])
    return Sweep.model_validate(read_toml(file))


@pytest.mark.parametrize(
    ("name", "varied"),
    [
        ("weight_decay.toml", {"weight_decay": 2, "seed": 3}),
        ("density.toml", {"density": 2, "seed": 2}),
        ("tasks.toml", {"kind": 2}),
    ],
)
def test_a_file_of_the_page(name: str, varied: dict[str, int], tmp_path: Path) -> None:
    points = _sweep(name, tmp_path).points()
    documents = [p.spec.model_dump(mode="json") for p in points]
    flat = [document.get("recipe", document) for document in documents]
    different = {field for field in flat[0] if len({str(one[field]) for one in flat}) > 1}
    assert {field: len(Counter(str(one[field]) for one in flat)) for field in different} == varied
    assert len({p.key for p in points}) == len(points)


def test_every_file_of_the_page_is_looked_at_and_a_command_takes_it(tmp_path: Path) -> None:
    assert set(_FILES) == {"weight_decay.toml", "density.toml", "tasks.toml"}
    assert set(re.findall(r"gnomon sweep (\S+\.toml)", _PAGE)) <= set(_FILES)
    held = _sweep("weight_decay.toml", tmp_path).holding({"recipe.steps": "400"}).points()
    assert {p.spec.recipe.steps for p in held} == {400}  # type: ignore[attr-defined]
