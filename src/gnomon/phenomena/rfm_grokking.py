"""Grokking without gradient descent: a recursive feature machine on modular addition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.measurement import Quantity, Unit
from gnomon.organisms import ModularAddition
from gnomon.organisms.recipe import Modulus, Positive, Share
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.circulant import circulant_share
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.picture import Curve, Heatmap, Picture, Rule
from gnomon.phenomena.registry import register
from gnomon.structure import KernelMachine, RecursiveFeatureMachine
from gnomon.structure.kernels import Gaussian

SOURCE = (
    "Mallinar, Beaglehole, Zhu, Radhakrishnan, Pandit & Belkin, ICML 2025, arXiv:2407.20199; recursive feature "
    "machines: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881"
)
_Outcomes = Sequence[Outcome | None]  # one a seed; None where its point failed
NEAR_ZERO = 0.05
GENERALISED = 0.99
_CONVENTION = "Rounds are counted from 0, plain kernel ridge regression; shares are of all examples of the split."

TRAIN_ACCURACY = Quantity(
    name="rfm_train_accuracy",
    symbol=r"\min_t a_\mathrm{train}(t)",
    definition=r"\min_t \frac1n \sum_{i\in\mathrm{train}} [\arg\max_c f_t(x_i)_c = a_i + b_i \bmod p]",
    convention=_CONVENTION,
    source=SOURCE,
    lowest=0.0,
    highest=1.0,
)
TEST_ACCURACY = Quantity(
    name="rfm_test_accuracy",
    symbol=r"a_\mathrm{test}(T)",
    definition=r"\frac1n \sum_{i\in\mathrm{test}} [\arg\max_c f_T(x_i)_c = a_i + b_i \bmod p]",
    convention=_CONVENTION + " T is the last round.",
    source=SOURCE,
    lowest=0.0,
    highest=1.0,
)
DELAY = Quantity(
    name="rfm_rounds_near_zero",
    symbol="t_0",
    definition=r"\min \{t : a_\mathrm{test}(t) > 0.05\}",
    convention=_CONVENTION + " If there is no such round, the number of rounds.",
    source=SOURCE,
    lowest=0.0,
)
CIRCULANT_SHARE = Quantity(
    name="circulant_share",
    symbol="R^2",
    definition=(
        r"1 - \frac{\sum_{ab} (B_{ab} - c_{b-a})^2}{\sum_{ab} (B_{ab} - \bar B)^2},\quad "
        r"c_k = \frac1p \sum_a B_{a,\,a+k \bmod p}"
    ),
    convention="B is the block of the average gradient outer product between the two operands, in the last round.",
    source=SOURCE,
    highest=1.0,
)
LEAD = Quantity(
    name="rfm_lead_of_features",
    symbol=r"t_{1/2}(a_\mathrm{test}) - t_{1/2}(h)",
    definition=r"t_{1/2}(h) = \min \{t : h(t) \ge \tfrac12 (h(0) + h(T))\}",
    convention=_CONVENTION + " h is the measure of features that the claim names.",
    source=SOURCE,
    unit=Unit(),
)


class RfmGrokkingSpec(Spec):
    """One recursive feature machine on one split of the pairs.

    Parameters
    ----------
    p, train_share, seed : modulus, share of the pairs that are training examples, and which; as `ModularAddition`.
    bandwidth : of the Gaussian kernel.
    power : of the average gradient outer product.
    rounds : how often the metric is learned.
    learns : whether it is learned at all; if not, there is round 0 only, as all rounds would be the same.
    """

    p: Modulus
    train_share: Share
    bandwidth: Positive
    power: Positive
    rounds: Annotated[int, Field(ge=1)]
    learns: bool = True
    seed: int = Field(default=0, ge=0)


@experiment("rfm_grokking")
def grow(spec: RfmGrokkingSpec) -> Outcome:
    """Accuracy, test error and features, round by round; the blocks of the first and the last round whole."""
    recipe = ModularAddition(p=spec.p, train_share=spec.train_share, seed=spec.seed)
    (x, classes), (new, answers) = (_examples(data) for data in recipe.data())
    targets = torch.nn.functional.one_hot(classes, spec.p).double()
    machine = RecursiveFeatureMachine(
        kernel=Gaussian(spec.bandwidth),
        power=spec.power,
        ridge=0.0,
        rounds=spec.rounds if spec.learns else 0,
        centred=True,
    )
    curves: dict[str, list[float]] = {
        name: [] for name in ("train_accuracy", "test_accuracy", "train_error", "test_error", "circulant_share")
    }
    blocks: list[NDArray[np.float64]] = []
    for one in machine.iterate(x, targets):
        curves["train_accuracy"].append(_accuracy(one.machine, x, classes))
        curves["test_accuracy"].append(_accuracy(one.machine, new, answers))
        curves["train_error"].append(one.train_error)
        wrong = one.machine.predict(new) - torch.nn.functional.one_hot(answers, spec.p)
        curves["test_error"].append(float(wrong.square().mean()))
        blocks.append(one.agop[: spec.p, spec.p :].numpy())
        curves["circulant_share"].append(circulant_share(blocks[-1]))
    alignment = [float(np.corrcoef(block.ravel(), blocks[-1].ravel())[0, 1]) for block in blocks]
    return {
        **curves,
        "alignment": alignment,
        "first_block": _in_units_of_the_largest(blocks[0]),
        "last_block": _in_units_of_the_largest(blocks[-1]),
    }


def _examples(data: Any) -> tuple[Tensor, Tensor]:
    return data.inputs.double(), data.targets


def _accuracy(machine: KernelMachine, inputs: Tensor, classes: Tensor) -> float:
    return float((machine.predict(inputs).argmax(dim=1) == classes).double().mean())


def _in_units_of_the_largest(block: NDArray[np.float64]) -> list[list[float]]:
    scaled: list[list[float]] = (block / np.abs(block).max()).round(5).tolist()
    return scaled


class RfmGrokkingSettings(Spec):
    """Settings of `RfmGrokking`; see `RfmGrokkingSpec`.

    Parameters
    ----------
    few_share : share of the pairs in the control with too few of them.
    further_shares : further shares at which the delay is measured, for the laws to come.
    """

    p: Modulus = 29
    train_share: Share = 0.7
    few_share: Share = 0.3
    further_shares: tuple[Share, ...] = ()
    bandwidth: Positive = 2.5
    power: Positive = 0.5
    rounds: Annotated[int, Field(ge=1)] = 20


@register
class RfmGrokking(Phenomenon):
    """Grokking without gradient descent and without a neural network: see ``claim``."""

    name: ClassVar[str] = "rfm_grokking"
    title: ClassVar[str] = "Grokking without gradient descent"
    claim: ClassVar[str] = (
        "A recursive feature machine fits its training pairs of modular addition in every round; its test accuracy "
        "stays near zero for several rounds, then reaches 99 %, when the features have become circulant; the "
        "features move first."
    )
    control: ClassVar[str] = (
        "The same kernel without feature learning; and the same machine with too few training pairs."
    )
    source: ClassVar[str] = SOURCE
    presets: ClassVar[Mapping[Preset, Spec]] = {
        "quick": RfmGrokkingSettings(),
        "full": RfmGrokkingSettings(
            p=61, train_share=0.5, few_share=0.2, further_shares=(0.35, 0.4, 0.45, 0.55, 0.6), rounds=32
        ),
    }
    seeds: ClassVar[Mapping[Preset, int]] = {"quick": 6, "full": 6}

    def points(self, settings: RfmGrokkingSettings, seeds: Sequence[int]) -> Sequence[Point]:
        """See `Phenomenon.points`."""
        arms = [
            *(self._arm(settings, share, seeds) for share in (settings.train_share, *settings.further_shares)),
            self._arm(settings, settings.train_share, seeds, learns=False),
            self._arm(settings, settings.few_share, seeds),
        ]
        return [point for arm in arms for point in arm]

    def judge(self, settings: RfmGrokkingSettings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        main, plain, few = (
            [results.of(point) for point in arm]
            for arm in (
                self._arm(settings, settings.train_share, seeds),
                self._arm(settings, settings.train_share, seeds, learns=False),
                self._arm(settings, settings.few_share, seeds),
            )
        )
        return Finding(
            claims=(_fitted(main), _late(main), *_learned(main), *_first(main)),
            controls={"without feature learning": _learned(plain), "too few pairs": _learned(few)},
            pictures=_pictures(settings, *([o for o in arm if o is not None] for arm in (main, plain, few))),
            curves={"delay": self._delays(settings, seeds, results)},
        )

    def _arm(
        self, settings: RfmGrokkingSettings, share: float, seeds: Sequence[int], *, learns: bool = True
    ) -> list[Point]:
        common = {name: getattr(settings, name) for name in ("p", "bandwidth", "power", "rounds")}
        specs = [RfmGrokkingSpec(**common, train_share=share, learns=learns, seed=seed) for seed in seeds]
        return [Point("rfm_grokking", spec) for spec in specs]

    def _delays(
        self, settings: RfmGrokkingSettings, seeds: Sequence[int], results: Results
    ) -> Mapping[str, Sequence[Any]]:
        """Rounds until the test accuracy is 99 % (``None``: never), against the share of pairs; one row a seed."""
        shares = (settings.train_share, settings.few_share, *settings.further_shares)
        points = [point for share in shares for point in self._arm(settings, share, seeds)]
        found = [(p.spec, outcome) for p in points if (outcome := results.of(p)) is not None]
        rows = [
            (settings.p, spec.train_share, spec.seed, _reached(outcome["test_accuracy"], GENERALISED))  # type: ignore[attr-defined]
            for spec, outcome in found
        ]
        names = ("p", "train_share", "seed", "rounds")
        return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _reached(curve: Sequence[float], level: float) -> int | None:
    return next((t for t, value in enumerate(curve) if value >= level), None)


def _halfway(curve: Sequence[float]) -> int:
    """The first round at which ``curve`` has gone half of its way."""
    middle, rises = (curve[0] + curve[-1]) / 2, curve[-1] >= curve[0]
    return next(t for t, value in enumerate(curve) if (value >= middle if rises else value <= middle))


def _lead(outcome: Outcome, measure: str) -> float:
    return float(_halfway(outcome["test_accuracy"]) - _halfway(outcome[measure]))


def _fitted(outcomes: _Outcomes) -> Claim:
    return Claim(
        name="fits_its_training_pairs",
        statement="The training pairs are fitted in every round.",
        measurement=median_over_seeds(TRAIN_ACCURACY, of_each(outcomes, lambda o: min(o["train_accuracy"]))),
        least=GENERALISED,
    )


def _late(outcomes: _Outcomes) -> Claim:
    def rounds(outcome: Outcome) -> float:
        curve = outcome["test_accuracy"]
        return next((t for t, accuracy in enumerate(curve) if accuracy > NEAR_ZERO), len(curve))

    return Claim(
        name="test_accuracy_near_zero_at_first",
        statement="The test accuracy is 5 % at most in several rounds from the start.",
        measurement=median_over_seeds(DELAY, of_each(outcomes, rounds)),
        least=3.0,
    )


def _learned(outcomes: _Outcomes) -> tuple[Claim, ...]:
    """What feature learning brings in the end: what the controls must not have."""
    return (
        Claim(
            name="generalises_at_last",
            statement="In the last round the test pairs are answered.",
            measurement=median_over_seeds(TEST_ACCURACY, of_each(outcomes, lambda o: o["test_accuracy"][-1])),
            least=GENERALISED,
        ),
        Claim(
            name="features_are_circulant",
            statement="In the last round the features are circulant between the two operands.",
            measurement=median_over_seeds(CIRCULANT_SHARE, of_each(outcomes, lambda o: o["circulant_share"][-1])),
            least=0.9,
        ),
    )


def _first(outcomes: _Outcomes) -> tuple[Claim, ...]:
    words = {"circulant_share": "The circulant share", "alignment": "The correlation with the final features"}
    return tuple(
        Claim(
            name=f"{name}_moves_first",
            statement=f"{words[name]} has gone half of its way before the test accuracy has.",
            measurement=median_over_seeds(
                LEAD,
                of_each(outcomes, partial(_lead, measure=name)),
                labels={"measure": name},
            ),
            least=1.0,
        )
        for name in words
    )


def _pictures(
    settings: RfmGrokkingSettings, main: Sequence[Outcome], plain: Sequence[Outcome], few: Sequence[Outcome]
) -> tuple[Picture | Heatmap, ...]:
    if not (main and plain and few):
        return ()
    flat = [{key: o[key] * (settings.rounds + 1) for key in ("test_accuracy", "test_error")} for o in plain]
    rounds = Picture(
        key="rounds",
        title=f"Addition mod {settings.p}: accuracy and features, round by round",
        caption=(
            f"Medians over {len(main)} seeds; bands from the lowest to the highest seed. The training accuracy is 1 "
            "from the first round and tells nothing; the features become circulant while the test accuracy is still "
            f"zero. Dashed: the controls. Chance is 1/{settings.p}."
        ),
        x="round",
        y="share",
        curves=(
            _band("train accuracy", main, "train_accuracy"),
            _band("test accuracy", main, "test_accuracy"),
            _band("circulant share of the features", main, "circulant_share"),
            _band("correlation with the final features", main, "alignment"),
            _band("test accuracy without feature learning", flat, "test_accuracy", dashed=True),
            _band(f"test accuracy with {settings.few_share:.0%} of the pairs", few, "test_accuracy", dashed=True),
        ),
        rules=(Rule(label="99 %", y=GENERALISED),),
    )
    errors = Picture(
        key="errors",
        title="The error on the test pairs does not announce it",
        caption=(
            f"Mean squared error over test pairs and classes; median and range of {len(main)} seeds. Guessing the mean "
            "of the classes has (1 - 1/p)/p."
        ),
        x="round",
        y="mean squared error",
        curves=(
            _band("test error", main, "test_error"),
            _band("test error without feature learning", flat, "test_error", dashed=True),
        ),
        rules=(Rule(label="guessing the mean", y=(1 - 1 / settings.p) / settings.p),),
    )
    maps = tuple(
        Heatmap(
            key=key,
            title=title,
            caption=(
                "Average gradient outer product between the operands a (down) and b (across), over its largest "
                f"entry, at seed 0; circulant share {share:.2f}."
            ),
            x="b",
            y="a",
            values=main[0][block],
            diverging=True,
        )
        for key, title, block, share in (
            ("first_features", "Features before learning", "first_block", main[0]["circulant_share"][0]),
            ("last_features", "Features after the last round", "last_block", main[0]["circulant_share"][-1]),
        )
    )
    return (rounds, errors, *maps)


def _band(name: str, outcomes: Sequence[Mapping[str, Any]], key: str, *, dashed: bool = False) -> Curve:
    values = [o[key] for o in outcomes]
    return band_over_seeds(name, range(len(values[0])), values, dashed=dashed)
