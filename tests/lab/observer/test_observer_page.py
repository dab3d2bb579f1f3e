"""The examples beside trainers, which need packages that gnomon does not, run as they are shown."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "instruments" / "observers.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore")  # of the trainers' own
@pytest.mark.parametrize(("library", "number"), [("accelerate", 0), ("lightning", 1)])
def test_the_example_beside_a_trainer_runs(
    library: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(library, reason=f"{library}, a development dependency, is not installed")
    monkeypatch.chdir(tmp_path)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    assert len(BLOCKS) == 2
    names: dict[str, object] = {}
    exec(compile(BLOCKS[number], str(PAGE), "exec"), names)
    out = capsys.readouterr().out
    assert re.search(r"Observed at \d+ steps", out), out
    assert os.listdir(tmp_path) in ([], ["out"], ["lightning_logs"])
    measurements = names["observer"].measurements  # type: ignore[attr-defined]
    assert {m.labels["step"] for m in measurements} >= {"0", "20" if number == 0 else "40"}
    assert not [m for m in measurements if m.status == "failed"]
