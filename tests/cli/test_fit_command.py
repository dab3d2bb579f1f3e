"""`gnomon fit`, `predict` and `plan`: from a table to a forecast, exit codes, and bad input in one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.cli.main import run
from gnomon.lab.store import PointRecord, Store
from gnomon.randomness import Rng

_TRUTH = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}
_FEW = ["--draws", "60", "--noise", "normal"]
_GRID = np.geomspace(1e7, 1e10, 6)


def _csv(path: Path, columns: dict[str, Any]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sizes and FLOP, as such tables have them, and an outlier that a condition leaves out."""
    sizes, tokens = (axis.ravel() for axis in np.meshgrid(_GRID, 10 * _GRID))
    t = _TRUTH
    loss = t["E"] + t["A"] * sizes ** -t["alpha"] + t["B"] * tokens ** -t["beta"]
    loss = loss + 0.002 * Rng(0).numpy().normal(size=len(loss))
    loss[0] = 99.0
    columns = {"Model Size": sizes, "Training FLOP": 6 * sizes * tokens, "loss": loss}
    return _csv(tmp_path_factory.mktemp("table") / "runs.csv", columns)


@pytest.fixture(scope="module")
def fitted(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document of fits of three forms."""
    out = tmp_path_factory.mktemp("fits") / "fit.json"
    assert run([*_line(runs), "--out", str(out)]) == 0
    return out


def _line(runs: Path) -> list[str]:
    columns = ["--derive", "D=[Training FLOP]/(6*[Model Size])", "--x", "Model Size,D", "--y", "loss"]
    return ["fit", str(runs), *columns, "--where", "loss < 50", *_FEW]


def _refused(line: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    capsys.readouterr()
    assert run(line) == code
    said = capsys.readouterr()
    assert said.out == ""
    (only,) = said.err.splitlines()
    assert only.startswith("gnomon: ")
    return only


def test_fit_as_json_is_a_document_that_predict_takes(
    runs: Path, fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run([*_line(runs), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    document = json.loads(printed.out)
    assert document == json.loads(fitted.read_text())
    assert [one["form"] for one in document["fits"]] == ["chinchilla", "constant", "log_linear_2"]
    assert document["best"] == "chinchilla"
    assert sum(document["weights"].values()) == pytest.approx(1.0)
    (law,) = (one for one in document["fits"] if one["form"] == "chinchilla")
    assert law["identifiable"] is True
    assert all(law["parameters"][name]["value"] == pytest.approx(t, rel=0.1) for name, t in _TRUTH.items())
    assert all(isinstance(law[key], float) for key in ("objective", "heldout", "aic", "bic"))
    assert len(printed.out) < 1_000_000
    (tmp_path / "fit.json").write_text(printed.out)
    assert run(["plan", str(tmp_path / "fit.json"), "--budget", "1e21"]) == 0


def test_the_tables_of_a_fit(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*_line(runs), "--form", "chinchilla,log_linear_2"]) == 0
    said = capsys.readouterr().out
    assert "loss against Model Size, D" in said
    assert "35 rows, normal noise" in said
    assert "exponent of N" in said


def test_predictions(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near, far = "Model Size=2e10,D=2e11", "D=1e14, Model Size=1e13"
    assert run(["predict", str(fitted), "--at", near, "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    size, tokens = one["at"]["Model Size"], one["at"]["D"]
    truth = _TRUTH["E"] + _TRUTH["A"] * size ** -_TRUTH["alpha"] + _TRUTH["B"] * tokens ** -_TRUTH["beta"]
    assert one["low"] < truth < one["high"]
    assert one["value"] == pytest.approx(truth, rel=0.01)
    assert (one["level"], one["target"], one["inside"], one["outside"]) == (0.95, "loss", True, [])
    assert one["forms"]["chinchilla"]["value"] == pytest.approx(truth, rel=0.01)
    assert "Model Size from 1e+07 to 1e+10" in one["domain"]

    assert run(["predict", str(fitted), "--at", near, "--at", far, "--level", "0.5", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert both[0]["high"] - both[0]["low"] < 0.6 * (one["high"] - one["low"])
    assert both[1]["inside"] is False
    assert len(both[1]["outside"]) == 2

    assert run(["predict", str(fitted), "--at", near, "--at", far]) == 0
    said = capsys.readouterr().out
    assert "inside" in said
    assert "beyond the table" in said


def test_a_plan(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(fitted), "--budget", "1e21", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # by brute force, over sizes that spend the budget
    sizes = np.geomspace(1e7, 1e12, 200_001)
    t = _TRUTH
    losses = t["E"] + t["A"] * sizes ** -t["alpha"] + t["B"] * (1e21 / (6 * sizes)) ** -t["beta"]
    best = sizes[losses.argmin()]
    assert found["size"]["low"] < best < found["size"]["high"]
    assert found["tokens"]["low"] < 1e21 / (6 * best) < found["tokens"]["high"]
    assert found["loss"]["low"] < losses.min() < found["loss"]["high"]
    assert found["size"]["value"] * found["tokens"]["value"] == pytest.approx(1e21 / 6)
    assert run(["plan", str(fitted), "--budget", "1e21", "--flop-per", "12"]) == 0
    assert "tokens per parameter" in capsys.readouterr().out


def test_a_stored_run(own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(own_store) as store:
        name = store.start_run("sweep")
        points = [
            PointRecord(
                key=f"{size}-{seed}",
                experiment="toy",
                spec={"recipe": {"size": size}, "seed": seed},
                status="done",
                outcome={"loss": 2.0 + 5.0 / size + 0.01 * Rng(seed).child(size).numpy().normal()},
            )
            for size in (1, 2, 4, 8, 16, 32)
            for seed in range(4)
        ]
        store.add_points(points, run=name)
    line = ["fit", "--run", name, "--x", "recipe.size", "--y", "loss", "--group", "seed", "--form", "inverse,constant"]
    assert run([*line, *_FEW, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["best"] == "inverse"
    assert document["fits"][0]["parameters"]["b"]["value"] == pytest.approx(5.0, rel=0.01)
    assert set(document["table"]["groups"]) == {0, 1, 2, 3}
    assert "toy" not in _refused(["fit", "--run", "nothing", "--x", "a", "--y", "b"], capsys)


def test_what_is_not_determined_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.geomspace(1.0, 1.4, 12)
    noise = 0.2 * Rng(0).numpy().normal(size=12)
    table = _csv(tmp_path / "flat.csv", {"x": x, "y": 1.0 + x**-0.5 + noise})
    out = tmp_path / "fit.json"
    line = ["fit", str(table), "--x", "x", "--y", "y", "--form", "power_law", *_FEW, "--out", str(out)]
    assert run(line) == 3
    assert "power_law: " in capsys.readouterr().err
    assert json.loads(out.read_text())["fits"][0]["identifiable"] is False


def test_a_plan_from_what_is_not_determined(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(fitted.read_text())
    document["fits"][0]["unidentified"] = ["alpha: N reduces the loss too little"]
    (tmp_path / "fit.json").write_text(json.dumps(document))
    refused = _refused(["plan", str(tmp_path / "fit.json"), "--budget", "1e21"], capsys, code=3)
    assert "does not determine the law: alpha: N reduces the loss too little" in refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--y": "los"}, "did you mean 'loss'"),
        ({"--y": None}, "--y is missing; name columns of"),
        ({"--x": None}, "--x is missing; name columns of"),
        ({"--x": "Model Size,Model Size"}, "is named twice"),
        ({"--form": "chinchila"}, "did you mean 'chinchilla'"),
        ({"--form": "power_law"}, "form 'power_law' has 1 inputs (x), 2 given"),
        ({"--noise": "gauss"}, "unknown noise 'gauss'"),
        ({"--level": "1.5"}, "a level of 1.5"),
        ({"--draws": "1"}, "--draws"),
        ({"--where": "loss < "}, "cannot read the expression"),
        ({"--where": "loss < 0"}, "no row has loss < 0"),
        ({"--where": "[Model Size] == 1e7 and loss > 50"}, "has a single row"),
        ({"--derive": "D"}, "write NAME=EXPRESSION"),
        ({"--group": "seed"}, "unknown column"),
        ({"--run": "r"}, "give DATA or --run RUN, and not both"),
        ({"--out": "/nowhere/at/all/fit.json"}, "No such file or directory"),
    ],
    ids=str,
)
def test_bad_input_of_fit(
    runs: Path, change: dict[str, str | None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {
        "--derive": "D=[Training FLOP]/(6*[Model Size])",
        "--x": "Model Size,D",
        "--y": "loss",
        "--where": "loss < 50",
        "--form": "log_linear_2",
        "--draws": "20",
        "--noise": "normal",
    }
    given = {name: value for name, value in {**options, **change}.items() if value is not None}
    assert said in _refused(["fit", str(runs), *(word for pair in given.items() for word in pair)], capsys)


def test_bad_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--x", "N", "--y", "loss"]
    assert "no file" in _refused(["fit", str(tmp_path / "none.csv"), *line], capsys)
    assert "give DATA or --run" in _refused(["fit", *line], capsys)
    table = _csv(tmp_path / "few.csv", {"N": [1.0, 2.0, 4.0], "loss": [3.0, 2.0, 1.0]})
    assert "3 rows do not determine" in _refused(["fit", str(table), *line, "--form", "power_law"], capsys)
    table = _csv(tmp_path / "text.csv", {"N": [1.0, 2.0], "loss": ["3.0", "low"]})
    assert "row 2 (line 3): column 'loss' holds 'low'" in _refused(["fit", str(table), *line], capsys)
    table = _csv(tmp_path / "negative.csv", {"N": [-1.0, 2.0, 4.0, 5.0, 6.0], "loss": [3.0, 2.0, 1.0, 1.0, 1.0]})
    assert "needs x > 0" in _refused(["fit", str(table), *line, "--form", "power_law"], capsys)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("Model Size=1e9", "input 'D' is missing"),
        ("Model Size=1e9,D=many", "cannot read the place"),
        ("Model Size=1e9,D=1e10,Z=1", "no input 'Z'"),
        ("Model Size", "cannot read the place"),
        ("Model Size=1,Model Size=2", "cannot read the place"),
        ("Model Size=-1,D=1e10", "needs N > 0"),
        ("Model Size=inf,D=1e10", "is inf"),
        ("", "input 'Model Size' is missing"),
    ],
)
def test_bad_input_of_predict(fitted: Path, at: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in _refused(["predict", str(fitted), "--at", at], capsys)


def test_bad_input_of_predict_and_plan(
    fitted: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--at" in _refused(["predict", str(fitted)], capsys)
    assert "a level of 0" in _refused(["predict", str(fitted), "--at", "Model Size=1,D=1", "--level", "0"], capsys)
    assert "is not JSON" in _refused(["predict", str(runs), "--at", "N=1"], capsys)
    assert "no file" in _refused(["plan", str(tmp_path / "none.json"), "--budget", "1e21"], capsys)
    for budget in ("-1", "0", "nan", "inf"):
        assert "give positive numbers" in _refused(["plan", str(fitted), "--budget", budget], capsys)
    out = tmp_path / "other.json"
    assert run([*_line(runs), "--form", "log_linear_2", "--out", str(out)]) == 0
    assert "no allocation follows from form 'log_linear_2'" in _refused(["plan", str(out), "--budget", "1e21"], capsys)


_INTERRUPTED = """
import sys
from pathlib import Path
from gnomon.cli.main import run
from gnomon.laws import comparison

def compare(*given, **options):
    Path(sys.argv[1]).touch()
    return compared(*given, **options)

compared, comparison.compare = comparison.compare, compare
sys.exit(run(sys.argv[2:]))
"""


def test_ctrl_c_leaves_nothing_half_written(runs: Path, tmp_path: Path) -> None:
    folder, begun = tmp_path / "made", tmp_path / "begun"
    folder.mkdir()
    out = folder / "fit.json"
    out.write_text("what was there before")
    line = [*_line(runs), "--draws", "100000", "--out", str(out), "--page", str(folder / "page")]
    command = [sys.executable, "-c", _INTERRUPTED, str(begun), *line]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    printed, said = started.communicate(timeout=60)
    assert (started.returncode, printed) == (2, "")
    assert said == "gnomon: interrupted; what was finished is in the store\n"
    assert out.read_text() == "what was there before"
    assert [p.name for p in folder.iterdir()] == ["fit.json"]


def test_without_names_rows_decide_which_forms_are_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fitted_forms = []
    for rows in (20, 30):
        x = np.geomspace(1, 1e3, rows)
        table = _csv(tmp_path / f"{rows}.csv", {"x": x, "y": 1 + x**-0.5 + 0.01 * Rng(0).numpy().normal(size=rows)})
        capsys.readouterr()
        assert run(["fit", str(table), "--x", "x", "--y", "y", "--draws", "20", "--noise", "normal", "--json"]) == 0
        fitted_forms.append({one["form"] for one in json.loads(capsys.readouterr().out)["fits"]})
    assert {"power_law", "logistic"} <= fitted_forms[0]
    assert fitted_forms[1] - fitted_forms[0] == {"broken_power_law"}


def test_a_form_that_wants_more_rows_is_named_with_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, z = (axis.ravel() for axis in np.meshgrid(np.geomspace(1, 1e3, 6), np.geomspace(1, 1e3, 4)))
    table = _csv(tmp_path / "24.csv", {"x": x, "z": z, "y": 1 + x**-0.5 + z**-0.5})
    line = ["fit", str(table), "--x", "x,z", "--y", "y", *_FEW]
    run(line)
    said = capsys.readouterr()
    assert "chinchilla" not in said.out
    assert "left out: chinchilla has 5 parameters, which want 25 rows; the table has 24." in said.err
    run([*line, "--form", "log_linear_2"])
    assert "left out" not in capsys.readouterr().err
