"""Universality: architectures that have nothing in common but their task, and how far they come to agree on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, ModelWrapValidatorHandler, model_validator

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity
from gnomon.organisms.neighbour_teacher import NeighbourTeacher
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import geometric_mean_over_seeds, mean_over_seeds, of_each
from gnomon.phenomena.pairwise import Difference, simultaneous_differences
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.picture import Curve, Heatmap, Picture
from gnomon.phenomena.registry import register
from gnomon.phenomena.universality_experiment import KERNEL, NETWORKS, Contest, Count

_KORNBLITH = "Kornblith, Norouzi, Lee & Hinton, arXiv:1905.00414"
_PAIRS = "Mean over all pairs of network architectures; debiased linear CKA of what the outputs are read from."
WORST_ERROR = Quantity(
    name="worst_architecture_error",
    symbol=r"\max_a E_a",
    definition=r"\max_a \langle (f_a(x) - y(x))^2 \rangle / \operatorname{var} y",
    convention="On unseen examples, after training on the most examples; the best possible is 0, ignorance is 1.",
    source="Li, Yosinski, Clune, Lipson & Hopcroft, arXiv:1511.07543",
    lowest=0.0,
)
CKA_GAIN = Quantity(
    name="cka_gained_by_training",
    symbol=r"\Delta\mathrm{CKA}",
    definition=(
        r"\langle \mathrm{CKA}(a, b) \rangle_{a \neq b}^{\mathrm{trained}}"
        r" - \langle \mathrm{CKA}(a, b) \rangle_{a \neq b}^{\mathrm{untrained}}"
    ),
    convention=_PAIRS,
    source=_KORNBLITH,
    lowest=-2.0,
    highest=2.0,
)
CKA_SHARE = Quantity(
    name="cka_between_architectures_relative_to_seeds",
    symbol=r"\rho_\mathrm{CKA}",
    definition=r"\langle \mathrm{CKA}(a, b) \rangle_{a \neq b} / \langle \mathrm{CKA}(a, a') \rangle_a",
    convention=f"{_PAIRS} The denominator compares two initial weights of one architecture.",
    source=_KORNBLITH,
)


class Settings(Spec):
    """Settings of `Universality`; the fields are those of `Contest`."""

    examples: tuple[Count, ...] = (128, 512, 2048)
    parameters: Count = 4000
    width: Count = 16
    steps: Count = 400
    batch: Count = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    bandwidth: Annotated[float, Field(gt=0)] = 4.0
    ridge: Annotated[float, Field(gt=0)] = 1e-3
    test: Count = 1024
    probes: Annotated[int, Field(ge=16)] = 128
    teacher: NeighbourTeacher = NeighbourTeacher(tokens=5, positions=6)

    @model_validator(mode="wrap")
    @classmethod
    def _a_ladder(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        settings: Self = handler(values)
        if len(settings.examples) < 3 or list(settings.examples) != sorted(set(settings.examples)):
            raise GnomonError(f"{list(settings.examples)} is no ladder", mend="give 3 or more ascending numbers")
        if settings.probes > settings.test:
            raise GnomonError(
                f"{settings.probes} probes of {settings.test} test sequences", mend="lower probes or raise test"
            )
        return settings

    def contest(self, seed: int, *, shuffled: bool = False) -> Point:
        """The point of one seed. With targets dealt at random only the most examples are of interest."""
        shared = self.model_dump(exclude={"examples", "teacher"})
        examples = self.examples[-1:] if shuffled else self.examples
        # every seed has its own teacher, so that agreement is not that of one table
        teacher = self.teacher.model_copy(update={"seed": self.teacher.seed + seed})
        return Point(
            "universality", Contest(**shared, examples=examples, teacher=teacher, shuffled=shuffled, seed=seed)
        )


@register
class Universality(Phenomenon):
    """Six networks and a kernel machine on sums over neighbours, and on the same targets dealt at random."""

    name = "universality"
    title = "Universality"
    claim = (
        "A transformer, a recurrent network, a state space and a perceptron of one size, plain or gated, all learn the "
        "same task to near its optimum, and training makes their representations alike: between architectures at least "
        "half as much as between seeds of one. Their learning laws need not agree; the differences that survive are "
        "listed."
    )
    control = "The same targets dealt to the training examples at random: there is nothing to agree on."
    source = f"Li et al., arXiv:1511.07543; {_KORNBLITH}"
    presets: ClassVar[Mapping[Preset, Settings]] = {
        "quick": Settings(),
        "full": Settings(
            examples=(128, 256, 512, 1024, 2048, 4096),
            parameters=8000,
            width=24,
            steps=1500,
            test=4096,
            probes=512,
            teacher=NeighbourTeacher(tokens=6, positions=8),
        ),
    }

    def points(self, settings: Settings, seeds: Sequence[int]) -> Sequence[Point]:
        """See `Phenomenon.points`."""
        return [settings.contest(s, shuffled=shuffled) for shuffled in (False, True) for s in seeds]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        contests = [results.of(settings.contest(s)) for s in seeds]
        dealt = [results.of(settings.contest(s, shuffled=True)) for s in seeds]
        found, control = ([o for o in arm if o is not None] for arm in (contests, dealt))
        exponents = simultaneous_differences(_by_architecture(found, lambda e: _exponent(settings.examples, e)))
        errors = simultaneous_differences(_by_architecture(found, lambda e: math.log(e[-1])))
        return Finding(
            claims=_claims(contests),
            controls={"targets dealt at random": _claims(dealt)},
            pictures=_pictures(settings, found, control),
            curves={
                "learning": _learning(settings, seeds, results),
                "alignment": _alignment(settings, seeds, results),
                "exponent_differences": _columns(exponents),
                "log_error_differences": _columns(errors),
            },
            notes=_notes(exponents, errors, found),
        )


def _claims(found: Sequence[Outcome | None]) -> tuple[Claim, ...]:
    return (
        Claim(
            name="all_learn",
            statement="Every architecture, the kernel machine included, comes near the optimum of the task.",
            measurement=geometric_mean_over_seeds(
                WORST_ERROR, of_each(found, lambda o: max(e[-1] for e in o["errors"].values()))
            ),
            most=0.1,
        ),
        Claim(
            name="representations_meet",
            statement="Training makes the representations of different architectures more alike than they began.",
            measurement=mean_over_seeds(
                CKA_GAIN, of_each(found, lambda o: _between(o["trained"]) - _between(o["untrained"]))
            ),
            least=0.1,
        ),
        Claim(
            name="nearly_as_alike_as_seeds",
            statement="Architectures agree with each other at least half as much as an architecture with itself.",
            measurement=mean_over_seeds(
                CKA_SHARE, of_each(found, lambda o: _between(o["trained"]) / _within(o["trained"]))
            ),
            least=0.5,
        ),
    )


def _between(cka: Mapping[str, Mapping[str, float]]) -> float:
    return float(np.mean([cka[a][b] for a, b in itertools.combinations(NETWORKS, 2)]))


def _within(cka: Mapping[str, Mapping[str, float]]) -> float:
    return float(np.mean([cka[a][a] for a in NETWORKS]))


def _exponent(examples: Sequence[int], errors: Sequence[float]) -> float:
    """Minus the slope of log error in log examples, by least squares over the whole ladder."""
    return float(-np.polyfit(np.log(examples), np.log(errors), 1)[0])


def _by_architecture(found: Sequence[Outcome], value: Any) -> dict[str, list[float]]:
    return {name: [value(o["errors"][name]) for o in found] for name in (*NETWORKS, KERNEL)}


def _columns(differences: Sequence[Difference]) -> dict[str, list[Any]]:
    return {
        "first": [d.first for d in differences],
        "second": [d.second for d in differences],
        "difference": [d.value for d in differences],
        "low": [d.low for d in differences],
        "high": [d.high for d in differences],
        "survives": [d.survives for d in differences],
    }


def _learning(settings: Settings, seeds: Sequence[int], results: Results) -> dict[str, list[Any]]:
    """One row an architecture, number of examples and seed."""
    rows = [
        (name, n, error, seed)
        for seed in seeds
        for found in [results.of(settings.contest(seed))]
        if found is not None
        for name, errors in found["errors"].items()
        for n, error in zip(settings.examples, errors, strict=True)
    ]
    return {key: [row[i] for row in rows] for i, key in enumerate(("architecture", "examples", "error", "seed"))}


def _alignment(settings: Settings, seeds: Sequence[int], results: Results) -> dict[str, list[Any]]:
    """One row a pair of architectures, arm and seed."""
    rows = [
        (a, b, arm, found["trained"][a][b], found["untrained"][a][b], seed)
        for seed in seeds
        for arm in ("task", "random")
        for found in [results.of(settings.contest(seed, shuffled=arm == "random"))]
        if found is not None
        for a, b in itertools.combinations_with_replacement((*NETWORKS, KERNEL), 2)
    ]
    names = ("first", "second", "targets", "cka_trained", "cka_untrained", "seed")
    return {key: [row[i] for row in rows] for i, key in enumerate(names)}


def _notes(exponents: Sequence[Difference], errors: Sequence[Difference], found: Sequence[Outcome]) -> tuple[str, ...]:
    notes = []
    for what, differences in (("learning exponents", exponents), ("log errors at the most examples", errors)):
        if differences:
            half = (differences[0].high - differences[0].low) / 2
            surviving = [f"{d.first} − {d.second} {d.value:+.2f}" for d in differences if d.survives]
            notes.append(
                f"Of {len(differences)} differences in {what}, {len(surviving)} survive simultaneous 95 % intervals of "
                f"± {half:.2f}" + (": " + "; ".join(surviving) if surviving else "") + "."
            )
    if found:
        trained, untrained = (
            float(np.mean([o[key][name][KERNEL] for o in found for name in NETWORKS]))
            for key in ("trained", "untrained")
        )
        notes.append(
            f"The kernel learns no representation: the networks' CKA with it goes from {untrained:.2f} to {trained:.2f}"
            " on average."
        )
    return tuple(notes)


def _pictures(
    settings: Settings, found: Sequence[Outcome], control: Sequence[Outcome]
) -> tuple[Picture | Heatmap, ...]:
    names = (*NETWORKS, KERNEL)
    band = f"Median of {len(found)} seeds; the bands are their range."
    curves = []
    for name in names if found else ():
        errors = np.array([o["errors"][name] for o in found])
        curves.append(
            Curve(
                name=name,
                x=list(settings.examples),
                y=np.median(errors, axis=0).tolist(),
                low=errors.min(axis=0).tolist(),
                high=errors.max(axis=0).tolist(),
                style="both",
            )
        )
    if control:
        dealt = [float(np.median([o["errors"][name][-1] for name in names])) for o in control]
        curves.append(
            Curve(
                name="targets dealt at random",
                x=[settings.examples[-1]],
                y=[float(np.median(dealt))],
                low=[min(dealt)],
                high=[max(dealt)],
                style="points",
                dashed=True,
            )
        )
    learning = Picture(
        key="learning",
        title="Learning curves",
        caption=f"{band} The target has variance 1. The point: all architectures on targets dealt at random.",
        x="examples",
        y="mean squared error on unseen examples",
        curves=tuple(curves),
        log_x=True,
        log_y=True,
    )
    maps = [
        Heatmap(
            key=key,
            title=title,
            caption=f"Debiased linear CKA, mean of {len(rows)} seeds. On the diagonal, two initial weights.",
            x="architecture",
            y="architecture",
            values=[[float(np.mean([o[state][a][b] for o in rows])) for b in names] for a in names],
            x_labels=names,
            y_labels=names,
        )
        for key, title, rows, state in (
            ("trained", "Alike after training", found, "trained"),
            ("untrained", "Alike before training", found, "untrained"),
            ("random", "Alike after training on targets dealt at random", control, "trained"),
        )
        if rows
    ]
    return (learning, *maps)
