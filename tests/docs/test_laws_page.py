"""The commands on the page of laws print what it shows, from the table that it makes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gnomon.cli.main import run

PAGE = (Path(__file__).resolve().parents[2] / "docs/laws.md").read_text(encoding="utf-8")
MAKE = re.search(r"^```python\n# make_runs\.py\n(.*?)^```", PAGE, re.M | re.S)
SHOWN = [
    (line, printed)
    for line, printed in re.findall(r"^```console\n\$ gnomon ([^\n]*)\n(.*?)^```", PAGE, re.M | re.S)
    if printed
]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
# Between machines the last digits of an interval differ; what is read from it does not.
CLOSE = 0.02


def test_the_commands_print_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert MAKE is not None
    exec(MAKE[1], {})
    assert [line.split()[0] for line, _ in SHOWN] == ["fit", "predict", "plan"]
    for line, printed in SHOWN:
        assert run(shlex.split(line)) == 0
        found = capsys.readouterr().out
        assert _words(found) == _words(printed)
        numbers, shown = ([float(n) for n in NUMBER.findall(text)] for text in (found, printed))
        assert numbers == pytest.approx(shown, rel=CLOSE, abs=0.06)


def _words(text: str) -> str:
    """``text`` without its numbers and the widths of its columns."""
    return re.sub(r"[\s─]+", " ", NUMBER.sub("", text)).strip()
