"""Edge of stability: gradient descent sharpens until 2/η, and goes on from there without diverging."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import median_over_seeds
from gnomon.phenomena.phenomenon import Finding, Phenomenon
from gnomon.phenomena.picture import Curve, Picture, Rule
from gnomon.phenomena.registry import register
from gnomon.phenomena.sharpness_experiment import Descent

_SOURCE = "Cohen, Kaur, Li, Kolter & Talwalkar, arXiv:2103.00065"
_LAST = "over the last quarter of the readings"

PLATEAU = Quantity(
    name="normalised_sharpness",
    symbol=r"s",
    definition=r"s = \operatorname*{median}_{t > 3T/4} \frac{\eta\, \lambda_{\max}(\nabla^2 L(\theta_t))}{2 + 2\beta}",
    convention=f"The median is taken {_LAST} of one run. On a quadratic loss, descent diverges above 1.",
    source=_SOURCE,
    lowest=0.0,
)
START = Quantity(
    name="initial_normalised_sharpness",
    symbol=r"s_0",
    definition=r"s_0 = \frac{\eta\, \lambda_{\max}(\nabla^2 L(\theta_0))}{2 + 2\beta}",
    source=_SOURCE,
    lowest=0.0,
)
SHARPENING = Quantity(
    name="progressive_sharpening",
    symbol=r"s / s_0",
    definition=r"\frac{\operatorname{median}_{t > 3T/4} \lambda_{\max}(\nabla^2 L(\theta_t))}"
    r"{\lambda_{\max}(\nabla^2 L(\theta_0))}",
    source=_SOURCE,
    lowest=0.0,
)
EXPONENT = Quantity(
    name="sharpness_exponent",
    symbol=r"\gamma",
    definition=r"\gamma = \frac{\mathrm{d} \log \lambda_{\max}}{\mathrm{d} \log \eta}",
    convention=f"Least squares through the medians {_LAST} at all step sizes of the claim.",
    source=_SOURCE,
)
RISES = Quantity(
    name="share_of_rises",
    symbol=r"p_\uparrow",
    definition=r"p_\uparrow = P_{t > 3T/4}\left(L(\theta_{t+1}) > L(\theta_t)\right)",
    source=_SOURCE,
    lowest=0.0,
    highest=1.0,
)
FALL = Quantity(
    name="loss_since_the_edge",
    symbol=r"L_T / L_\star",
    definition=r"\frac{\operatorname{median}_{t > 3T/4} L(\theta_t)}{L(\theta_{t_\star})}, \quad"
    r"t_\star = \min\{t : s_t \ge 1\}",
    source=_SOURCE,
    lowest=0.0,
)
EXCESS = Quantity(
    name="sharpness_held_back",
    symbol=r"\lambda_\mathrm{flow} / \lambda_\mathrm{GD}",
    definition=r"\frac{\lambda_{\max}(\theta^{\text{small } \eta})}{\lambda_{\max}(\theta^{\eta})}",
    convention=f"Both at the same time ηt: medians {_LAST}.",
    source=_SOURCE,
    lowest=0.0,
)


class Settings(Spec):
    """Step sizes and the size of the network; see `Descent`.

    Parameters
    ----------
    learning_rate : of the claims; ``others`` are further ones, for the exponent.
    momentum : of one more run at ``learning_rate``.
    small : the learning rate of the control.
    """

    learning_rate: float = 2.5
    others: tuple[float, ...] = (1.5,)
    momentum: float = 0.5
    small: float = 0.5
    time: float = 4000.0
    readings: int = 40
    examples: int = 100
    width: int = 32
    depth: int = 2


@register
class EdgeOfStability(Phenomenon):
    """See the module."""

    name: ClassVar = "edge_of_stability"
    title: ClassVar = "Edge of stability"
    claim: ClassVar = (
        "Under gradient descent on the full batch the sharpness rises to 2/η, the curvature at which a quadratic loss "
        "would diverge, and stays there, while the loss rises and falls from step to step and falls in the long run."
    )
    control: ClassVar = "A step size too small for the sharpness to reach 2/η in the same time ηt."
    source: ClassVar = _SOURCE
    presets: ClassVar = {
        "quick": Settings(),
        "full": Settings(
            learning_rate=1.5,
            others=(1.0, 2.0, 2.5, 3.5),
            small=0.25,
            time=8000.0,
            readings=120,
            examples=500,
            width=64,
        ),
    }
    seeds: ClassVar = {"quick": 5, "full": 8}

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """For each seed a run at every step size, one with momentum, and the control."""
        rates = [settings.learning_rate, *settings.others, settings.small]
        runs = [(rate, 0.0) for rate in rates] + [(settings.learning_rate, settings.momentum)]
        return [_point(settings, rate, momentum, seed) for rate, momentum in runs for seed in seeds]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """The claims at the step size of the claims, and what of them could hold at a small one."""

        def arm(rate: float, momentum: float = 0.0) -> list[_Run | None]:
            points = [_point(settings, rate, momentum, seed) for seed in seeds]
            return [_run(p, results.of(p)) for p in points]

        rates = sorted({settings.learning_rate, *settings.others})
        arms = {rate: arm(rate) for rate in [*rates, settings.small]}
        main, small = arms[settings.learning_rate], arms[settings.small]
        with_momentum = arm(settings.learning_rate, settings.momentum)
        slopes = [_slope(rates, [arms[rate][i] for rate in rates]) for i in range(len(seeds))]
        held = [
            flow.sharpness / edge.sharpness if flow is not None and edge is not None else math.nan
            for flow, edge in zip(small, main, strict=True)
        ]
        claims = (
            *_claims(main),
            Claim(
                name="held_back",
                statement="At the same time ηt a small step size has let the sharpness rise well beyond.",
                measurement=median_over_seeds(EXCESS, held),
                least=1.5,
            ),
            Claim(
                name="exponent",
                statement="The sharpness where it settles is inversely proportional to the step size.",
                measurement=median_over_seeds(EXPONENT, slopes),
                least=-1.1,
                most=-0.9,
            ),
            _plateau(with_momentum, "plateau_with_momentum", "With momentum β it settles at (2 + 2β)/η."),
        )
        return Finding(
            claims=claims,
            controls={"small step size": _claims(small)},
            pictures=(_sharpness_picture(arms, settings), _loss_picture(main, small, settings)),
            curves={"plateau": _columns([*arms.values(), with_momentum])},
        )


class _Run:
    """One run, judged by the last quarter of its readings."""

    def __init__(self, spec: Descent, outcome: Outcome) -> None:
        self.spec = spec
        self.time = np.array(outcome["steps"]) * spec.learning_rate / (1 - spec.momentum)
        self.normalised = np.array(outcome["sharpness"]) / spec.edge
        self.loss = np.array(outcome["loss"])
        last = slice(3 * len(self.time) // 4, None)
        self.start = float(self.normalised[0])
        self.plateau = float(np.median(self.normalised[last]))
        self.sharpness = self.plateau * spec.edge
        self.rises = float(np.mean(outcome["rises"][last]))
        beyond = np.flatnonzero(self.normalised >= 1)
        self.fall = float(np.median(self.loss[last]) / self.loss[beyond[0]]) if len(beyond) else None


def _run(point: Point, outcome: Outcome | None) -> _Run | None:
    """What is judged; ``None`` for a run that failed or diverged."""
    assert isinstance(point.spec, Descent)
    return None if outcome is None or outcome["diverged"] else _Run(point.spec, outcome)


def _point(settings: Settings, rate: float, momentum: float, seed: int) -> Point:
    shared = settings.model_dump(include={"time", "readings", "examples", "width", "depth"})
    return Point("sharpness_of_descent", Descent(learning_rate=rate, momentum=momentum, seed=seed, **shared))


def _slope(rates: Sequence[float], runs: Sequence[_Run | None]) -> float:
    sharpness = [run.sharpness for run in runs if run is not None]
    if len(sharpness) < max(2, len(rates)):
        return math.nan
    return float(np.polyfit(np.log(rates), np.log(sharpness), 1)[0])


def _of_each(runs: Sequence[_Run | None], read: Callable[[_Run], float | None]) -> list[float | None]:
    """One a seed; NaN where the run failed or diverged, which says nothing in favour of any claim."""
    return [math.nan if run is None else read(run) for run in runs]


def _plateau(runs: Sequence[_Run | None], name: str, statement: str) -> Claim:
    measured = median_over_seeds(PLATEAU, _of_each(runs, lambda run: run.plateau))
    return Claim(name=name, statement=statement, measurement=measured, least=0.95, most=1.05)


def _claims(runs: Sequence[_Run | None]) -> tuple[Claim, ...]:
    """The claims that can be made of one step size."""
    return (
        Claim(
            name="starts_below",
            statement="Training starts far below the edge.",
            measurement=median_over_seeds(START, _of_each(runs, lambda run: run.start)),
            most=0.5,
        ),
        Claim(
            name="sharpens",
            statement="The sharpness at least doubles.",
            measurement=median_over_seeds(SHARPENING, _of_each(runs, lambda run: run.plateau / run.start)),
            least=2.0,
        ),
        _plateau(runs, "plateau", "The sharpness settles at 2/η."),
        Claim(
            name="loss_rises",
            statement="At the edge the loss rises at many steps.",
            measurement=median_over_seeds(RISES, _of_each(runs, lambda run: run.rises)),
            least=0.1,
        ),
        Claim(
            name="loss_falls",
            statement="In the long run the loss falls on after the edge is reached.",
            measurement=median_over_seeds(FALL, _of_each(runs, lambda run: run.fall)),
            most=0.5,
        ),
    )


def _columns(arms: Sequence[Sequence[_Run | None]]) -> dict[str, list[float]]:
    runs = [run for arm in arms for run in arm if run is not None]
    return {
        "learning_rate": [run.spec.learning_rate for run in runs],
        "momentum": [run.spec.momentum for run in runs],
        "seed": [float(run.spec.seed) for run in runs],
        "initial_sharpness": [run.start * run.spec.edge for run in runs],
        "sharpness": [run.sharpness for run in runs],
        "normalised_sharpness": [run.plateau for run in runs],
        "share_of_rises": [run.rises for run in runs],
    }


def _sharpness_picture(arms: dict[float, list[_Run | None]], settings: Settings) -> Picture:
    curves = [
        Curve(
            name=f"η = {rate:g}, seed {run.spec.seed}",
            x=run.time.tolist(),
            y=(run.normalised * run.spec.edge).tolist(),
            group=f"η = {rate:g}",
            dashed=rate == settings.small,
        )
        for rate, runs in arms.items()
        for run in runs
        if run is not None
    ]
    rules = [Rule(label=f"2/η, η = {rate:g}", y=2 / rate) for rate in arms if rate != settings.small]
    return Picture(
        key="sharpness",
        title="Sharpness under gradient descent",
        caption="One line a seed; level lines: 2/η. Dashed: the control, whose sharpness rises beyond them.",
        x="time ηt",
        y="largest eigenvalue of the Hessian",
        curves=tuple(curves),
        rules=tuple(rules),
    )


def _loss_picture(main: list[_Run | None], small: list[_Run | None], settings: Settings) -> Picture:
    curves = [
        Curve(
            name=f"η = {rate:g}, seed {run.spec.seed}",
            x=run.time.tolist(),
            y=run.loss.tolist(),
            group=f"η = {rate:g}",
            dashed=rate == settings.small,
        )
        for rate, runs in ((settings.learning_rate, main), (settings.small, small))
        for run in runs
        if run is not None
    ]
    return Picture(
        key="loss",
        title="Loss at the edge and below it",
        caption="Mean squared error on the batch; one line a seed. Dashed: the control.",
        x="time ηt",
        y="loss",
        curves=tuple(curves),
        log_y=True,
    )
