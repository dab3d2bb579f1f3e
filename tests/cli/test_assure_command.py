"""`gnomon assure` and `gnomon evaluate` on a tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from gnomon.assurance import Deployment, Evaluation
from gnomon.assurance.policy import policy_of, shipped
from gnomon.assurance.registry import registry
from gnomon.cli.main import run
from gnomon.control.controller import Controller, Step
from gnomon.control.edits import Add
from gnomon.errors import GnomonError
from gnomon.lab.spec import read_toml
from gnomon.lab.store import Store
from gnomon.measurement import ACCURACY, Measurement, Quantity, clopper_pearson
from gnomon.randomness import Rng


class Lines(Evaluation):
    """The share of lines ``bad`` in the material ``toy_lines``."""

    name: ClassVar[str] = "toy_lines"
    quantities: ClassVar[tuple[Quantity, ...]] = (ACCURACY,)
    materials: ClassVar[tuple[str, ...]] = ("toy_lines",)

    word: str = "bad"
    interrupted: bool = False
    weights: dict[str, float | None] | None = None

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        if self.interrupted:
            raise KeyboardInterrupt
        lines = deployment.material("toy_lines").read_text(encoding="utf-8").split()
        hits = sum(line == self.word for line in lines)
        return [Measurement.ok(ACCURACY, hits / len(lines), clopper_pearson(hits, len(lines), level=level))]


@pytest.fixture(autouse=True)
def only_the_toy() -> Iterator[None]:
    registry.load()  # or what is imported meanwhile would be registered among the toys only
    kept = registry._registered, registry._loaded
    registry._registered, registry._loaded = {Lines.name: Lines}, True
    yield
    registry._registered, registry._loaded = kept


POLICY = """
[policy]
name = "toy"
title = "Toy policy"
source = "tests"
version = "7"
tests = {tests}

[[level]]
number = 1
title = "open"

[[level]]
number = 2

[[threshold]]
id = "bad_lines"
kind = "harm"
evaluation = "toy_lines"
limit = 0.2
buffer = 0.05
level = 2
{more}

[cadence]
effective_compute = 4.0
days = 90
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path, *, tests: str = '"unlimited"', more: str = "") -> Path:
    path = folder / "toy.toml"
    path.write_text(POLICY.format(tests=tests, more=more), encoding="utf-8")
    return path


def lines(folder: Path, bad: int, good: int) -> str:
    path = folder / "lines.txt"
    path.write_text("\n".join(["bad"] * bad + ["good"] * good), encoding="utf-8")
    return f"toy_lines={path}"


