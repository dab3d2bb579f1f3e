"""The commands on a tiny model: exit codes, one JSON document, what is stored and written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import gnomon
from gnomon.cli.main import run
from gnomon.estimators import measurable
from gnomon.measurement import catalogue
from gnomon.theory import theories


def as_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = run([*arguments, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out)


def test_help_answers_without_heavy_imports() -> None:
    script = (
        "import sys; from gnomon.cli.main import run; run(['--help']); "
        "print([m for m in ('torch', 'numpy', 'scipy', 'sqlalchemy', 'altair') if m in sys.modules])"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Exit codes" in done.stdout
    assert time.perf_counter() - started < 10  # the claim of 0.5 s is for an idle machine; see the imports above


def test_quantities_are_listed_with_their_estimators(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(["quantities"], capsys)
    assert code == 0
    by_name = {q["name"]: q for q in found["quantities"]}
    assert len(by_name) >= 14
    # what only theories predict is in the catalogue, and not offered for measurement
    predicted = {kind.predicts.name for kind in theories().values()}
    assert predicted <= set(catalogue)
    assert by_name.keys() == measurable().keys()
    for q in by_name.values():
        assert q["estimators"]
        assert q["source"]
        assert q["definition"]


def test_measure_prints_the_documented_shape_and_stores_it(
    tiny_model: Path, texts: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "measure",
        str(tiny_model),
        "-q",
        "nll,participation_ratio",
        "--data",
        str(texts),
        "--site",
        "blocks.0",
    ]
    code, found = as_json(arguments, capsys)
    assert code == 0
    shape = {"quantity", "symbol", "unit", "site", "value", "uncertainty", "status", "reason", "estimator"}
    shape |= {"diagnostics", "cost", "provenance"}
    for m in found["measurements"]:
        assert shape <= set(m)
        assert {"kind", "low", "high", "level", "covers", "systematic"} <= set(m["uncertainty"])
        assert m["uncertainty"]["low"] <= m["value"] <= m["uncertainty"]["high"]
    assert {(m["quantity"], m["site"]) for m in found["measurements"]} == {
        ("nll", None),
        ("participation_ratio", "blocks.0"),
    }
    with gnomon.Store.open(own_store) as store:
        assert {m.quantity for m in store.measurements()} == {"nll", "participation_ratio"}


def test_measure_is_a_function_of_its_seed(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["measure", str(tiny_model), "-q", "nll", "--data", str(texts), "--examples", "50"]
    values = [as_json([*arguments, "--seed", s], capsys)[1]["measurements"][0]["value"] for s in ("0", "0", "1")]
    assert values[0] == values[1] != values[2]


def test_measure_prints_a_table_for_people(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", str(tiny_model), "-q", "accuracy", "--data", str(texts)]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_insufficient_evidence_is_exit_3(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one.txt"
    one.write_text("the cat sat on the mat")
    code, found = as_json(["measure", str(tiny_model), "-q", "accuracy", "--data", str(one)], capsys)
    assert code == 3
    (m,) = found["measurements"]
    assert m["status"] == "insufficient"
    assert m["reason"]


def test_calibrate_one_instrument(own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(["calibrate", "-q", "frobenius_norm", "--quick", "--workers", "1"], capsys)
    assert (code, found["passed"]) == (0, True)
    columns = {"quantity", "estimator", "known_answer", "truth", "mean", "bias", "spread", "coverage", "nominal"}
    assert columns | {"n", "passed"} <= set(found["instruments"][0])
    with gnomon.Store.open(own_store) as store:
        assert len(store.certificates()) == len(found["instruments"])


def test_calibrate_exits_1_when_an_instrument_reads_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from broken_estimators import Biased
    from gnomon.estimators.registry import registry

    monkeypatch.setitem(registry._registered, "sound", Biased)
    code, found = as_json(["calibrate", "-q", "sound", "--quick", "--workers", "1"], capsys)
    assert (code, found["passed"]) == (1, False)


def test_examine_writes_a_report(
    tiny_model: Path, texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    code, found = as_json(
        ["examine", str(tiny_model), "--data", str(texts), "--out", str(out), "--budget", "5s"], capsys
    )
    assert code == 0
    page = Path(found["report"])
    assert page.parent == out
    text = page.read_text()
    assert "participation" in text
    assert len({m["quantity"] for m in found["measurements"] if m["status"] == "ok"}) >= 14


def test_doctor_reports_health(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = as_json(["doctor"], capsys)
    assert (code, found["healthy"], found["problems"]) == (0, True, [])
    assert found["packages"]["gnomon"]
    assert found["instruments"] >= 14


def test_doctor_finds_a_damaged_store(own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gnomon.Store.open(own_store):
        pass
    database = next(own_store.glob("*.sqlite*"))
    for extra in own_store.glob(f"{database.name}-*"):
        extra.unlink()
    database.write_bytes(b"not a database" * 100)
    code, found = as_json(["doctor"], capsys)
    assert code == 1
    assert found["problems"]


def test_an_estimator_is_given_its_options(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["measure", str(tiny_model), "--data", str(texts), "--examples", "20"]
    settings = ["--set", "hessian_spectrum.learning_rate=0.1", "--set", "hessian_spectrum.steps=24"]
    _, found = as_json([*arguments, *settings], capsys)
    read = {m["quantity"]: m for m in found["measurements"]}
    assert read["sharpness_ratio"]["value"] == pytest.approx(0.05 * read["hessian_top_eigenvalue"]["value"])
    assert read["sharpness_ratio"]["diagnostics"]["steps"] == 24


def test_what_a_budget_leaves_out_is_said_with_its_price(
    tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["measure", str(tiny_model), "-q", "criticality", "--data", str(texts), "--budget", "0.1ms"]
    code, found = as_json(arguments, capsys)
    assert code == 3
    assert [x["estimator"] for x in found["left_out"]] == ["criticality"]
    assert found["left_out"][0]["cost"]["seconds"] > 1e-4
    assert run(arguments) == 3
    assert "left out: criticality: predicted to take" in capsys.readouterr().out


def test_memory_decides_what_can_be_held(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["measure", str(tiny_model), "-q", "hessian_trace", "--data", str(texts), "--examples", "20"]
    code, found = as_json([*arguments, "--memory", "1MiB"], capsys)
    (refused,) = found["measurements"]
    assert (code, refused["status"]) == (3, "insufficient")
    code, found = as_json([*arguments, "--memory", f"{int(refused['suffices']['bytes']) // 1000 + 1}kB"], capsys)
    assert (code, found["measurements"][0]["status"]) == (0, "ok")
