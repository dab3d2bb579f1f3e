"""What grokking looks like: accuracies, what moves beneath them, and how long it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.lab.sweep import Outcome
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.picture import Curve, Picture, Rule

_AXES = {
    "weight_decay": ("weight decay", "weight decay"),
    "train_share": ("share of the pairs trained on", "share of the data"),
    "p": ("modulus p", "modulus"),
}
_BENEATH = {
    "unseen_accuracy": "unseen pairs",
    "restricted_accuracy": "unseen pairs, averaged by answer",
    "embedding_share": "embedding in its leading frequencies",
}

Found = Sequence[Outcome | None]


def accuracy_picture(architecture: str, found: Found, controls: Mapping[str, Found]) -> Picture:
    """Accuracy on training and held-out pairs along training; of the controls on held-out pairs, dashed."""
    curves = [
        _band("training pairs", found, "train_accuracy"),
        _band("held-out pairs", found, "test_accuracy"),
        _band("unseen pairs", found, "unseen_accuracy"),
    ]
    for name, control in controls.items():
        if name.startswith(architecture):
            curves.append(_band(f"unseen pairs,{name.partition(',')[2]}", control, "unseen_accuracy", dashed=True))
    return Picture(
        key=f"accuracy_{architecture}",
        title=f"Accuracy along training: {architecture}, addition",
        caption=f"Median and range over {len(found)} seeds; unseen are held-out pairs (a, b) of which (b, a) is "
        "held out too. Dashed: the controls.",
        x="step + 1",
        y="accuracy",
        curves=tuple(c for c in curves if c is not None),
        log_x=True,
    )


def progress_picture(shown: Mapping[str, Found]) -> Picture:
    """How much of its change each quantity has made, median over seeds."""
    curves = [
        _band(f"{name}: {what}", found, quantity, of_change=True, dashed=quantity == "unseen_accuracy")
        for name, found in shown.items()
        if name.endswith("addition")
        for quantity, what in _BENEATH.items()
    ]
    return Picture(
        key="progress",
        title="What moves first",
        caption="Share made of the change from the first to the last step; median and range over seeds. Dashed: the "
        "accuracy that shows.",
        x="step + 1",
        y="share of the change",
        curves=tuple(c for c in curves if c is not None),
        rules=(Rule(label="half", y=0.5),),
        log_x=True,
    )


def time_pictures(rows: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """Steps to 99 % of the held-out pairs against each field at which the quadratic network was trained."""
    pictures = []
    for field, (axis, title) in _AXES.items():
        chosen = [row for row in rows if row["arm"] in (field, "quadratic addition")]
        values = sorted({row[field] for row in chosen})
        if len(values) < 2:
            continue
        steps = {v: [row["generalised"] for row in chosen if row[field] == v] for v in values}
        reached = {v: [s for s in of if s is not None] for v, of in steps.items()}
        there = [v for v in values if reached[v]]
        never = sum(s is None for of in steps.values() for s in of)
        curve = Curve(
            name="held-out pairs",
            x=[float(v) for v in there],
            y=[float(np.median(reached[v])) for v in there],
            low=[float(min(reached[v])) for v in there],
            high=[float(max(reached[v])) for v in there],
            style="both",
        )
        pictures.append(
            Picture(
                key=f"time_against_{field}",
                title=f"Time to grok against the {title}",
                caption="Quadratic network, addition: median and range over the seeds that got there; "
                f"{never} networks did not within their steps.",
                x=axis,
                y="steps to 99 % of the held-out pairs",
                curves=(curve,),
                log_x=field == "weight_decay",
                log_y=True,
            )
        )
    return pictures


def _band(name: str, found: Found, quantity: str, *, of_change: bool = False, dashed: bool = False) -> Curve | None:
    """Median and range over seeds; ``None`` where no network was trained to the end."""
    there = [o for o in found if o is not None]
    if not there:
        return None
    values: NDArray[np.float64] = np.array([o[quantity] for o in there], dtype=np.float64)
    if of_change:
        change = values[:, -1:] - values[:, :1]
        values = ((values - values[:, :1]) / np.where(change == 0, np.nan, change))[(change != 0)[:, 0]]
        if not len(values):
            return None
    return band_over_seeds(name, [float(step + 1) for step in there[0]["steps"]], values, dashed=dashed)
