"""The figure of `grokking_transformer`: four quantities along training, and beside the step of grokking."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from grokking_order import ACCURACY, LAMBDA, NUMBER, SHARE, change, curve, generalised
from scipy import stats

from gnomon.report.exports import draw
from gnomon.report.figures.figure import INK, MUTED, SERIES, Figure, chart_of_rows, styled

_TRAIN, _DECAY, _CONTROL = "accuracy on training pairs", "weight decay 1", "no weight decay (control)"
_COLOURS = {_DECAY: SERIES[0], _CONTROL: SERIES[1], _TRAIN: MUTED}
_PANELS = (
    ("accuracy", "Accuracy: test pairs, and training pairs", 0.0, 1.0),
    (SHARE, "Share of the embedding's power in its five leading frequencies", 0.2, 1.0),
    (NUMBER, "Frequencies that hold 70 % of it", 0.0, None),
    (LAMBDA, "Local learning coefficient λ of the training loss", 0.0, None),
)
_WIDTH, _HEIGHT = 400, 135
_POINTS = 80
Row = dict[str, Any]


def draw_figure(runs: Sequence[dict[str, Any]], summary: dict[str, Any], path: Path) -> None:
    """Write the figure to ``path`` (SVG), and its PNG and Vega-Lite specification beside it."""
    rows = [row for run in runs for row in _along(run)] + _null(runs)
    shown = [run for run in runs if run["grows"] and generalised(run)]
    rows += [row for run in shown for row in _beside(run)]
    if len(shown) > 1:
        rows += [row for name, *_ in _PANELS for row in (*_means(shown, name), *_halves(shown, name))]
        rows += [{"side": "right", "panel": name, "kind": "grokked", "x": 1.0} for name, *_ in _PANELS]
    last = runs[0]["recipe"]["steps"]
    lines = []
    for panel, words, lowest, highest in _PANELS:
        under = panel == _PANELS[-1][0]
        steps = _steps(_origin(runs[0]), last, "training step (logarithmic)" if under else "")
        multiples = _multiples("step ÷ step at which test accuracy has made half of its rise" if under else "")
        left, right = _left(panel, words, lowest, highest, steps), _right(panel, lowest, highest, multiples)
        lines.append(alt.hconcat(left, right, spacing=36))
    columns = alt.vconcat(*lines, spacing=22)
    controls = len(runs) - summary["networks"]
    title = f"A one-block transformer groks modular addition: {summary['networks']} networks, {controls} controls"
    spec = styled(columns.properties(title=alt.TitleParams(title, anchor="start", offset=12)), rows, legend_columns=3)
    figure = Figure(
        key=path.stem, title=title, caption="", alt="", spec=spec, quantities=(SHARE, LAMBDA), wide=True, square=True
    )
    for name, content in draw(figure).files():
        if not name.endswith(".pdf"):
            path.with_name(name).write_bytes(content)


def _named(run: dict[str, Any], panel: str) -> list[tuple[str, str]]:
    """(series, quantity) that the panel draws of a run."""
    series = _DECAY if run["grows"] else _CONTROL
    if panel != "accuracy":
        return [(series, panel)]
    return [(series, ACCURACY), *([(_TRAIN, "train_accuracy")] if run["grows"] else [])]


def _along(run: dict[str, Any]) -> list[Row]:
    """Rows of the left column."""
    origin = _origin(run)
    seed = f"{run['recipe']['seed']} {run['grows']}"
    rows = []
    for panel, *_ in _PANELS:
        for series, quantity in _named(run, panel):
            common = {"side": "left", "panel": panel, "series": series, "line": f"{seed} {series}"}
            for step, value in zip(*_thinned(*curve(run, quantity)), strict=True):
                if step == 0 or step > origin:
                    rows.append({**common, "kind": "line", "x": float(max(step, origin)), "value": float(value)})
    for reading in run["readings"]:
        if reading["quantity"] == LAMBDA and reading["value"] is not None:
            kind = "interval" if reading["status"] == "ok" else "refused"
            series = _DECAY if run["grows"] else _CONTROL
            common = {"side": "left", "panel": LAMBDA, "kind": kind, "series": series}
            x = float(max(reading["step"], origin))
            rows.append({**common, "x": x, "value": reading["value"], "low": reading["low"], "high": reading["high"]})
    return rows


def _beside(run: dict[str, Any]) -> list[Row]:
    """Rows of the right column: steps as multiples of the one at which test accuracy has made half of its rise."""
    grokked = change(run, ACCURACY, 0.5)
    rows = []
    for panel, *_ in _PANELS:
        for series, quantity in _named(run, panel):
            steps, values = _thinned(*curve(run, quantity))
            common = {"side": "right", "panel": panel, "series": series, "line": f"{run['recipe']['seed']} {series}"}
            rows += [
                {**common, "kind": "line", "x": float(step / grokked), "value": float(value)}
                for step, value in zip(steps, values, strict=True)
                if step > 0
            ]
    return rows


def _means(shown: Sequence[dict[str, Any]], panel: str) -> list[Row]:
    """Mean over networks with its 95 % interval (Student), where all of them have readings on both sides."""
    rows = []
    for series, quantity in _named(shown[0], panel):
        curves = [(curve(run, quantity), change(run, ACCURACY, 0.5)) for run in shown]
        logs = [(np.log(steps[steps > 0] / half), values[steps > 0]) for (steps, values), half in curves]
        low, high = max(x[0] for x, _ in logs), min(x[-1] for x, _ in logs)
        if not low < high:
            continue
        grid = np.linspace(low, high, 60)
        found = np.stack([np.interp(grid, x, values) for x, values in logs])
        half = stats.t.ppf(0.975, len(found) - 1) * found.std(axis=0, ddof=1) / np.sqrt(len(found))
        mean = found.mean(axis=0)
        rows += [
            {
                "side": "right",
                "panel": panel,
                "series": series,
                "kind": "mean",
                "x": x,
                "value": m,
                "low": lo,
                "high": hi,
            }
            for x, m, lo, hi in np.stack([np.exp(grid), mean, mean - half, mean + half], axis=1).tolist()
        ]
    return rows


def _halves(shown: Sequence[dict[str, Any]], panel: str) -> list[Row]:
    """Where half of the change is made: the mean over networks, with its 95 % interval."""
    if panel not in (SHARE, LAMBDA):
        return []
    pairs = [(change(run, panel, 0.5), change(run, ACCURACY, 0.5)) for run in shown]
    logs = np.array([np.log(a / b) for a, b in pairs if a is not None])
    if len(logs) < 2:
        return []
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    at = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]).tolist()
    ends = [(curve(run, panel)[1].max() if panel == LAMBDA else curve(run, panel)[1][0]) for run in shown]
    value = float(np.mean([(start + curve(run, panel)[1][-1]) / 2 for start, run in zip(ends, shown, strict=True)]))
    common = {"side": "right", "panel": panel, "kind": "half", "series": _DECAY}
    return [{**common, "x": at[0], "x_low": at[1], "x_high": at[2], "value": value}]


def _origin(run: dict[str, Any]) -> float:
    """Where step 0 is drawn: half of the next observed step."""
    return min(r["step"] for r in run["readings"] if r["step"] > 0) / 2


def _null(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """The share that embeddings in random order reach in 95 of 100 cases, on average."""
    null = [
        r["null_95_percent"] for run in runs for r in run["readings"] if r["quantity"] == SHARE and r["status"] == "ok"
    ]
    return [{"side": "left", "panel": SHARE, "kind": "null", "value": float(np.mean(null))}] if null else []


def _thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most so many points, evenly spaced in the logarithm of the step."""
    if len(steps) <= _POINTS:
        return steps, values
    kept = np.unique(np.geomspace(1, len(steps), 2 * _POINTS).round().astype(int) - 1)
    return steps[kept], values[kept]


