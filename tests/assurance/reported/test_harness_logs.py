"""Logs of lm-evaluation-harness: what is read of them, against what was written."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gnomon.assurance.reported import measured, read_log
from gnomon.assurance.reported.counts import counted
from gnomon.errors import GnomonError
from gnomon.measurement import clopper_pearson

Log = Callable[..., Path]


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def test_samples_give_every_metric_and_filter_an_interval(harness_log: Log) -> None:
    acc, strict = [1.0, 0.0, 1.0, 1.0] * 10, [0.0] * 40
    path = harness_log(
        "run",
        {
            "gsm": {
                "exact_match,flexible": 0.75,
                "exact_match_stderr,flexible": _error(acc),
                "exact_match,strict": 0.0,
                "exact_match_stderr,strict": 0.0,
            }
        },
        points={"gsm": {"exact_match,flexible": acc, "exact_match,strict": strict}},
        counts={"gsm": 40},
    )
    flexible, none = (measured(score) for score in read_log(path))
    assert (flexible.labels["scorer"], none.labels["scorer"]) == ("flexible", "strict")
    exact = clopper_pearson(30, 40)
    assert (flexible.uncertainty.low, flexible.uncertainty.high) == pytest.approx((exact.low, exact.high))
    assert (none.uncertainty.low, none.uncertainty.high) == pytest.approx((0.0, 1 - 0.025 ** (1 / 40)))


@pytest.mark.parametrize("stated", ["n", "no n"])
def test_without_samples_value_and_error_show_the_counts(harness_log: Log, stated: str) -> None:
    values = [1.0] * 7 + [0.0] * 30
    path = harness_log(
        "run",
        {"arc": {"acc,none": 7 / 37, "acc_stderr,none": _error(values)}},
        counts={"arc": 37} if stated == "n" else None,
    )
    found = measured(read_log(path)[0])
    exact = clopper_pearson(7, 37)
    assert (found.uncertainty.low, found.uncertainty.high) == pytest.approx((exact.low, exact.high))
    assert found.diagnostics["observations"] == 37


def test_counts_are_found_only_where_points_were_zeros_and_ones() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        n = int(generator.integers(2, 5000))
        hits = int(generator.integers(1, n)) if n > 1 else 1
        p = hits / n
        error = math.sqrt(p * (1 - p) / (n - 1))
        assert counted(p, error, n, share=True) == (hits, n)
        assert counted(p, error, None, share=True) == (hits, n)
        assert counted(p, 0.9 * error, n, share=True) is None
    assert counted(1.0, None, 12, share=True) == (12, 12)
    assert counted(0.0, 0.0, 12, share=False) is None  # of what is no share 0 says nothing of a spread
    assert counted(0.0, 0.0, None, share=True) is None
    assert counted(1.7, 0.1, 30, share=False) is None


def test_what_is_no_mean_keeps_the_error_of_the_log(harness_log: Log) -> None:
    path = harness_log(
        "run",
        {
            "lambada": {
                "perplexity,none": 40.0,
                "perplexity_stderr,none": 2.0,
                "word_perplexity,none": 20.0,
                "word_perplexity_stderr,none": "N/A",
            }
        },
        points={"lambada": {"perplexity,none": [-3.0, -4.0], "word_perplexity,none": [[-1.0, 3]] * 2}},
        counts={"lambada": 2},
    )
    found, other = (measured(score) for score in read_log(path))
    assert found.uncertainty.high == pytest.approx(40 + 12.7062 * 2, abs=1e-3)  # one degree of freedom
    assert other.status == "insufficient"
    assert "a value without samples" in other.reason


def test_groups_pool_their_subtasks_where_the_log_does(harness_log: Log) -> None:
    one, two = [1.0] * 8 + [0.0] * 2, [1.0] * 3 + [0.0] * 27
    tasks = {
        "both": {"acc,none": 11 / 40, "acc_stderr,none": 0.06, "sample_len": 40},
        "even": {"acc,none": 0.45, "acc_stderr,none": 0.06, "sample_len": 40},
        "one": {"acc,none": 0.8, "acc_stderr,none": _error(one)},
        "two": {"acc,none": 0.1, "acc_stderr,none": _error(two)},
    }
    groups = {"both": ["inner"], "inner": ["one", "two"], "even": ["one", "two"], "one": [], "two": []}
    exact = clopper_pearson(11, 40)
    for folder, points in (("with", {"one": {"acc,none": one}, "two": {"acc,none": two}}), ("without", None)):
        path = harness_log(folder, tasks, points=points, counts={"one": 10, "two": 30}, groups=groups)
        found = {score.task: measured(score) for score in read_log(path)}
        assert list(found) == ["both", "even", "one", "two"]
        ends = found["both"].uncertainty
        assert (ends.low, ends.high) == pytest.approx((exact.low, exact.high))
        # a group that weighs its subtasks alike is no mean over samples: the log's own error is all there is
        assert found["even"].uncertainty.kind == "stderr"


def test_results_of_old_versions_are_read(harness_log: Log) -> None:
    (score,) = read_log(
        harness_log("run", {"arc_easy": {"acc": 0.2474747474747475, "acc_stderr": 0.008855114414834707}})
    )
    assert measured(score).diagnostics["observations"] == 2376  # the number of questions of ARC-Easy's test


def test_bad_results_are_one_line(harness_log: Log) -> None:
    short = harness_log("short", {"t": {"acc,none": 1.0}}, points={"t": {"acc,none": [1, 1]}}, counts={"t": 3})
    with pytest.raises(GnomonError, match="2 samples of 3 for t"):
        read_log(short)
    for number, line in enumerate(('{"acc": 1}', "[1]")):
        unnamed = harness_log(f"unnamed {number}", {"t": {"acc,none": 1.0}}, points={"t": {"acc,none": [1]}})
        next(unnamed.parent.glob("samples_*")).write_text(line)
        with pytest.raises(GnomonError, match=r"not whole: (KeyError|AttributeError)"):
            read_log(unnamed)
    broken = harness_log("broken", {"t": {"acc,none": 1.0}}, points={"t": {"acc,none": [1, 1]}})
    next(broken.parent.glob("samples_*")).write_text('{"doc_id": 0, "acc"')
    with pytest.raises(GnomonError, match="not whole"):
        read_log(broken)
    with pytest.raises(GnomonError, match="no results"):
        read_log(harness_log("empty", {"t": {}}))
    (score,) = read_log(harness_log("nan", {"t": {"acc,none": float("nan")}}))
    assert "NaN" in measured(score).reason
    (score,) = read_log(harness_log("unknown", {"t": {"acc,none": 0.5, "acc_stderr,none": float("nan")}}))
    assert measured(score).reason == "a value without samples"
    (score,) = read_log(harness_log("bare", {"t": {"acc,none": 0.0, "acc_stderr,none": 0.0}}))
    assert "an error of 0 that says nothing" in measured(score).reason