def assured(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, dict[str, Any]]:
    code = run(["assure", *line, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("bad", "verdict", "code"), [(0, "within", 0), (15, "insufficient", 3), (90, "crossed", 1)])
def test_verdict_exit_code_table_and_store(
    tiny_model: Path,
    policy: Path,
    tmp_path: Path,
    own_store: Path,
    capsys: pytest.CaptureFixture[str],
    bad: int,
    verdict: str,
    code: int,
) -> None:
    line = [str(tiny_model), "--policy", str(policy), "--material", lines(tmp_path, bad, 100 - bad)]
    found, document = assured(capsys, *line, "--compute", "1e20")
    assert (found, document["verdict"]) == (code, verdict)
    assert document["level"] == (1 if verdict == "within" else 2)
    (row,) = document["rows"]
    assert row["threshold"] == "bad_lines"
    assert row["measured"]["low"] <= row["measured"]["value"] <= row["measured"]["high"]
    assert row["measured"]["confidence"] == pytest.approx(0.975)  # the first of an unlimited sequence: α/2
    assert document["next_test_due"]["effective_compute"] == 4e20
    assert run(["assure", *line]) == code
    printed = capsys.readouterr().out
    assert "Toy policy, version 7 · tiny" in printed
    assert document["sentence"] in printed
    assert "next test: by" in printed
    with Store.open(own_store, create=False) as store:
        first, _ = store.runs(kind="assure")
        assert first.finished
        (kept,) = store.measurements(run=first.id)
        assert kept.value == bad / 100


def test_a_missing_material_is_insufficient_and_names_it(
    tiny_model: Path, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = assured(capsys, str(tiny_model), "--policy", str(policy))
    assert (code, document["verdict"]) == (3, "insufficient")
    assert "no material 'toy_lines'" in document["rows"][0]["reason"]
    assert document["rows"][0]["measured"]["value"] is None
    assert document["next_test_due"]["effective_compute"] is None


def test_an_earlier_case_counts_and_one_under_another_policy_is_refused(
    tiny_model: Path,
    policy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the page is drawn in the tests of reports, in seconds
    monkeypatch.setattr("gnomon.report.assurance.write_page", lambda case, out: out / "case.html")
    line = [str(tiny_model), "--policy", str(policy), "--material", lines(tmp_path, 0, 100)]
    case = tmp_path / "case"
    _, first = assured(capsys, *line, "--out", str(case))
    assert json.loads((case / "case.json").read_text(encoding="utf-8"))["decision"]["verdict"] == "within"
    for path in (case, case / "case.json"):
        _, second = assured(capsys, *line, "--earlier", str(path))
        assert second["test"]["number"] == 2
        assert second["rows"][0]["measured"]["high"] > first["rows"][0]["measured"]["high"]
        assert second["next_test_due"]["overdue"] == []
    for name, change, words in (
        ("tests", ('tests = "unlimited"', "tests = 2"), "under tests = 'unlimited', and this policy has 2"),
        ("policy", ('name = "toy"', 'name = "other"'), "under name = 'toy', and this policy has 'other'"),
    ):
        other = tmp_path / f"{name}.toml"
        other.write_text(policy.read_text(encoding="utf-8").replace(*change), encoding="utf-8")
        assert run(["assure", *line, "--policy", str(other), "--earlier", str(case)]) == 2
        assert words in capsys.readouterr().err


def test_an_interruption_keeps_what_was_measured_and_passes_nothing(
    tiny_model: Path, tmp_path: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = """
[[threshold]]
id = "stopped"
kind = "harm"
evaluation = "toy_lines"
options = { interrupted = true }
limit = 0.2
level = 2
"""
    policy = written(tmp_path, more=more)
    code, document = assured(capsys, str(tiny_model), "--policy", str(policy), "--material", lines(tmp_path, 0, 100))
    assert (code, [row["verdict"] for row in document["rows"]]) == (3, ["within", "insufficient"])
    with Store.open(own_store, create=False) as store:
        assert len(store.measurements()) == 1


@pytest.mark.parametrize("where", ["add", "finish_run"])
def test_a_store_that_fills_up_takes_no_decision_with_it(
    tiny_model: Path,
    policy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise GnomonError("the disk is full", mend="make room")

    monkeypatch.setattr(Store, where, full)
    line = ["assure", str(tiny_model), "--policy", str(policy), "--material", lines(tmp_path, 0, 100), "--json"]
    assert run(line) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] == "within"
    assert "not everything was stored: the disk is full; make room" in printed.err


def test_the_safeguards_given_are_those_that_are_tested(
    tiny_model: Path, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Controller("push", (Step("blocks.0", Add(torch.ones(16))),)).save(tmp_path / "push")
    line = [str(tiny_model), "--policy", str(policy), "--material", lines(tmp_path, 0, 100)]
    _, bare = assured(capsys, *line)
    _, pushed = assured(capsys, *line, "--with", str(tmp_path / "push"))
    assert bare["test"]["safeguards"] != pushed["test"]["safeguards"]
    assert bare["test"]["weights"] == pushed["test"]["weights"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--policy", "none"], "unknown policy 'none'"),
        (["--policy", "none.toml"], "no file 'none.toml'"),
        (["--policy", "POLICY", "--only", "bad_line"], "unknown threshold 'bad_line'; did you mean 'bad_lines'"),
        (["--policy", "POLICY", "--material", "toy_lines"], "cannot read --material 'toy_lines'"),
        (["--policy", "POLICY", "--material", "toy_lines=none.txt"], "no file 'none.txt'"),
        (["--policy", "POLICY", "--earlier", "none"], "no case at none"),
        (["--policy", "POLICY", "--out", "POLICY"], "is a file; give a folder"),
        (["--policy", "POLICY", "--earlier", "POLICY"], "is not JSON"),
        (["--policy", "POLICY", "--compute", "-1"], "--compute is -1"),
        (["--policy", "POLICY", "--compute", "inf"], "--compute is inf"),
        (["--policy", "POLICY", "--material", "a=POLICY", "--material", "a=POLICY"], "names one material twice"),
        (["--policy", "POLICY", "--with", "FOLDER"], "holds no artefact"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(
    tiny_model: Path, policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: list[str], words: str
) -> None:
    places = {"POLICY": str(policy), "FOLDER": str(tmp_path)}
    assert (
        run(["assure", str(tiny_model), *(places.get(part, part.replace("POLICY", str(policy))) for part in line)]) == 2
    )
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


def test_evaluate_lists_measures_and_repeats_the_leaf_of_a_case(
    tiny_model: Path, policy: Path, tmp_path: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate"]) == 0
    assert "toy_lines" in capsys.readouterr().out
    assert run(["evaluate", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["evaluations"].values()
    assert listed["materials"] == ["toy_lines"]
    assert set(listed["options"]) == {"word", "interrupted", "weights"}
    given = ["--material", lines(tmp_path, 5, 95)]
    assert run(["evaluate", str(tiny_model), "toy_lines", *given, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["evaluations"]
    assert one["measurements"][0]["value"] == 0.05
    assert run(["evaluate", str(tiny_model), "toy_lines", *given, "--set", "toy_lines.word=good"]) == 0
    assert "0.95" in capsys.readouterr().out
    with Store.open(own_store, create=False) as store:
        assert len(store.runs(kind="evaluate")) == 2
    assert run(["evaluate", str(tiny_model), "toy_lines", "--json"]) == 3
    assert "no material" in json.loads(capsys.readouterr().out)["evaluations"][0]["reason"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["toy_line"], "unknown evaluation 'toy_line'; did you mean 'toy_lines'"),
        (["toy_lines", "--set", "word=x"], "cannot read the setting 'word=x'"),
        (["toy_lines", "--set", "toy.word=x"], "'toy' is not among the evaluations asked for"),
        (["toy_lines", "--set", "toy_lines.wrd=x"], "wrd"),
        (["toy_lines", "--level", "1.5"], "a level of 1.5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_of_evaluate_is_one_line(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], line: list[str], words: str
) -> None:
    assert run(["evaluate", str(tiny_model), *line]) == 2
    assert words in capsys.readouterr().err


def test_a_question_is_put_again_by_the_command_of_its_leaf(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gnomon.assurance.asking import Question, ask
    from gnomon.cli.deployment_options import Deployed

    given = Deployed(subject=str(tiny_model), materials=[lines(tmp_path, 5, 95)], compute=1e9)
    question = Question.of("toy_lines", {"word": "go od", "weights": {"a": None, "b": 1e-3}})
    command = given.command(question, level=0.9, seed=3)
    assert command[:2] == ("gnomon", "evaluate")
    assert run([*command[1:], "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["evaluations"]
    (here,) = ask(question, given.open(), Rng(3), level=0.9).measurements
    there = Measurement.from_json(told["measurements"][0])
    assert (there.value, there.uncertainty) == (here.value, here.uncertainty)
    assert there.provenance is not None
    assert here.provenance is not None
    assert there.provenance.spec_hash == here.provenance.spec_hash


def test_shipped_policies_are_listed_and_printed_as_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "responsible_scaling_2023"
    assert run(["policies", name]) == 0
    copy = tmp_path / "mine.toml"
    copy.write_text(capsys.readouterr().out, encoding="utf-8")
    assert policy_of(read_toml(copy)) == policy_of(read_toml(shipped()[name]))
    assert run(["policies", "exampel"]) == 2
    assert "did you mean 'example'?" in capsys.readouterr().err