def _of(side: str, panel: str, kind: str) -> alt.Chart:
    wanted = f"datum.side == '{side}' && datum.panel == '{panel}' && datum.kind == '{kind}'"
    return chart_of_rows().transform_filter(wanted)


def _channels(x: alt.X, lowest: float, highest: float | None) -> dict[str, Any]:
    domain = {} if highest is None else {"domain": [lowest, highest]}
    return {
        "x": x,
        "y": alt.Y("value:Q", scale=alt.Scale(zero=lowest == 0, nice=True, **domain), axis=alt.Axis(title=None)),
        "color": alt.Color(
            "series:N",
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
            legend=alt.Legend(title=None),
        ),
    }


def _steps(start: float, last: float, title: str) -> alt.X:
    """Training steps on a logarithmic axis that begins at ``start``, where step 0 is drawn."""
    ticks = [start, *(k * 10**e for e in range(7) for k in (1, 3) if start < k * 10**e <= last)]
    label = f"datum.value == {start} ? '0' : format(datum.value, ',.0f')"
    return alt.X(
        "x:Q",
        scale=alt.Scale(type="log", nice=False, domain=[start, last]),
        axis=alt.Axis(title=title, values=ticks, labelExpr=label),
    )


def _multiples(title: str) -> alt.X:
    """Steps as multiples of another step."""
    label = "datum.value < 1 ? '1/' + format(1 / datum.value, '.0f') : format(datum.value, '.0f')"
    return alt.X(
        "x:Q",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[1 / 16, 4]),
        axis=alt.Axis(title=title, values=[2.0**k for k in range(-4, 3)], labelExpr=label),
    )


