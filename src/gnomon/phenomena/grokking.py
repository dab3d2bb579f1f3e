"""Grokking: networks that first learn their training pairs by heart, and the rule long after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity, clopper_pearson
from gnomon.organisms import ModularAddition, ModularMultiplication, ModularTransformer, Recipe
from gnomon.organisms.recipe import Modulus, Share
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import geometric_mean_over_seeds, median_over_seeds, of_each
from gnomon.phenomena.grokking_experiment import ModularArithmetic
from gnomon.phenomena.grokking_pictures import accuracy_picture, progress_picture, time_pictures
from gnomon.phenomena.phenomenon import Finding, Phenomenon
from gnomon.phenomena.registry import register

_SOURCE = (
    "Power, Burda, Edwards, Babuschkin & Misra, arXiv:2201.02177; Nanda, Chan, Lieberum, Smith & Steinhardt, "
    "arXiv:2301.05217; quadratic network: Gromov, arXiv:2301.02679"
)

DELAY = Quantity(
    name="grokking_delay",
    symbol=r"t_\mathrm{test} / t_\mathrm{train}",
    definition=r"t_s = \min\{t : \mathrm{acc}_s(t) \ge 0.99\},\quad s \in \{\mathrm{train}, \mathrm{test}\}",
    convention="t counts steps of training on the full batch. A network that has not reached 0.99 on held-out pairs at "
    "the last step counts with that step, so that its delay is understated.",
    source=_SOURCE,
    lowest=0.0,
)
AT_FIT = Quantity(
    name="unseen_accuracy_when_fitted",
    symbol=r"\mathrm{acc}_\mathrm{unseen}(t_\mathrm{train})",
    definition=r"\mathrm{acc}_\mathrm{unseen}\bigl(\min\{t : \mathrm{acc}_\mathrm{train}(t) \ge 0.99\}\bigr)",
    convention="Unseen are the held-out pairs (a, b) of which (b, a) is held out too.",
    source=_SOURCE,
    lowest=0.0,
    highest=1.0,
)
HIGHEST = Quantity(
    name="highest_test_accuracy",
    symbol=r"\max_t \mathrm{acc}_\mathrm{test}",
    definition=r"\max_{t \le T} \mathrm{acc}_\mathrm{test}(t)",
    convention="T is the number of training steps, the same in the claim's arm and its controls.",
    source=_SOURCE,
    lowest=0.0,
    highest=1.0,
)
LEAD = Quantity(
    name="progress_lead",
    symbol=r"t_{1/2}(q) / t_{1/2}(\mathrm{acc}_\mathrm{unseen})",
    definition=r"t_{1/2}(q) = \min\bigl\{t : \lvert q(t) - q(0)\rvert \ge \tfrac12 \lvert q(T) - q(0)\rvert\bigr\}",
    convention="Between readings interpolated in log(t + 1). Below 1, q moves before the accuracy on unseen pairs.",
    source=_SOURCE,
    lowest=0.0,
)

_FIELDS = {"kind", "p", "train_share", "weight_decay", "seed", "steps"}
_TIMES = ("fitted", "generalised", "highest")

Architecture = Literal["quadratic", "transformer"]


class Settings(Spec):
    """What is trained.

    Parameters
    ----------
    quadratic, transformer : the recipes of the claims on addition; their seed is replaced.
    multiplying : which of them are trained on multiplication too, modulo the same p.
    few : share of the pairs in the control with too little data; ``starved`` says whose control that is.
    readings : see `ModularArithmetic`.
    weight_decays, train_shares, moduli : further values at which the quadratic network is trained on addition, for the
        curves of the time that it takes.
    curve_steps, curve_seeds : how long, and from how many of the seeds.
    """

    quadratic: ModularAddition = ModularAddition(steps=450)
    transformer: ModularTransformer = ModularTransformer(
        p=37, train_share=0.45, d_model=48, d_mlp=128, learning_rate=2e-2, steps=900
    )
    multiplying: tuple[Architecture, ...] = ("quadratic",)
    few: Share = 0.25
    starved: tuple[Architecture, ...] = ("quadratic",)
    readings: int = Field(default=40, ge=2)
    weight_decays: tuple[float, ...] = (0.5, 2.0)
    train_shares: tuple[Share, ...] = ()
    moduli: tuple[Modulus, ...] = ()
    curve_steps: int = Field(default=700, ge=1)
    curve_seeds: int = Field(default=2, ge=0)


@dataclass(frozen=True)
class Arm:
    """Networks that differ in their seed only."""

    name: str
    recipe: Recipe

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """One for each seed."""
        specs = [
            {"recipe": self.recipe.changed({"seed": s}).model_dump(), "readings": settings.readings} for s in seeds
        ]
        return [Point("modular_arithmetic", ModularArithmetic.model_validate(spec)) for spec in specs]


def claim_arms(settings: Settings) -> list[Arm]:
    """The networks that should grok."""
    arms = [Arm("quadratic addition", settings.quadratic), Arm("transformer addition", settings.transformer)]
    if "quadratic" in settings.multiplying:
        same = settings.quadratic.model_dump(exclude={"kind"})
        arms.append(Arm("quadratic multiplication", ModularMultiplication.model_validate(same)))
    if "transformer" in settings.multiplying:
        multiplying = settings.transformer.changed({"operation": "multiplication"})
        arms.append(Arm("transformer multiplication", multiplying))
    return arms


def control_arms(settings: Settings) -> list[Arm]:
    """The networks that should not: each differs from one of the claims in one thing."""
    recipes = {"quadratic": settings.quadratic, "transformer": settings.transformer}
    idle = [Arm(f"{name}, no weight decay", recipe.changed({"weight_decay": 0.0})) for name, recipe in recipes.items()]
    starved = [
        Arm(f"{name}, too little data", recipes[name].changed({"train_share": settings.few}))
        for name in settings.starved
    ]
    return [*idle, *starved]


def curve_arms(settings: Settings) -> Iterator[Arm]:
    """The quadratic network at other values of one field."""
    for field, values in (
        ("weight_decay", settings.weight_decays),
        ("train_share", settings.train_shares),
        ("p", settings.moduli),
    ):
        for value in values:
            yield Arm(field, settings.quadratic.changed({field: value, "steps": settings.curve_steps}))


@register
class Grokking(Phenomenon):
    """See the module. How many networks get 99 % of the held-out pairs right is told in the notes."""

    name: ClassVar = "grokking"
    title: ClassVar = "Grokking"
    claim: ClassVar = (
        "Networks that add or multiply modulo p fit their training pairs while most other pairs are wrong, and get "
        "those right many times later; beneath, the rule has formed before it shows."
    )
    control: ClassVar = "The same without weight decay, and the same with too few training pairs."
    source: ClassVar = _SOURCE
    presets: ClassVar = {
        "quick": Settings(),
        "full": Settings(
            quadratic=ModularAddition(steps=1000),
            transformer=ModularTransformer(),
            multiplying=("quadratic", "transformer"),
            few=0.2,
            starved=("quadratic", "transformer"),
            readings=80,
            weight_decays=(0.25, 0.35, 0.5, 0.7, 1.4, 2.0, 2.8, 4.0),
            train_shares=(0.4, 0.45, 0.5, 0.55, 0.65, 0.7, 0.75, 0.8),
            moduli=(11, 13, 17, 19, 29, 31, 37, 41),
            curve_steps=3000,
            curve_seeds=8,
        ),
    }
    seeds: ClassVar = {"quick": 5, "full": 8}

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """Every arm from every seed, and the curves from the first of them."""
        arms = [*claim_arms(settings), *control_arms(settings)]
        found = [point for arm in arms for point in arm.points(settings, seeds)]
        few = seeds[: settings.curve_seeds]
        return found + [point for arm in curve_arms(settings) for point in arm.points(settings, few)]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """Delay, generalisation and order of events in each arm of the claim; memory without a rule in the controls."""

        def outcomes(arm: Arm) -> list[Outcome | None]:
            return [results.of(point) for point in arm.points(settings, seeds)]

        shown = {arm.name: outcomes(arm) for arm in claim_arms(settings)}
        controls = {arm.name: outcomes(arm) for arm in control_arms(settings)}
        rows = list(_rows(settings, seeds, results))
        return Finding(
            claims=tuple(claim for name, found in shown.items() for claim in _claims(name, found)),
            controls={name: _memory_and_rule(name, found) for name, found in controls.items()},
            pictures=(
                accuracy_picture("quadratic", shown["quadratic addition"], controls),
                accuracy_picture("transformer", shown["transformer addition"], controls),
                progress_picture(shown),
                *time_pictures(rows),
            ),
            curves={"time_to_grok": {column: [row[column] for row in rows] for column in rows[0]} if rows else {}},
            notes=tuple(_share_note(name, found) for name, found in (*shown.items(), *controls.items())),
        )


def half_time(steps: Sequence[int], values: Sequence[float]) -> float | None:
    """The step at which ``values`` have first made half of their change from first to last; ``None`` without one.

    Between readings it is interpolated in log(step + 1), as those are spaced.
    """
    moved = np.abs(np.asarray(values) - values[0])
    half = abs(values[-1] - values[0]) / 2
    if half == 0:
        return None
    after = int(np.argmax(moved >= half))
    here, there = moved[after - 1], moved[after]
    logs = np.log1p([steps[after - 1], steps[after]])
    return float(np.expm1(logs[0] + (logs[1] - logs[0]) * (half - here) / (there - here)))


def lead(outcome: Outcome, quantity: str) -> float | None:
    """The time at which ``quantity`` has made half of its change over that of the accuracy on unseen pairs."""
    own, accuracy = (half_time(outcome["steps"], outcome[name]) for name in (quantity, "unseen_accuracy"))
    return None if own is None or accuracy is None else own / accuracy


def _claims(name: str, found: Sequence[Outcome | None]) -> tuple[Claim, ...]:
    """What is claimed of the networks of one arm."""
    slug = name.replace(" ", "_")
    claims = [
        *_memory_and_rule(name, found),
        Claim(
            name=f"delay_{slug}",
            statement=f"{name}: 99 % of the held-out pairs take many times the steps of 99 % of the training pairs.",
            measurement=geometric_mean_over_seeds(DELAY, of_each(found, _delay)),
            least=3.0,
        ),
        Claim(
            name=f"rule_forms_first_{slug}",
            statement=f"{name}: averaged over pairs with one answer, outputs are right before they are pair by pair.",
            measurement=geometric_mean_over_seeds(LEAD, of_each(found, lambda o: lead(o, "restricted_accuracy"))),
            most=1.0,
        ),
    ]
    if name.startswith("transformer"):
        claims.append(
            Claim(
                name=f"few_frequencies_first_{slug}",
                statement=f"{name}: the embedding gathers in a few frequencies before unseen pairs are right.",
                measurement=geometric_mean_over_seeds(LEAD, of_each(found, lambda o: lead(o, "embedding_share"))),
                most=1.0,
            )
        )
    return tuple(claims)


def _memory_and_rule(name: str, found: Sequence[Outcome | None]) -> tuple[Claim, ...]:
    """That training pairs are fitted while most others are wrong, and that those come to be right."""
    slug = name.replace(",", "").replace(" ", "_")
    return (
        Claim(
            name=f"memorises_{slug}",
            statement=f"{name}: when the training pairs are fitted, most pairs unseen in either order are wrong.",
            measurement=median_over_seeds(AT_FIT, of_each(found, lambda o: o["at_fit"])),
            most=0.5,
        ),
        Claim(
            name=f"generalises_{slug}",
            statement=f"{name}: at some step nine tenths of the held-out pairs are right, or more.",
            measurement=median_over_seeds(HIGHEST, of_each(found, lambda o: o["highest"])),
            least=0.9,
        ),
    )


def _delay(outcome: Outcome) -> float | None:
    fitted, generalised, last = outcome["fitted"], outcome["generalised"], outcome["steps"][-1]
    return (last if generalised is None else generalised) / fitted if fitted else None


def _share_note(name: str, found: Sequence[Outcome | None]) -> str:
    happened = sum(o is not None and o["generalised"] is not None for o in found)
    interval = clopper_pearson(happened, len(found), level=0.95, covers=frozenset({"seed"}))
    bounds = f"95 % interval of the share {interval.low:.2f} to {interval.high:.2f}"
    return f"{name}: {happened} of {len(found)} networks reach 99 % on held-out pairs ({bounds})."


def _rows(settings: Settings, seeds: Sequence[int], results: Results) -> Iterator[dict[str, Any]]:
    """One row for each network whose time to grok is known or bounded."""
    few = seeds[: settings.curve_seeds]
    arms = [(arm, seeds) for arm in claim_arms(settings)] + [(arm, few) for arm in curve_arms(settings)]
    for arm, chosen in arms:
        for point in arm.points(settings, chosen):
            outcome = results.of(point)
            if outcome is not None:
                assert isinstance(point.spec, ModularArithmetic)
                recipe = point.spec.recipe.model_dump(include=_FIELDS)
                yield {"arm": arm.name, **recipe, **{name: outcome[name] for name in _TIMES}}
