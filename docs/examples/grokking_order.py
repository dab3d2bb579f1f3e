"""What came first: when each quantity has made half of its change, and the table of all readings."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

SHARE, NUMBER, LAMBDA = "leading_irrep_share", "irreps_for_70_percent", "local_learning_coefficient"
ACCURACY = "test_accuracy"
PARTS = (0.25, 0.5, 0.75)
_COLUMNS = (
    "seed",
    "weight_decay",
    "step",
    "quantity",
    "status",
    "value",
    "low",
    "high",
    "null_mean",
    "null_95_percent",
    "r_hat",
    "effective_samples",
    "reason",
)


def curve(run: dict[str, Any], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of ``quantity``: accuracy at every step, the others where the reading is ok."""
    if quantity.endswith("_accuracy"):
        values = np.array(run[quantity])
        return np.arange(len(values)), values
    ok = [r for r in run["readings"] if r["quantity"] == quantity and r["status"] == "ok"]
    return np.array([r["step"] for r in ok]), np.array([r["value"] for r in ok], dtype=float)


def change(run: dict[str, Any], quantity: str, part: float) -> float | None:
    """The step at which ``quantity`` has first made ``part`` of its change, between readings in log(step + 1).

    The change of the learning coefficient is its fall from its largest value to the end; that of the others is their
    rise from step 0 to the end. ``None`` where there is no such change.
    """
    steps, values = _changing(run, quantity)
    if len(values) < 2 or (values[-1] < values[0]) != (quantity == LAMBDA):
        return None
    return _reached(steps, values, values[0] + part * (values[-1] - values[0]))


def beyond(run: dict[str, Any], quantity: str, controls: Sequence[dict[str, Any]]) -> float | None:
    """The step at which ``quantity`` has first gone beyond anything that it does in the ``controls``.

    That is below their smallest learning coefficient (after its largest), and above their largest of the others.
    """
    steps, values = _changing(run, quantity)
    theirs = np.concatenate([_changing(control, quantity)[1] for control in controls])
    level = theirs.min() if quantity == LAMBDA else theirs.max()
    return _reached(steps, values, level)


def _changing(run: dict[str, Any], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """The curve; that of the learning coefficient from its largest value on."""
    steps, values = curve(run, quantity)
    first = int(np.argmax(values)) if quantity == LAMBDA and len(values) else 0
    return steps[first:], values[first:]


def _reached(steps: np.ndarray, values: np.ndarray, level: float) -> float | None:
    """Where ``values`` first get from their first to ``level``, between readings in log(step + 1)."""
    if len(values) == 0 or values[0] == level:
        return None
    above = (values - level) * np.sign(values[0] - level)
    if not (above <= 0).any():
        return None
    after = int(np.argmax(above <= 0))
    here, there = above[after - 1], above[after]
    logs = np.log1p(steps[after - 1 : after + 1])
    return float(np.expm1(logs[0] + (logs[1] - logs[0]) * here / (here - there)))


def generalised(run: dict[str, Any]) -> bool:
    """Whether it ends with at least nine tenths of the test pairs right."""
    return bool(run["test_accuracy"][-1] >= 0.9)


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The order of events over the networks that generalised, and the state at the end of all."""
    grown = [run for run in runs if run["grows"]]
    shown = [run for run in grown if generalised(run)]
    order = {}
    for part in PARTS:
        for quantity in (LAMBDA, SHARE):
            pairs = [(change(run, quantity, part), change(run, ACCURACY, part)) for run in shown]
            order[f"{quantity} at {part:.0%}"] = _before(pairs)
    controls = [run for run in runs if not run["grows"]]
    for quantity in (LAMBDA, SHARE) if controls else ():
        pairs = [(beyond(run, quantity, controls), beyond(run, ACCURACY, controls)) for run in shown]
        order[f"{quantity} beyond the controls"] = _before(pairs)
        pairs = [(earlier, change(run, ACCURACY, 0.5)) for (earlier, _), run in zip(pairs, shown, strict=True)]
        order[f"{quantity} beyond the controls, against half of the rise"] = _before(pairs)
    return {
        "networks": len(grown),
        "generalised": len(shown),
        "order": order,
        "half": [
            {"seed": run["recipe"]["seed"], **{q: change(run, q, 0.5) for q in (ACCURACY, SHARE, LAMBDA)}}
            for run in shown
        ],
        "end": [_end(run) for run in runs],
        "insufficient": sum(r["status"] != "ok" for run in runs for r in run["readings"] if r["quantity"] == LAMBDA),
        "measured": sum(r["quantity"] == LAMBDA for run in runs for r in run["readings"]),
        "seconds": sum(run["seconds"] for run in runs),
        "observing_seconds": sum(run["observing_seconds"] for run in runs),
    }


def _before(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """How the first of each pair of steps compares with the second: their ratio, and in how many it is smaller."""
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    logs = np.array([math.log(a / b) for a, b in known])
    earlier = int((logs < 0).sum())
    found: dict[str, Any] = {"networks": len(pairs), "compared": len(logs), "earlier": earlier}
    if len(logs):
        # one-sided: as many or more, were either order as likely
        found["sign_test_p"] = float(stats.binom.sf(earlier - 1, len(logs), 0.5))
    if len(logs) > 1:
        half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs))
        found["ratio"] = float(np.exp(logs.mean()))
        found["ratio_95"] = [float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))]
    return found


def _end(run: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "seed": run["recipe"]["seed"],
        "weight_decay": run["recipe"]["weight_decay"],
        "test_accuracy": run["test_accuracy"][-1],
    }
    for quantity in (SHARE, NUMBER, "leading_irrep_p_value", LAMBDA):
        _, values = curve(run, quantity)
        said[quantity] = float(values[-1]) if len(values) else None
    _, values = curve(run, LAMBDA)
    said["largest_lambda"] = float(values.max()) if len(values) else None
    return said


def readings_table(runs: Sequence[dict[str, Any]]) -> str:
    """Every reading as a line of CSV; accuracies at the observed steps."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for run in runs:
        recipe = {name: run["recipe"][name] for name in ("seed", "weight_decay")}
        for step in sorted({r["step"] for r in run["readings"]}):
            for name in ("train_accuracy", ACCURACY):
                writer.writerow({**recipe, "step": step, "quantity": name, "status": "ok", "value": run[name][step]})
            for reading in run["readings"]:
                if reading["step"] == step:
                    writer.writerow({**recipe, **reading})
    return file.getvalue()