def _left(panel: str, title: str, lowest: float, highest: float | None, x: alt.X) -> alt.LayerChart:
    channels = _channels(x, lowest, highest)
    bars = {**channels, "y": alt.Y("low:Q"), "y2": "high:Q"}
    layers = [
        _of("left", panel, "line").mark_line(strokeWidth=1.3, opacity=0.6).encode(**channels, detail="line:N"),
        _of("left", panel, "interval").mark_rule(strokeWidth=1.6).encode(**bars),
        _of("left", panel, "refused").mark_text(text="×", fontSize=13).encode(**channels),
    ]
    if panel == SHARE:
        null = _of("left", panel, "null")
        layers.append(null.mark_rule(strokeDash=[4, 3], color=MUTED).encode(y="value:Q"))
    return _sized(layers, title)


def _right(panel: str, lowest: float, highest: float | None, x: alt.X) -> alt.LayerChart:
    channels = _channels(x, lowest, highest)
    bands = {**channels, "y": alt.Y("low:Q"), "y2": "high:Q"}
    half = _of("right", panel, "half")
    thin = _of("right", panel, "line").mark_line(strokeWidth=0.8, opacity=0.3, clip=True)
    layers = [
        _of("right", panel, "grokked").mark_rule(color=INK, strokeDash=[2, 2]).encode(x="x:Q"),
        thin.encode(**channels, detail="line:N"),
        _of("right", panel, "mean").mark_area(opacity=0.22, clip=True).encode(**bands),
        _of("right", panel, "mean").mark_line(strokeWidth=2, clip=True).encode(**channels),
        half.mark_rule(color=INK, strokeWidth=1.6).encode(x="x_low:Q", x2="x_high:Q", y="value:Q"),
        half.mark_point(shape="diamond", filled=True, size=70, color=INK, opacity=1).encode(x="x:Q", y="value:Q"),
        half.mark_text(text="half of the change", align="right", dx=-16, fontSize=11, color=INK).encode(
            x="x_low:Q", y="value:Q"
        ),
    ]
    return _sized(layers, "")


def _sized(layers: list[Any], title: str) -> alt.LayerChart:
    shown = alt.TitleParams(title, fontSize=12, fontWeight="normal", anchor="start", offset=6)
    return alt.LayerChart(layer=layers).properties(width=_WIDTH, height=_HEIGHT, title=shown)
