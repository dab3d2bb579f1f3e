"""`gnomon scores`, and the evaluation `reported`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gnomon.assurance import Deployment, evaluation
from gnomon.assurance.reported import compare, read_log
from gnomon.cli.main import run
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.statistics import mcnemar, needed_each, needed_pairs, paired_difference
from gnomon.subjects import CrossEntropy, Subject

Log = Callable[..., Path]
ONE = [1] * 20 + [0] * 20
TWO = [1] * 12 + [0] * 8 + [1] * 2 + [0] * 18


def _answers(values: list[int]) -> dict[str, list[str]]:
    return {f"q{i}": ["C" if value else "I"] for i, value in enumerate(values)}


def test_scores_are_printed_with_intervals(inspect_log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    path = inspect_log("log.eval", _answers([0] * 30), {"accuracy": 0.0, "stderr": 0.0})
    assert run(["scores", str(path), "--detect", "5%"]) == 0
    told = capsys.readouterr().out
    assert "0.000 to 0.116" in told
    assert "0.000 ± 0.000" in told
    assert f"{needed_each(0.0, 0.05):,}" in told


def test_two_logs_are_compared_by_question(inspect_log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    one = inspect_log("one.eval", _answers(ONE), {"accuracy": 0.5, "stderr": 0.08})
    two = inspect_log("two.json", _answers([*TWO, 1]), {"accuracy": 15 / 41, "stderr": 0.08})
    assert run(["scores", str(one), "--against", str(two), "--json", "--detect", "0.1"]) == 0
    document = json.loads(capsys.readouterr().out)
    (difference,) = document["differences"]
    gap, interval = paired_difference(TWO, ONE)
    assert difference["value"] == pytest.approx(gap)
    assert difference["uncertainty"]["low"] == pytest.approx(interval.low)
    assert difference["p_value"] == difference["p_holm"] == pytest.approx(mcnemar(8, 2))
    assert difference["diagnostics"]["unpaired"] == 1
    assert difference["needed"] == needed_pairs(0.1, 0.25)
    assert document["scores"][0]["uncertainty"]["high"] == document["scores"][0]["all_at_once"][1]


def test_epochs_are_averaged_before_they_are_compared(inspect_log: Log) -> None:
    first = {f"q{i}": ["C", "C", "I"] for i in range(20)}
    second = {f"q{i}": ["C", "I", "I"] if i % 4 else ["C", "C", "C"] for i in range(20)}
    one, two = (
        read_log(inspect_log(f"{name}.eval", answers, {"accuracy": value}))[0]
        for name, answers, value in (("one", first, 2 / 3), ("two", second, 0.5))
    )
    found = compare(one, two)
    assert found.difference.value == pytest.approx(1 / 6)
    assert found.changed is None
    # the p-value is one less the level at which the interval ends at 0
    assert found.p_value is not None
    assert 0.001 < found.p_value < 1
    for level, has in ((1 - found.p_value + 1e-3, True), (1 - found.p_value - 1e-3, False)):
        u = compare(one, two, level=level).difference.uncertainty
        assert (u.low <= 0 <= u.high) == has  # type: ignore[operator]


def test_what_cannot_be_compared_says_why(
    inspect_log: Log, harness_log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    one = inspect_log("one.eval", _answers(ONE), {"accuracy": 0.5})
    other = inspect_log("other.eval", {f"z{i}": ["C"] for i in range(4)}, {"accuracy": 1.0})
    assert "no question" in compare(read_log(one)[0], read_log(other)[0]).difference.reason
    bare = harness_log("bare", {"arc": {"acc,none": 0.25, "acc_stderr,none": math.sqrt(0.1875 / 39)}})
    (score,) = read_log(bare)
    assert "nothing can be paired" in compare(score, score).difference.reason
    assert run(["scores", str(one), "--against", str(bare)]) == 2
    assert "no score of the same task" in capsys.readouterr().err
    assert run(["scores", str(one), str(bare), "--against", str(one)]) == 0
    assert f"scores not in {one}: 1" in capsys.readouterr().err


def test_bad_logs_are_told_in_one_line_each_after_the_others(
    inspect_log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = inspect_log("good.eval", _answers(ONE), {"accuracy": 0.5})
    bad = inspect_log("bad.eval", _answers(ONE), {"accuracy": 0.5}, status="started")
    assert run(["scores", str(good), str(bad), str(tmp_path / "none.json")]) == 2
    captured = capsys.readouterr()
    assert "0.500" in captured.out
    assert len(captured.err.strip().splitlines()) == 2
    nothing = inspect_log("nothing.eval", {"a": [math.nan]}, {"accuracy": math.nan})
    assert run(["scores", str(nothing)]) == 3
    assert run(["scores", str(good), "--level", "1"]) == 2


def test_several_scores_have_a_wider_interval_for_all_at_once(
    harness_log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {f"t{i}": {"acc,none": 0.5, "acc_stderr,none": math.sqrt(0.25 / 39)} for i in range(10)}
    assert run(["scores", str(harness_log("run", results)), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["scores"][0]
    assert row["all_at_once"][0] < row["uncertainty"]["low"] - 0.05
    assert row["all_at_once"][1] > row["uncertainty"]["high"] + 0.05


def test_a_policy_can_rest_on_a_log(inspect_log: Log) -> None:
    path = inspect_log("log.eval", _answers(ONE), {"accuracy": 0.5})
    subject = Subject(torch.nn.Linear(2, 2), loss=CrossEntropy())
    kind = evaluation("reported")
    assert kind().inapplicable(Deployment(subject=subject)) == "no material 'log'"
    deployment = Deployment(subject=subject, materials={"mine": path})
    asked = kind.model_validate({"material": "mine", "task": "arithmetic", "metric": "accuracy"})
    assert asked.inapplicable(deployment) == ""
    (found,) = asked.run(deployment, Rng(0), level=0.9)
    assert (found.quantity, found.value, found.uncertainty.level) == ("score", 0.5, 0.9)
    with pytest.raises(GnomonError, match="no such score; choose among: arithmetic match accuracy"):
        kind.model_validate({"material": "mine", "task": "chess"}).run(deployment, Rng(0))
