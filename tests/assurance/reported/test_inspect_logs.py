"""Logs of inspect_ai: what is read of them, against what was written."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy.stats import beta

from gnomon.assurance.reported import measured, read_log
from gnomon.errors import GnomonError
from gnomon.statistics import mean, proportion

Log = Callable[..., Path]
ALL_WRONG = {f"q{i}": ["I"] for i in range(30)}
NONE = {"accuracy": 0.0, "stderr": 0.0}


@pytest.mark.parametrize("name", ["log.eval", "log.json"])
def test_none_of_thirty_has_an_interval_though_the_log_says_zero(inspect_log: Log, name: str) -> None:
    (score,) = read_log(inspect_log(name, ALL_WRONG, NONE))
    assert (score.task, score.scorer, score.metric, score.model) == ("arithmetic", "match", "accuracy", "gnomon/tiny")
    assert (score.stated, score.error) == (0.0, 0.0)
    found = measured(score)
    assert (found.value, found.uncertainty.low) == (0.0, 0.0)
    assert found.uncertainty.high == pytest.approx(1 - 0.025 ** (1 / 30))
    assert found.labels == {"task": "arithmetic", "metric": "accuracy", "scorer": "match"}


def test_epochs_are_clusters_of_their_sample(inspect_log: Log) -> None:
    answers = {f"q{i}": ["C"] * 4 if i % 3 else ["I"] * 4 for i in range(30)}
    found = measured(read_log(inspect_log("log.eval", answers, {"accuracy": 2 / 3, "stderr": 0.088}))[0])
    assert (found.diagnostics["observations"], found.diagnostics["clusters"]) == (120, 30)
    assert found.uncertainty.low == pytest.approx(beta.ppf(0.025, 20, 11), abs=0.02)  # worth thirty, not 120


def test_it_clusters_by_what_the_log_clusters_by(inspect_log: Log) -> None:
    answers = {f"q{i}": ["C" if i % 2 else "I"] for i in range(40)}
    metadata = {f"q{i}": {"passage": i // 8} for i in range(40)}
    path = inspect_log("log.eval", answers, {"accuracy": 0.5, "stderr": 0.0}, cluster="passage", metadata=metadata)
    (score,) = read_log(path)
    assert measured(score).diagnostics["clusters"] == 5


def test_partial_credit_has_bounds_and_plain_numbers_have_none(inspect_log: Log) -> None:
    letters = {"a": ["C"], "b": ["P"], "c": ["N"], "d": ["I"], "e": ["P"]}
    (score,) = read_log(inspect_log("letters.eval", letters, {"accuracy": 0.4, "stderr": 0.2}))
    low, high = (getattr(mean([1, 0.5, 0, 0, 0.5], within=(0, 1))[1], end) for end in ("low", "high"))
    assert measured(score).uncertainty.low == pytest.approx(low)
    assert measured(score).uncertainty.high == pytest.approx(high)
    numbers = {"a": [7.5], "b": [3], "c": ["8"], "d": [True]}
    (score,) = read_log(inspect_log("numbers.eval", numbers, {"mean": 4.875, "std": 3.4}))
    assert measured(score).value == 4.875
    assert measured(score).uncertainty.low < 0  # type: ignore[operator]
    (score,) = read_log(inspect_log("alike.eval", {"a": [7.5], "b": [7.5]}, {"mean": 7.5, "stderr": 0.0}))
    assert measured(score).status == "insufficient"
    assert "all are 7.5" in measured(score).reason


def test_samples_without_a_score_widen_the_interval_to_all_they_could_have_had(inspect_log: Log) -> None:
    answers = {f"q{i}": ["C"] for i in range(18)} | {"x": [math.nan], "y": [None]}
    (score,) = read_log(inspect_log("log.eval", answers, {"accuracy": 1.0, "stderr": 0.0}, total=21))
    found = measured(score)
    assert (found.value, found.diagnostics["unscored"], found.diagnostics["observations"]) == (1.0, 3, 21)
    assert found.uncertainty.high == 1.0
    assert found.uncertainty.low == pytest.approx(proportion([1] * 18 + [0] * 3)[1].low)
    answers = {"a": ["C"], "b": ["P"], "c": [math.nan]}
    (score,) = read_log(inspect_log("letters.json", answers, {"accuracy": 0.75}))
    assert measured(score).uncertainty.low == pytest.approx(mean([1, 0.5, 0], within=(0, 1))[1].low)
    answers = {"a": [7.5], "b": [3.0], "c": [math.nan]}
    (score,) = read_log(inspect_log("numbers.json", answers, {"mean": 5.25}))
    assert "nothing bounds" in measured(score).reason
    (score,) = read_log(inspect_log("nothing.json", {"a": [math.nan]}, {"accuracy": math.nan}))
    assert measured(score).reason == "no sample has a score"


def test_where_epochs_are_missing_samples_weigh_alike_as_in_the_log(inspect_log: Log) -> None:
    answers = {"a": ["C", "C"], "b": ["I", None], "c": ["C", "I"]}
    (score,) = read_log(inspect_log("log.eval", answers, {"accuracy": 0.5, "stderr": 0.3}))
    found = measured(score)
    assert (found.value, found.diagnostics["observations"]) == (0.5, 3)


def test_several_scorers_reducers_and_parts_of_a_score(inspect_log: Log) -> None:
    answers = {f"q{i}": [{"right": 1, "style": i}, {"right": 0, "style": i + 1}] for i in range(5)}
    metric = {"mean": {"name": "mean", "value": 0.5}, "stderr": {"name": "stderr", "value": 0.0}}
    style = {"mean": {"name": "mean", "value": 2.5}, "var": {"name": "var", "value": 2.2}}
    best = {"accuracy": {"name": "accuracy", "value": 1.0}}
    odd = {"f1": {"name": "f1", "value": 0.123}}
    scores = [
        {"name": "right", "scorer": "match", "reducer": None, "metrics": metric},
        {"name": "style", "scorer": "match", "metrics": style},
        {"name": "right", "scorer": "match", "reducer": "max", "metrics": best},
        {"name": "right", "scorer": "match", "metrics": odd},
    ]
    reductions = [
        {
            "scorer": "match",
            "reducer": "max",
            "samples": [{"sample_id": f"q{i}", "value": {"right": 1}} for i in range(5)],
        }
    ]
    path = inspect_log("log.eval", answers, {}, scores=scores, reductions=reductions)
    right, style_, top, f1 = (measured(score) for score in read_log(path))
    assert (right.value, right.diagnostics["clusters"], right.diagnostics["observations"]) == (0.5, 5, 10)
    assert style_.value == 2.5
    assert (top.value, top.diagnostics["observations"], top.labels["scorer"]) == (1.0, 5, "match.right/max")
    assert f1.status == "insufficient"
    assert "without samples" in f1.reason


def test_zstandard_is_read(inspect_log: Log, zstandard: Callable[[Path], Path]) -> None:
    path = zstandard(inspect_log("log.eval", ALL_WRONG, NONE))
    assert measured(read_log(path)[0]).diagnostics["observations"] == 30
    broken = bytearray(path.read_bytes())
    at = broken.index(b"summaries.json", broken.index(b"samples/q29"))
    broken[at + 60] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(GnomonError, match="broken"):
        read_log(path)


def test_bad_logs_are_one_line(inspect_log: Log, tmp_path: Path) -> None:
    cut = inspect_log("cut.eval", ALL_WRONG, NONE)
    cut.write_bytes(cut.read_bytes()[:900])
    other = tmp_path / "other.eval"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello.txt", "hello")
    no_samples = inspect_log("header.json", {}, NONE)
    whole = json.loads(inspect_log("whole.json", ALL_WRONG, NONE).read_text())
    del whole["results"]["scores"][0]["name"]
    (tmp_path / "lacking.json").write_text(json.dumps(whole))
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "samples_x.jsonl").write_text('{"doc_id": 0}\n{"doc_id": 1}\n')
    faults = {
        cut: "the zip is broken",
        other: "this zip is no log",
        inspect_log("begun.eval", ALL_WRONG, NONE, leave_out=["header.json"]): "the run is unfinished",
        inspect_log("error.eval", ALL_WRONG, NONE, status="error"): "status 'error'",
        inspect_log("cancelled.json", ALL_WRONG, NONE, status="cancelled"): "status 'cancelled'",
        inspect_log("new.json", ALL_WRONG, NONE, version=3): "version 3",
        inspect_log("invalid.json", ALL_WRONG, NONE, invalidated=True): "marked invalid",
        inspect_log("unscored.json", ALL_WRONG, {}, results=None): "nothing was scored",
        no_samples: "no samples",
        tmp_path / "lacking.json": "not whole",
        tmp_path / "list.json": "neither a log",
        tmp_path / "text.json": "no JSON",
        tmp_path / "samples_x.jsonl": "samples alone",
        tmp_path / "nowhere.eval": "cannot be read",
    }
    for path, told in faults.items():
        with pytest.raises(GnomonError, match=told) as fault:
            read_log(path)
        assert "\n" not in str(fault.value)
        assert str(path) in str(fault.value)


def test_without_summaries_the_samples_are_read(inspect_log: Log) -> None:
    path = inspect_log("log.eval", ALL_WRONG, NONE, leave_out=["summaries.json", "reductions.json"])
    assert measured(read_log(path)[0]).diagnostics["observations"] == 30
