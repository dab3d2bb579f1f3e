"""Double descent: past the point where the training labels are fitted, the test error falls a second time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Measurement, Quantity
from gnomon.phenomena import double_descent_epochs, double_descent_features
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.double_descent_epochs import NoisyNetwork
from gnomon.phenomena.double_descent_features import FeatureLadder, Sizes
from gnomon.phenomena.double_descent_pictures import epochs_picture, ladder_picture, parts_picture
from gnomon.phenomena.evidence import geometric_mean_over_seeds, median_over_seeds
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.registry import register

SOURCE = (
    "Belkin, Hsu, Ma & Mandal, PNAS 116 (2019) 15849, arXiv:1812.11118; Nakkiran et al., arXiv:1912.02292; "
    "Mei & Montanari, arXiv:1908.05355"
)

INTERPOLATED = 1e-10
"""Training error, in units of what predicting zero gives, below which labels count as fitted exactly."""

Axis = Literal["width", "samples"]
AXES: tuple[Axis, ...] = ("width", "samples")
Fit = Literal["test_error", "ridge", "stopped"]

PLACE = Quantity(
    name="peak_place",
    symbol=r"N^*/N_0",
    definition=r"\arg\max_N R(N) \,/\, \min\{N : \hat R(N) = 0\}",
    convention="N is the width at a fixed number of examples or, turned over, the number of examples at a fixed width",
    source=SOURCE,
    dims=("axis",),
    lowest=0.0,
)
HEIGHT = Quantity(
    name="peak_height",
    symbol=r"h",
    definition=r"R(N_0) / \max\left(\min_{N<N_0} R,\; \min_{N>N_0} R\right)",
    convention="R is the squared error on held-out images with right labels",
    source=SOURCE,
    dims=("axis",),
    lowest=0.0,
)
RISE = Quantity(
    name="rise_over_epochs",
    symbol=r"R_\mathrm{fit}/R_\mathrm{early}",
    definition=r"\overline{R}_{0.1 \ge \hat R \ge 0.01} \,/\, \overline{R}_{0.5 \ge \hat R > 0.25}",
    convention="R, R̂ are shares of misclassified images, held out and for training, along the steps of training",
    source=SOURCE,
    lowest=0.0,
)
SECOND_FALL = Quantity(
    name="second_fall_over_epochs",
    symbol=r"R_\mathrm{fit}/R_\mathrm{end}",
    definition=r"\overline{R}_{0.1 \ge \hat R \ge 0.01} \,/\, \overline{R}_\mathrm{end}",
    convention="the end is the last tenth of the readings, which are even in the logarithm of the step",
    source=SOURCE,
    lowest=0.0,
)


class Settings(Spec):
    """The ladders and the network. Every ladder must hold the threshold, where width and samples are equal."""

    examples: int = Field(ge=50, le=1_000)
    widths: Sizes
    width: int = Field(ge=50, le=1_000)
    samples: Sizes
    noise: float = Field(default=0.2, gt=0, le=0.9)
    network: NoisyNetwork = NoisyNetwork()


@register
class DoubleDescent(Phenomenon):
    """See `claim`."""

    name: ClassVar[str] = "double_descent"
    title: ClassVar[str] = "Double descent"
    claim: ClassVar[str] = (
        "With noisy labels the test error of random features peaks where they just fit the training labels, in width "
        "and in samples, and falls again beyond; that of a network falls, rises while it fits the wrong labels, and "
        "falls again."
    )
    control: ClassVar[str] = (
        "No label noise, with which a network's test error does not rise; a tuned ridge penalty; early stopping. "
        "Under the last two there is no peak."
    )
    source: ClassVar[str] = SOURCE
    presets: ClassVar[Mapping[Preset, Settings]] = {
        "quick": Settings(
            examples=200,
            widths=(10, 20, 40, 80, 120, 160, 180, 190, 200, 210, 220, 250, 300, 500, 1_000, 2_000),
            width=200,
            samples=(50, 80, 120, 160, 180, 190, 200, 210, 220, 250, 300, 500, 800),
        ),
        "full": Settings(
            examples=400,
            widths=(
                10,
                20,
                40,
                80,
                160,
                240,
                320,
                360,
                380,
                390,
                400,
                410,
                420,
                440,
                500,
                600,
                800,
                1_600,
                4_000,
                8_000,
            ),
            width=400,
            samples=(50, 100, 200, 300, 360, 380, 390, 400, 410, 420, 440, 500, 600, 800, 1_000),
            network=NoisyNetwork(width=1_024, steps=6_000),
        ),
    }
    seeds: ClassVar[Mapping[Preset, int]] = {"quick": 6, "full": 12}

    def points(self, settings: Settings, seeds: Sequence[int]) -> Sequence[Point]:
        """Both ladders and the network, each with and without label noise."""
        return [
            point
            for noisy in (True, False)
            for seed in seeds
            for point in (
                _ladder(settings, "width", seed, noisy),
                _ladder(settings, "samples", seed, noisy),
                _network(settings, seed, noisy),
            )
        ]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        ladders = {
            (axis, noisy): [results.of(_ladder(settings, axis, seed, noisy)) for seed in seeds]
            for axis in AXES
            for noisy in (True, False)
        }
        networks = {noisy: [results.of(_network(settings, seed, noisy)) for seed in seeds] for noisy in (True, False)}

        def claims_of(fit: Fit, noisy: bool) -> tuple[Claim, ...]:
            return tuple(c for axis in AXES for c in _ladder_claims(settings, axis, ladders[axis, noisy], fit))

        claims = (*claims_of("test_error", True), *_epoch_claims(networks[True]))
        clean = (*claims_of("test_error", False), *_epoch_claims(networks[False]))
        stopped = [None if network is None else _stopped(network) for network in networks[True]]
        return Finding(
            claims=claims,
            controls={
                "no label noise": clean,
                "tuned ridge": claims_of("ridge", True),
                "early stopping": (*claims_of("stopped", True), *_epoch_claims(stopped)),
            },
            pictures=(
                ladder_picture(
                    "width",
                    settings.widths,
                    settings.examples,
                    _there(ladders["width", True]),
                    _there(ladders["width", False]),
                ),
                ladder_picture(
                    "samples",
                    settings.samples,
                    settings.width,
                    _there(ladders["samples", True]),
                    _there(ladders["samples", False]),
                ),
                epochs_picture(_there(networks[True]), _there(networks[False]), _there(stopped)),
                parts_picture(_there(networks[True])),
            ),
            curves={axis: _columns(_sizes(settings, axis), seeds, ladders[axis, True]) for axis in AXES},
            notes=_notes(claims, clean),
        )


_Outcomes = Sequence[Outcome | None]  # one a seed; None where its point failed


def _there(outcomes: _Outcomes) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome is not None]


def _ladder(settings: Settings, axis: Axis, seed: int, noisy: bool) -> Point:
    examples, widths = (
        ((settings.examples,), settings.widths) if axis == "width" else (settings.samples, (settings.width,))
    )
    noise = settings.noise if noisy else 0.0
    spec = FeatureLadder(examples=examples, widths=widths, noise=noise, seed=seed)
    return Point(double_descent_features.NAME, spec)


def _network(settings: Settings, seed: int, noisy: bool) -> Point:
    changes = {"seed": seed} if noisy else {"seed": seed, "noise": 0.0}
    return Point(double_descent_epochs.NAME, settings.network.changed(changes))


def _sizes(settings: Settings, axis: Axis) -> Sizes:
    return settings.widths if axis == "width" else settings.samples


def _ladder_claims(settings: Settings, axis: Axis, ladders: _Outcomes, fit: Fit) -> tuple[Claim, Claim]:
    sizes = np.array(_sizes(settings, axis))
    places: list[float | None] = []
    heights: list[float | None] = []
    gaps = [0.0]
    for ladder in ladders:
        if ladder is None:
            places.append(math.nan)
            heights.append(math.nan)
            continue
        at = _threshold(axis, ladder)
        if at is None or not 0 < at < len(sizes) - 1:
            places.append(None)
            heights.append(None)
            continue
        error = np.array(ladder[fit])
        place = float(sizes[error.argmax()] / sizes[at])
        places.append(1 / place if axis == "samples" else place)
        heights.append(float(error[at] / max(error[:at].min(), error[at + 1 :].min())))
        gaps.append(float(max(sizes[at + 1] - sizes[at], sizes[at] - sizes[at - 1]) / sizes[at]))
    place_measured = _widened(_median(PLACE, places, axis), max(gaps) / 2)
    return (
        Claim(
            name=f"{axis}_peak_at_threshold",
            statement=f"Along {axis}, the test error is largest where the training labels just are fitted exactly.",
            measurement=place_measured,
            least=0.9,
            most=1.1,
        ),
        Claim(
            name=f"{axis}_peak_height",
            statement=f"Along {axis}, the test error there is a multiple of the least on either side.",
            measurement=_median(HEIGHT, heights, axis),
            least=2.0,
        ),
    )


def _threshold(axis: Axis, ladder: Outcome) -> int | None:
    """Where labels just are fitted: the least width, or the most samples, with a training error of zero."""
    fitted = np.flatnonzero(np.array(ladder["train_error"]) < INTERPOLATED)
    if not len(fitted):
        return None
    return int(fitted[0] if axis == "width" else fitted[-1])


def _median(quantity: Quantity, values: Sequence[float | None], axis: Axis) -> Measurement:
    if None in values:
        return Measurement.insufficient(
            quantity, "the labels are fitted exactly nowhere inside the ladder", labels={"axis": axis}
        )
    return median_over_seeds(quantity, values, labels={"axis": axis})


def _widened(measurement: Measurement, spacing: float) -> Measurement:
    if measurement.status != "ok":
        return measurement
    source = "half the spacing of the ladder at the threshold"
    return replace(
        measurement,
        uncertainty=replace(measurement.uncertainty, systematic=spacing, systematic_source=source),
    )


def _epoch_claims(networks: _Outcomes) -> tuple[Claim, Claim]:
    stages = [None if network is None else _stages(network) for network in networks]
    return (
        Claim(
            name="epochs_rise",
            statement="Along epochs, the test error rises while the last tenth of the training labels is fitted.",
            measurement=_mean_ratio(RISE, [s and s[1] / s[0] for s in stages]),
            least=1.1,
        ),
        Claim(
            name="epochs_second_descent",
            statement="Once all training labels are fitted, the test error falls again.",
            measurement=_mean_ratio(SECOND_FALL, [s and s[1] / s[2] for s in stages]),
            least=1.0,
        ),
    )


def _mean_ratio(quantity: Quantity, ratios: Sequence[float | None]) -> Measurement:
    measured = [ratio for ratio in ratios if ratio is not None]
    if len(measured) < len(ratios):
        return Measurement.insufficient(
            quantity,
            f"{len(ratios) - len(measured)} of {len(ratios)} networks failed or did not fit their labels in time",
        )
    return geometric_mean_over_seeds(quantity, measured)


def _stages(network: Outcome) -> tuple[float, float, float] | None:
    """Mean test error while half to three quarters of the labels are fitted, 90 % to 99 %, and at the end.

    They are means over stages that the training error sets: the least of a noisy curve would be too low. ``None`` where
    a stage has no reading.
    """
    train, test = np.array(network["train_error"]), np.array(network["test_error"])
    early = (train <= 0.5) & (train > 0.25)
    start, stop = (int((train <= share).argmax()) if (train <= share).any() else len(train) for share in (0.1, 0.01))
    last = len(test) - len(test) // 10
    if not early.any() or not start <= stop < last:
        return None
    return float(test[early].mean()), float(test[start : stop + 1].mean()), float(test[last:].mean())


def _stopped(network: Outcome) -> Outcome:
    """The same training, of which at every step the weights with the least validation error so far are used."""
    validation = np.array(network["validation_error"])
    best = [int(validation[: k + 1].argmin()) for k in range(len(validation))]
    return {**network, "test_error": [network["test_error"][k] for k in best]}


def _columns(sizes: Sizes, seeds: Sequence[int], ladders: _Outcomes) -> dict[str, list[float]]:
    found = {seed: ladder for seed, ladder in zip(seeds, ladders, strict=True) if ladder is not None}
    names = ("train_error", "test_error", "misclassified", "ridge", "stopped")
    columns = {name: [value for ladder in found.values() for value in ladder[name]] for name in names}
    return {
        "size": [float(s) for _ in found for s in sizes],
        "seed": [float(i) for i in found for _ in sizes],
        **columns,
    }


def _notes(claims: Sequence[Claim], clean: Sequence[Claim]) -> tuple[str, ...]:
    with_noise, without = (
        next(c.measurement.value for c in arm if c.name == "width_peak_height") for arm in (claims, clean)
    )
    if with_noise is None or without is None:
        return ()
    return (
        "Without label noise the random features peak at the same place, "
        f"{float(without):.3g} times as high as the least on either side ({float(with_noise):.3g} with noise): what so "
        "few features cannot express acts as noise.",
    )
