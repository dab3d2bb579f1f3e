"""Strands: what it takes to recover one relevant direction, and how few matter at each context."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity, Unit
from gnomon.organisms.recipe import Count, Positive
from gnomon.phenomena import strands_pictures as pictures
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import mean_over_seeds, median_over_seeds, of_each
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.registry import register
from gnomon.phenomena.strands_contexts import ContextsSpec
from gnomon.phenomena.strands_recovery import METHODS, RecoverySpec, expected_squared_cosine

_AGOP = "Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881"
_COSINE = "Mean over trials; w is the direction that decides the class, at unit length."

SQUARED_COSINE = Quantity(
    name="squared_cosine_of_direction",
    symbol=r"\cos^2",
    definition=r"\mathbb{E}\,(\hat w^\top w)^2",
    convention=_COSINE + " At the largest number of examples.",
    source="gnomon; AGOP: " + _AGOP,
    lowest=0.0,
    highest=1.0,
)
DEVIATION = Quantity(
    name="squared_cosine_deviation",
    symbol=r"\Delta \cos^2",
    definition=(
        r"\mathbb{E}\,(\hat w^\top w)^2 - \sum_{j} \frac{e^{-\lambda/2} (\lambda/2)^j}{j!} \frac{1+2j}{d+2j},\quad "
        r"\lambda = n / \sigma^2"
    ),
    convention=_COSINE + " Mean over dimensions and numbers of examples.",
    source="mean of the noncentral beta distribution: Johnson, Kotz & Balakrishnan, vol. 2 (1995), chapter 30",
)
DIMENSION_EXPONENT = Quantity(
    name="sample_complexity_dimension_exponent",
    symbol="a",
    definition=r"n_{1/2} \propto d^{\,a}",
    convention=(
        "The number of examples at which the squared cosine is 1/2, from a straight line of its log-odds against ln n; "
        "a by least squares over dimensions, on logarithms."
    ),
    source="gnomon; mean difference: n = (d - 2) σ² in the limit of large d",
)
NOISE_EXPONENT = Quantity(
    name="sample_complexity_noise_exponent",
    symbol="b",
    definition=r"n_{1/2} \propto \sigma^{b}",
    convention="As for the dimension; σ is the standard deviation of the noise in every direction.",
    source="gnomon; mean difference: n = (d - 2) σ² in the limit of large d",
)
LOCAL_DIMENSION = Quantity(
    name="strand_dimension",
    symbol=r"\tilde d_\mathrm{loc}",
    definition=r"\operatorname{median}_x (\operatorname{tr} J^\top J)^2 / \operatorname{tr} (J^\top J)^2",
    convention="J is the Jacobian of the trained network's outputs in the contents, at one context.",
    source="gnomon, see the quantity local_relevant_dimension",
    unit=Unit.parse("dimension"),
    lowest=0.0,
)
DIMENSION_RATIO = Quantity(
    name="data_to_strand_dimension",
    symbol=r"d_\mathrm{PR} / \tilde d_\mathrm{loc}",
    definition=r"\frac{(\operatorname{tr} C)^2 / \operatorname{tr} C^2}{\tilde d_\mathrm{loc}}",
    convention="C is the covariance of the contents.",
    source="gnomon; participation ratio: Gao et al., bioRxiv 214262 (2017)",
    lowest=0.0,
)


class StrandsSettings(Spec):
    """Settings of `Strands`; see `RecoverySpec` and `ContextsSpec`.

    Parameters
    ----------
    dimensions : at which the linear target is recovered, with noise 1.
    noises : at which it is recovered in the lowest dimension.
    even_dimension, even_ratios : of the target that is even.
    rounds : of the recursive feature machine, on the even target; on the linear one it is a plain kernel machine.
    contexts : numbers of contexts; the claim is about the last.
    """

    dimensions: tuple[Count, ...] = (32, 64, 128)
    noises: tuple[Positive, ...] = (0.5, 1.0, 2.0)
    ratios: tuple[Positive, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    trials: Count = 16
    even_dimension: Count = 24
    even_ratios: tuple[Positive, ...] = (2.0, 4.0, 8.0, 16.0, 32.0)
    even_trials: Count = 6
    rounds: Count = 3
    contexts: tuple[Count, ...] = (2, 4, 8)
    active: Count = 2
    steps: Count = 600


@register
class Strands(Phenomenon):
    """Few directions carry a prediction, and few examples show them: see ``claim``."""

    name: ClassVar[str] = "strands"
    title: ClassVar[str] = "Strands"
    claim: ClassVar[str] = (
        "The number of examples that recovers one relevant direction grows like the ambient dimension, for mean "
        "difference (as its closed form says), logistic regression and the gradients of a kernel machine; where the "
        "classes have one mean, the gradients of a recursive feature machine still find it. In a network whose task "
        "uses r of many directions at each context, r matter at each, far fewer than the data have."
    )
    control: ClassVar[str] = (
        "Permuted classes, from which nothing is recovered; and a task that uses all directions at every context."
    )
    source: ClassVar[str] = "gnomon; recursive feature machines: " + _AGOP
    presets: ClassVar[Mapping[Preset, Spec]] = {
        "quick": StrandsSettings(),
        "full": StrandsSettings(
            dimensions=(32, 64, 128, 256, 512),
            noises=(0.5, 0.7, 1.0, 1.4, 2.0),
            trials=32,
            even_dimension=48,
            even_trials=12,
            contexts=(2, 3, 4, 5, 6, 7, 8),
            steps=2400,
        ),
    }
    seeds: ClassVar[Mapping[Preset, int]] = {"quick": 6, "full": 8}

    def points(self, settings: StrandsSettings, seeds: Sequence[int]) -> Sequence[Point]:
        """See `Phenomenon.points`."""
        arms = _Arms(settings, seeds)
        every = [
            *(arms.linear(dimension=d) for d in settings.dimensions),
            *(arms.linear(noise=s) for s in settings.noises),
            arms.linear(shuffled=True),
            arms.even(),
            arms.even(rounds=0),
            arms.even(shuffled=True),
            *(arms.contexts(k) for k in settings.contexts),
            arms.contexts(settings.contexts[-1], gated=False),
        ]
        return [point for arm in every for point in arm]

    def judge(self, settings: StrandsSettings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        arms = _Arms(settings, seeds)

        def found(arm: Sequence[Point]) -> _Outcomes:
            return [results.of(point) for point in arm]

        by_dimension = {d: found(arms.linear(dimension=d)) for d in settings.dimensions}
        by_noise = {s: found(arms.linear(noise=s)) for s in settings.noises}
        permuted = found(arms.linear(shuffled=True))
        even, shuffled, plain = found(arms.even()), found(arms.even(shuffled=True)), found(arms.even(rounds=0))
        gated = {k: found(arms.contexts(k)) for k in settings.contexts}
        dense = found(arms.contexts(settings.contexts[-1], gated=False))
        several = settings.contexts[-1], settings.active
        return Finding(
            claims=(
                _as_in_theory(by_dimension),
                *(_grows_with_dimension(by_dimension, name) for name in METHODS),
                _grows_with_noise(by_noise),
                *_recovered(by_dimension[settings.dimensions[0]]),
                _found_by_gradients(even),
                _missed_by_means(even),
                *_few_matter(gated[settings.contexts[-1]], *several),
            ),
            controls={
                "permuted classes, linear": _recovered(permuted),
                "permuted classes, even": (_found_by_gradients(shuffled),),
                "all directions in every context": _few_matter(dense, *several),
            },
            pictures=pictures.drawn(
                {d: _there(of) for d, of in by_dimension.items()},
                _there(permuted),
                {
                    "recursive feature machine": _there(even),
                    "plain kernel machine": _there(plain),
                    "permuted classes": _there(shuffled),
                },
                {k: _there(of) for k, of in gated.items()},
                _there(dense),
                even_dimension=settings.even_dimension,
                active=settings.active,
            ),
            curves=_curves(settings, seeds, by_dimension, by_noise),
            notes=_notes(gated),
        )


_Outcomes = Sequence[Outcome | None]  # one a seed; None where its point failed


def _there(outcomes: _Outcomes) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome is not None]


class _Arms:
    """The points of each arm, one a seed."""

    def __init__(self, settings: StrandsSettings, seeds: Sequence[int]) -> None:
        self.settings = settings
        self.seeds = seeds

    def linear(self, *, dimension: int | None = None, noise: float = 1.0, shuffled: bool = False) -> list[Point]:
        s = self.settings
        return self._recovery(
            target="linear",
            dimension=s.dimensions[0] if dimension is None else dimension,
            noise=noise,
            ratios=s.ratios,
            trials=s.trials,
            shuffled=shuffled,
            rounds=0,
        )

    def even(self, *, rounds: int | None = None, shuffled: bool = False) -> list[Point]:
        s = self.settings
        return self._recovery(
            target="even",
            dimension=s.even_dimension,
            ratios=s.even_ratios,
            trials=s.even_trials,
            shuffled=shuffled,
            rounds=s.rounds if rounds is None else rounds,
        )

    def contexts(self, number: int, *, gated: bool = True) -> list[Point]:
        s = self.settings
        specs = [
            ContextsSpec(contexts=number, active=s.active, gated=gated, steps=s.steps, seed=seed) for seed in self.seeds
        ]
        return [Point("strands_contexts", spec) for spec in specs]

    def _recovery(self, **fields: Any) -> list[Point]:
        return [Point("strands_recovery", RecoverySpec(**fields, seed=seed)) for seed in self.seeds]


def half_recovered(outcome: Outcome, method: str) -> float:
    """The number of examples at which the squared cosine is 1/2; infinite where it does not rise with n.

    A straight line of the log-odds of the squared cosine against ln n, by least squares: for the mean difference that
    line is the theory, with slope 1, up to terms of order 1/d.
    """
    squares = np.clip(outcome[method], 1e-6, 1 - 1e-6)
    slope, level = np.polyfit(np.log(outcome["examples"]), np.log(squares / (1 - squares)), 1)
    return math.exp(min(-level / slope, 700.0)) if slope > 0 else math.inf


def _exponents(by_size: Mapping[Any, _Outcomes], method: str) -> list[float]:
    """For each seed, the slope of ln n½ against the logarithm of the size; NaN where an n½ is not known or infinite."""
    sizes = np.log(list(by_size))
    slopes = []
    for outcomes in zip(*by_size.values(), strict=True):
        halves = [math.nan if o is None else half_recovered(o, method) for o in outcomes]
        slopes.append(float(np.polyfit(sizes, np.log(halves), 1)[0]) if np.isfinite(halves).all() else math.nan)
    return slopes


def _as_in_theory(by_dimension: Mapping[int, _Outcomes]) -> Claim:
    def deviation(dimension: int, outcome: Outcome) -> float:
        expected = [expected_squared_cosine(dimension, n) for n in outcome["examples"]]
        return float(np.mean(outcome["mean_difference"]) - np.mean(expected))

    every = [of_each(outcomes, partial(deviation, d)) for d, outcomes in by_dimension.items()]
    deviations = np.mean(np.array(every, dtype=np.float64), axis=0).tolist()
    return Claim(
        name="mean_difference_is_as_in_theory",
        statement="The mean difference recovers the direction as well as its closed form says.",
        measurement=mean_over_seeds(DEVIATION, deviations),
        least=-0.02,
        most=0.02,
    )


def _grows_with_dimension(by_dimension: Mapping[int, _Outcomes], method: str) -> Claim:
    return Claim(
        name=f"{method}_examples_grow_like_dimension",
        statement=f"The number of examples that {_words(method)} needs is proportional to the dimension.",
        measurement=mean_over_seeds(DIMENSION_EXPONENT, _exponents(by_dimension, method), labels={"method": method}),
        least=0.9,
        most=1.1,
    )


def _grows_with_noise(by_noise: Mapping[float, _Outcomes]) -> Claim:
    return Claim(
        name="mean_difference_examples_grow_like_noise_squared",
        statement="The number of examples that the mean difference needs is proportional to the variance of the noise.",
        measurement=mean_over_seeds(
            NOISE_EXPONENT, _exponents(by_noise, "mean_difference"), labels={"method": "mean_difference"}
        ),
        least=1.8,
        most=2.2,
    )


def _recovered(outcomes: _Outcomes) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            name=f"{method}_recovers_the_direction",
            statement=f"At the largest number of examples {_words(method)} recovers half of the direction.",
            measurement=median_over_seeds(
                SQUARED_COSINE, of_each(outcomes, partial(_last, method)), labels={"method": method, "target": "linear"}
            ),
            least=0.5,
        )
        for method in METHODS
    )


def _last(method: str, outcome: Outcome) -> float:
    return float(outcome[method][-1])


def _found_by_gradients(outcomes: _Outcomes) -> Claim:
    return Claim(
        name="agop_recovers_what_has_no_mean",
        statement="Where the classes have one mean, a recursive feature machine recovers the direction.",
        measurement=median_over_seeds(
            SQUARED_COSINE, of_each(outcomes, partial(_last, "agop")), labels={"method": "agop", "target": "even"}
        ),
        least=0.9,
    )


def _missed_by_means(outcomes: _Outcomes) -> Claim:
    return Claim(
        name="mean_difference_misses_what_has_no_mean",
        statement="Where the classes have one mean, the mean difference does not recover the direction.",
        measurement=median_over_seeds(
            SQUARED_COSINE,
            of_each(outcomes, partial(_last, "mean_difference")),
            labels={"method": "mean_difference", "target": "even"},
        ),
        most=0.2,
    )


def _few_matter(outcomes: _Outcomes, contexts: int, active: int) -> tuple[Claim, ...]:
    def ratio(outcome: Outcome) -> float:
        return math.nan if outcome["participation"] is None else float(outcome["participation"] / outcome["local"])

    return (
        Claim(
            name="as_many_matter_as_a_context_uses",
            statement="At each context as many directions matter as the task uses there.",
            measurement=median_over_seeds(LOCAL_DIMENSION, of_each(outcomes, lambda o: o["local"])),
            least=0.8 * active,
            most=1.25 * active,
        ),
        Claim(
            name="far_fewer_matter_than_the_data_have",
            statement="At each context far fewer directions matter than the data have: half of the contexts' number.",
            measurement=median_over_seeds(DIMENSION_RATIO, of_each(outcomes, ratio)),
            least=contexts / 2,
        ),
    )


def _words(method: str) -> str:
    return {"mean_difference": "the mean difference", "logistic": "logistic regression", "agop": "the AGOP"}[method]


def _curves(
    settings: StrandsSettings,
    seeds: Sequence[int],
    by_dimension: Mapping[int, _Outcomes],
    by_noise: Mapping[float, _Outcomes],
) -> Mapping[str, Mapping[str, Sequence[Any]]]:
    """One row a method, dimension, noise, seed and number of examples."""
    cells = [(d, 1.0, outcomes) for d, outcomes in by_dimension.items()]
    cells += [(settings.dimensions[0], s, outcomes) for s, outcomes in by_noise.items() if s != 1.0]
    rows = [
        (method, d, noise, seed, n, square)
        for d, noise, outcomes in cells
        for seed, outcome in zip(seeds, outcomes, strict=True)
        if outcome is not None
        for method in METHODS
        for n, square in zip(outcome["examples"], outcome[method], strict=True)
    ]
    names = ("method", "dimension", "noise", "seed", "examples", "squared_cosine")
    return {"recovery": {name: [row[i] for row in rows] for i, name in enumerate(names)}}


def _notes(gated: Mapping[int, _Outcomes]) -> tuple[str, ...]:
    """Where the nearest neighbours give no dimension of the data, that is said."""
    refused = [k for k, outcomes in gated.items() if any(o["twonn"] is None for o in _there(outcomes))]
    if not refused:
        return ()
    numbers = ", ".join(map(str, refused))
    return (
        f"With {numbers} contexts TwoNN refuses the dimension of the data, too high for 2,000 rows; the claim rests on "
        "the participation ratio of the covariance.",
    )
