"""How the predictions of a ledger did: calibration, coverage over time, every prediction, and skill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
from scipy.stats import beta

from gnomon.laws.ledger.totals import share
from gnomon.phenomena import Curve, Picture, Rule
from gnomon.report.figures.figure import MUTED, SERIES, SHAPES, WIDTH, Figure, chart_of_rows, finished
from gnomon.report.figures.pictures import figure_of

_HIT, _Z = "90", 1.6449
_ROW = 17
_FAR = 6.0

Predictions = Sequence[Mapping[str, Any]]


def figures(predictions: Predictions) -> Iterator[Figure]:
    """The figures of ``predictions`` inside their domain, as `gnomon.laws.ledger.summary.described` gives them.

    None where nothing is scored.
    """
    scored = [p for p in predictions if p["score"] is not None and not p["outside"]]
    if scored:
        yield figure_of(_calibration(scored), "ledger")
        yield figure_of(_coverage(scored), "ledger")
        yield _every(scored)
        yield _skill(scored)


def _calibration(scored: Predictions) -> Picture:
    """The PIT, in order, against what a right forecaster's would be."""
    n = len(scored)
    order = np.arange(1, n + 1)
    expected = (order / (n + 1)).tolist()
    low, high = (beta.ppf(p, order, n + 1 - order).tolist() for p in (0.025, 0.975))
    return Picture(
        key="calibration",
        title="Calibration",
        caption=(
            "Each point is a prediction: the probability that it gave to numbers below the measured one (the PIT), in "
            "order. Right predictions lie along the diagonal; the band holds each of them with 95 % probability if all "
            "were right and independent. A curve flatter in the middle is of predictions that were too wide, a steeper "
            "one of predictions that were too narrow."
        ),
        x="expected share",
        y="PIT",
        curves=(
            Curve(name="if right", x=expected, y=expected, low=low, high=high, dashed=True),
            Curve(name="predictions", x=expected, y=sorted(p["score"]["pit"] for p in scored), style="points"),
        ),
        square=True,
    )


def _coverage(scored: Predictions) -> Picture:
    """Coverage of the first k predictions that were scored."""
    ordered = sorted(scored, key=lambda p: p["scored"]["number"])
    happened = [p["score"]["covered"][_HIT] for p in ordered]
    clusters = [p["cluster"] for p in ordered]
    found = [share(happened[:k], clusters[:k]) for k in range(1, len(ordered) + 1)]
    first, last = (ordered[i]["scored"]["time"][:10] for i in (0, -1))
    return Picture(
        key="coverage",
        title="Coverage of the 90 % interval over time",
        caption=(
            f"Share of the first k predictions, in the order in which they were scored ({first} to {last}), whose 90 % "
            "interval held the measured number. Band: 95 % interval of that share; challenges that share points count "
            "as one."
        ),
        x="predictions scored",
        y="share held",
        curves=(
            Curve(
                name="share",
                x=list(range(1, len(found) + 1)),
                y=[one.value for one in found],
                low=[one.low for one in found],
                high=[one.high for one in found],
                style="both",
            ),
        ),
        rules=(Rule(label="stated: 0.9", y=0.9),),
    )


