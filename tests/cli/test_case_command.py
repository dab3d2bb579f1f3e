"""gnomon case: what it prints, its exit codes, and its single lines of error."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.assurance.case import save
from gnomon.cli.main import run
from toy_rates import registered

sys.path.insert(0, str(Path(__file__).parents[1] / "assurance" / "case"))
from made_cases import made


@pytest.fixture(autouse=True)
def only_the_toy() -> Iterator[None]:
    with registered():
        yield


def folder(tmp_path: Path, harm: int | str, name: str = "case") -> str:
    save(made(harm), tmp_path / name)
    return str(tmp_path / name)


@pytest.mark.parametrize(("harm", "code", "sign"), [(0, 0, "✓"), (60, 1, "✗"), (12, 3, "◇")], ids=["0", "1", "3"])
def test_show_prints_the_tree_and_exits_as_assure_does(
    harm: int, code: int, sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["case", "show", folder(tmp_path, harm)]) == code
    said = capsys.readouterr().out
    assert f"\n{sign} " in said
    assert "gnomon evaluate toy toy_rates" in said


def test_check_says_that_the_verdict_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["case", "check", folder(tmp_path, 0), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["states"] == {"supported": 4, "refuted": 0, "undeveloped": 0}


def test_compare_exits_with_1_only_when_a_claim_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = folder(tmp_path, 0, "good"), folder(tmp_path, 60, "bad")
    assert run(["case", "compare", good, bad, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == ["use", "row:harm"]
    assert run(["case", "compare", good, bad]) == 1
    assert "BREAKS" in capsys.readouterr().out
    assert run(["case", "compare", bad, good]) == 0


@pytest.mark.parametrize("to", ["model-card", "junit"])
def test_export_writes_what_was_asked(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "file"
    assert run(["case", "export", folder(tmp_path, 0), "--to", to, "--out", str(out)]) == 0
    assert out.stat().st_size > 500
    assert run(["case", "export", folder(tmp_path, 0), "--to", to, "--out", "/proc/none/file"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_is_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "\n".join(f"{10 ** (10 + i / 2)},{share},2000" for i, share in enumerate((0.01, 0.03, 0.08, 0.18)))
    table = tmp_path / "ladder.csv"
    table.write_text(f"compute,value,trials\n{rows}\n")
    assert run(["case", "forecast", "--table", str(table), "--line", "0.5", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["forecasts"]
    assert 10**11.5 < found["crossing"]["value"] < 10**13
    assert run(["case", "forecast", folder(tmp_path, 0)]) == 3  # no compute is stated


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["case", "show", "nowhere"], "no case at nowhere"),
        (["case", "forecast"], "give cases, or a table"),
        (["case", "forecast", "--table", "x.csv"], "a table has no line of its own"),
        (["case", "forecast", "--table", "x.csv", "--line", "0.5"], "cannot read x.csv"),
    ],
    ids=["no case", "nothing", "no line", "no table"],
)
def test_bad_input_is_one_line(line: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
