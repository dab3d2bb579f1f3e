"""The script behind the figure of grokking: it runs, keeps its runs, and reads the order of events off right."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
QUICK = {"p": 7, "steps": 12, "seeds": 1, "controls": 1, "observations": 3, "chains": 2, "workers": 1}


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import grokking_order

    return grokking_order


def test_the_script_writes_figure_table_and_summary_and_repeats_no_run(
    order: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import grokking_transformer

    options = [str(part) for name, value in QUICK.items() for part in (f"--{name}", value)]
    grokking_transformer.main(["--out", str(tmp_path), *options])
    assert capsys.readouterr().err.count("'seed': 0") == 2  # with and without weight decay
    assert (tmp_path / "grokking.svg").read_text(encoding="utf-8").startswith("<svg")
    rows = list(csv.DictReader((tmp_path / "readings.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["step"] for row in rows} == {"0", "1", "12"}
    assert {row["weight_decay"] for row in rows} == {"1.0", "0.0"}
    for quantity in (order.ACCURACY, order.SHARE, order.NUMBER, order.LAMBDA):
        assert sum(row["quantity"] == quantity for row in rows) == 6
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))["networks"] == 1
    grokking_transformer.main(["--out", str(tmp_path), *options])
    assert "'seed'" not in capsys.readouterr().err


def _run(order: Any, *, test: np.ndarray, share: np.ndarray, coefficient: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """A run whose quantities are known at every tenth step; the coefficient is not measurable at the first."""
    steps = range(0, len(test), 10)
    readings = [
        {"step": s, "quantity": q, "status": "ok", "value": float(values[s])}
        for s in steps
        for q, values in ((order.SHARE, share), (order.LAMBDA, coefficient))
    ]
    readings[1]["status"] = "insufficient"
    return {"recipe": {"seed": seed, "weight_decay": 1.0}, "grows": True, "test_accuracy": test.tolist()} | {
        "train_accuracy": np.ones(len(test)).tolist(), "readings": readings, "seconds": 1.0, "observing_seconds": 0.5
    }  # fmt: skip


def test_the_step_of_a_change_is_where_it_was_planted(order: Any) -> None:
    step = np.arange(201)
    run = _run(
        order,
        test=(step >= 120).astype(float),
        share=np.where(step >= 60, 0.9, 0.3),
        # up to 300 at step 40, then down, evenly in the logarithm of the step, to 100 at the end
        coefficient=np.where(
            step <= 40, 7.5 * step, 300 - 200 * np.log((step + 1) / 41).clip(min=0) / np.log(201 / 41)
        ),
    )
    assert order.change(run, order.ACCURACY, 0.5) == pytest.approx(119.5, abs=0.01)
    assert 50 < order.change(run, order.SHARE, 0.5) < 60
    assert order.change(run, order.LAMBDA, 0.5) == pytest.approx(np.sqrt(201 * 41) - 1, rel=1e-6)
    assert order.change(run, order.LAMBDA, 0.25) == pytest.approx(41 * (201 / 41) ** 0.25 - 1, rel=1e-6)


def test_the_readings_that_are_insufficient_do_not_count(order: Any) -> None:
    flat = np.linspace(0.2, 1, 31)
    run = _run(order, test=flat, share=flat, coefficient=np.where(np.arange(31) == 0, 900, 300 - 10 * np.arange(31.0)))
    assert order.curve(run, order.LAMBDA)[0].tolist() == [10, 20, 30]


def test_what_never_changes_the_right_way_has_no_step(order: Any) -> None:
    rising = np.linspace(0, 1, 31)
    run = _run(order, test=rising, share=1 - rising, coefficient=100 * rising)
    assert order.change(run, order.SHARE, 0.5) is None
    assert order.change(run, order.LAMBDA, 0.5) is None


def test_what_goes_beyond_the_controls_does_so_where_they_end(order: Any) -> None:
    step = np.arange(201.0)
    run = _run(order, test=step / 200, share=step / 200, coefficient=300 - step)
    control = _run(order, test=0 * step + 0.2, share=0 * step + 0.4, coefficient=300 - step / 2)
    # the coefficient is not measurable at step 0, and largest at step 10
    assert order.beyond(run, order.ACCURACY, [control]) == pytest.approx(40)
    assert order.beyond(run, order.SHARE, [control]) == pytest.approx(80)
    assert order.beyond(run, order.LAMBDA, [control]) == pytest.approx(100)
    assert order.beyond(control, order.LAMBDA, [run]) is None


def test_the_order_over_networks_is_a_ratio_with_an_interval(order: Any) -> None:
    runs = []
    for seed, at in enumerate((100, 150, 190)):
        step = np.arange(301)
        test = (step >= at).astype(float)
        # the share jumps between the readings at half and ten steps before half of the step of the accuracy
        runs.append(
            _run(
                order, test=test, share=(step >= at // 20 * 10) + 0.0, coefficient=300.0 - step.clip(min=50), seed=seed
            )
        )
    summary = order.summarise(runs)
    found = summary["order"]["leading_irrep_share at 50%"]
    assert (found["compared"], found["earlier"]) == (3, 3)
    assert found["sign_test_p"] == pytest.approx(1 / 8)
    logs = [np.log(order.change(r, order.SHARE, 0.5) / order.change(r, order.ACCURACY, 0.5)) for r in runs]
    assert np.log(found["ratio"]) == pytest.approx(np.mean(logs))
    half = 4.302653 * np.std(logs, ddof=1) / np.sqrt(3)
    assert np.log(found["ratio_95"]) == pytest.approx([np.mean(logs) - half, np.mean(logs) + half], rel=1e-5)
    late = summary["order"]["local_learning_coefficient at 50%"]
    assert late["earlier"] == sum(h[order.LAMBDA] < h[order.ACCURACY] for h in summary["half"])