def _every(scored: Predictions) -> Figure:
    """Every prediction by its z, worst first."""
    ordered = sorted(scored, key=lambda p: -_off(p))
    names = [p["name"] for p in ordered]
    rows = [
        {
            "name": p["name"],
            "z": float(np.clip(_z(p), -_FAR, _FAR)),
            "series": p["state"],
            "said": f"predicted {p['predicted']['median']:.4g}, measured {p['score']['value']:.4g}, z {_z(p):.2f}",
        }
        for p in ordered
    ]
    base = chart_of_rows().encode(
        y=alt.Y(
            "name:N", sort=names, axis=alt.Axis(title=None, labelLimit=320, grid=True), scale=alt.Scale(domain=names)
        )
    )
    colour = alt.Color(
        "series:N", scale=alt.Scale(domain=["miss", "hit"], range=[SERIES[1], SERIES[0]]), legend=alt.Legend(title=None)
    )
    shape = alt.Shape(
        "series:N", scale=alt.Scale(domain=["miss", "hit"], range=["diamond", "circle"]), legend=alt.Legend(title=None)
    )
    x = alt.X(
        "z:Q",
        scale=alt.Scale(domain=[-_FAR - 0.5, _FAR + 0.5], nice=False),
        axis=alt.Axis(title="z of the measured number"),
    )
    band = alt.Chart(alt.InlineData(values=[{"low": -_Z, "high": _Z}]))
    layers = [
        band.mark_rect(color=MUTED, opacity=0.13).encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=x, color=colour, shape=shape, tooltip=[alt.Tooltip(f"{f}:N", title=f) for f in ("name", "said")]
        ),
    ]
    title = "Every prediction, misses first"
    return Figure(
        key="ledger-every",
        title=title,
        caption=(
            "z is standard normal where predictions are right: 0 is the median of the prediction. Shaded: its 90 % "
            f"interval. What is farther than {_FAR:g} is drawn at {_FAR:g}."
        ),
        alt=f"{title}. " + "; ".join(f"{row['name']}: {row['said']}" for row in rows) + ".",
        spec=finished(
            alt.LayerChart(layer=layers), rows, title=title, width=WIDTH - 330, height=max(60, _ROW * len(rows))
        ),
        quantities=(),
        wide=True,
    )


def _skill(scored: Predictions) -> Figure:
    """CRPS over that of each baseline, a point a prediction, a line a challenge."""
    rows = [
        {
            "place": p["challenge"] or p["name"],
            "ratio": 1 - skill,
            "series": baseline.replace("_", " "),
            "said": f"{p['name']}: {skill:.2f}",
        }
        for p in scored
        for baseline, skill in p["score"]["skill"].items()
        if skill is not None and skill < 1
    ]
    names = sorted({row["series"] for row in rows}, reverse=True)
    places = sorted(
        {row["place"] for row in rows},
        key=lambda place: np.mean([np.log(r["ratio"]) for r in rows if r["place"] == place]),
    )
    y = alt.Y(
        "place:N",
        sort=places,
        axis=alt.Axis(title=None, labelLimit=320, grid=True),
        scale=alt.Scale(domain=places),
    )
    x = alt.X(
        "ratio:Q",
        scale=alt.Scale(type="log", nice=False, padding=10),
        axis=alt.Axis(title="CRPS over that of the baseline (skill = 1 − ratio)", format="~g", tickCount=6),
    )
    colour = alt.Color(
        "series:N", scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])), legend=alt.Legend(title=None)
    )
    shape = alt.Shape(
        "series:N", scale=alt.Scale(domain=names, range=list(SHAPES[: len(names)])), legend=alt.Legend(title=None)
    )
    even = alt.Chart(alt.InlineData(values=[{"ratio": 1}])).mark_rule(color=MUTED, strokeDash=[2, 3])
    layers = [
        even.encode(x="ratio:Q"),
        chart_of_rows()
        .mark_point(filled=True, size=52, opacity=0.85)
        .encode(x=x, y=y, yOffset=alt.YOffset("series:N", sort=names), color=colour, shape=shape, tooltip="said:N"),
    ]
    title = "Skill, by challenge"
    means = [f"{r['said']} over {r['series']}" for r in rows]
    return Figure(
        key="ledger-skill",
        title=title,
        caption=(
            "Continuous ranked probability score of each prediction over that of a simpler one: left of the dashed "
            "line it did better, right of it worse."
        ),
        alt=f"{title}: {'; '.join(means)}.",
        spec=finished(
            alt.LayerChart(layer=layers), rows, title=title, width=WIDTH - 330, height=max(60, 2 * _ROW * len(places))
        ),
        quantities=(),
        wide=True,
    )


def _z(p: Mapping[str, Any]) -> float:
    z = p["score"]["z"]
    return float(z) if z is not None else float(np.copysign(np.inf, p["score"]["pit"] - 0.5))


def _off(p: Mapping[str, Any]) -> float:
    return abs(_z(p))
