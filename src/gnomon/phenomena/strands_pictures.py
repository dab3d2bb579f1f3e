"""The pictures of `strands`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gnomon.lab.sweep import Outcome
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.picture import Curve, Picture, Rule
from gnomon.phenomena.strands_recovery import METHODS

_NAMES = {"mean_difference": "mean difference", "logistic": "logistic", "agop": "AGOP"}


def drawn(
    by_dimension: Mapping[int, Sequence[Outcome]],
    permuted: Sequence[Outcome],
    even: Mapping[str, Sequence[Outcome]],
    gated: Mapping[int, Sequence[Outcome]],
    dense: Sequence[Outcome],
    *,
    even_dimension: int,
    active: int,
) -> tuple[Picture, ...]:
    """Those of which every arm has outcomes.

    Parameters
    ----------
    by_dimension : the linear target at noise 1, by dimension; ``permuted`` is its control, in the lowest.
    even : the even target, by what was fitted; one of them is the control "permuted classes".
    gated : by number of contexts; ``dense`` is the control, at the last.
    """
    found = []
    if permuted and all(by_dimension.values()):
        found.append(_collapse(by_dimension, permuted))
    if all(even.values()):
        found.append(_even(even, even_dimension))
    if dense and all(gated.values()):
        found.append(_contexts(gated, dense, active))
    return tuple(found)


def _collapse(by_dimension: Mapping[int, Sequence[Outcome]], permuted: Sequence[Outcome]) -> Picture:
    curves = [
        _band(f"{_NAMES[method]}, d = {d}", outcomes, method, unit=d, group=_NAMES[method])
        for method in METHODS
        for d, outcomes in by_dimension.items()
    ]
    ratios = np.geomspace(0.2, 5, 40)
    limit = Curve(
        name="theory of the mean difference",
        x=ratios.tolist(),
        y=(ratios / (1 + ratios)).tolist(),
        dashed=True,
    )
    lowest = next(iter(by_dimension))
    control = _band("mean difference, classes permuted", permuted, "mean_difference", unit=lowest, dashed=True)
    return Picture(
        key="collapse",
        title="One direction: what counts is the number of examples a dimension",
        caption=(
            f"Squared cosine with the true direction, noise 1; medians over {len(permuted)} seeds, bands from the "
            "lowest to the highest. One colour a method: its curves for all dimensions fall on one. Dashed: the "
            "closed form in the limit of many dimensions, and the control."
        ),
        x="examples / dimension",
        y="squared cosine",
        curves=(*curves, limit, control),
        rules=(Rule(label="half recovered", y=0.5),),
        log_x=True,
    )


def _even(even: Mapping[str, Sequence[Outcome]], dimension: int) -> Picture:
    first = next(iter(even.values()))
    curves = [
        _band(f"AGOP, {name}", outcomes, "agop", unit=dimension, dashed=name == "permuted classes")
        for name, outcomes in even.items()
    ]
    curves += [_band(_NAMES[name], first, name, unit=dimension) for name in ("mean_difference", "logistic")]
    return Picture(
        key="even",
        title="A direction without a difference of means",
        caption=(
            f"The class says whether |w·x| is above its median; {dimension} dimensions, medians and ranges over "
            f"{len(first)} seeds. Only gradients see it, and learning the metric makes them see it sooner. "
            "Dashed: classes permuted."
        ),
        x="examples / dimension",
        y="squared cosine",
        curves=tuple(curves),
        rules=(Rule(label="chance", y=1 / dimension),),
        log_x=True,
    )


def _contexts(gated: Mapping[int, Sequence[Outcome]], dense: Sequence[Outcome], active: int) -> Picture:
    sizes = [active * k for k in gated]

    def curve(name: str, key: str, *, dashed: bool = False) -> Curve:
        values = [[o[key] for o in outcomes if o[key] is not None] for outcomes in gated.values()]
        kept = [(x, v) for x, v in zip(sizes, values, strict=True) if v]
        return Curve(
            name=name,
            x=[x for x, _ in kept],
            y=[float(np.median(v)) for _, v in kept],
            low=[min(v) for _, v in kept],
            high=[max(v) for _, v in kept],
            style="both",
            dashed=dashed,
        )

    control = Curve(
        name="matter at a context, when all are used",
        x=[sizes[-1]],
        y=[float(np.median([o["local"] for o in dense]))],
        low=[min(o["local"] for o in dense)],
        high=[max(o["local"] for o in dense)],
        style="points",
        dashed=True,
    )
    return Picture(
        key="contexts",
        title="How many directions matter at a context, and how many the data have",
        caption=(
            f"A network trained on a task that uses {active} directions at each context; medians and ranges over "
            f"{len(dense)} seeds. TwoNN is shown where it reads."
        ),
        x="directions in all",
        y="dimension",
        curves=(
            curve("matter at a context", "local"),
            curve("data, participation ratio", "participation"),
            curve("data, TwoNN", "twonn"),
            control,
        ),
        rules=(Rule(label="used at a context", y=float(active)),),
    )


def _band(
    name: str,
    outcomes: Sequence[Outcome],
    key: str,
    *,
    unit: float,
    dashed: bool = False,
    group: str | None = None,
) -> Curve:
    x = [n / unit for n in outcomes[0]["examples"]]
    return band_over_seeds(name, x, [o[key] for o in outcomes], style="both", dashed=dashed, group=group)
