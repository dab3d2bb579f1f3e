"""Benign overfitting: noise fitted exactly, and the excess risk falls all the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.measurement import Quantity
from gnomon.organisms.gaussian_interpolation import LinearData, interpolate
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import mean_over_seeds, median_over_seeds
from gnomon.phenomena.phenomenon import Finding, Phenomenon, Preset
from gnomon.phenomena.picture import Curve, Picture, Rule
from gnomon.phenomena.registry import register
from gnomon.randomness import Rng
from gnomon.theory.ridge_regression import RidgeRegression

SOURCE = "Bartlett, Long, Lugosi & Tsigler, PNAS 117 (2020) 30063, arXiv:1906.11300"

TRAIN_ERROR = Quantity(
    name="relative_train_error",
    symbol=r"\hat R/\sigma^2",
    definition=r"\frac{1}{n\sigma^2}\lVert X\hat\theta - y\rVert^2",
    convention="the largest over the ladder of n",
    source=SOURCE,
    lowest=0.0,
)
EXPONENT = Quantity(
    name="excess_risk_exponent",
    symbol=r"\alpha",
    definition=r"E\,(x^\top(\hat\theta - \theta))^2 \propto n^{\alpha}",
    convention="least squares of the logarithms over the ladder of n; in expectation over noise and test example",
    source=SOURCE,
)
PRICE = Quantity(
    name="price_of_interpolation",
    symbol=r"R/\sigma^2",
    definition=r"E\,(x^\top(\hat\theta - \theta))^2/\sigma^2",
    convention="at the largest n of the ladder",
    source=SOURCE,
    lowest=0.0,
)

Arm = Literal["benign", "isotropic", "short_tail"]
ARMS: tuple[Arm, ...] = ("benign", "isotropic", "short_tail")
SPIKES = 5
_PRECISION = 1e-10


class Interpolation(Spec):
    r"""Minimum-norm interpolation of n noisy examples.

    ``benign``: 5 eigenvalues of 1 that carry the signal (:math:`\theta_i = 1/\sqrt 5`), and a flat tail of total weight
    :math:`\sqrt n` over the other of :math:`p = n^{3/2}` dimensions. ``isotropic``: all p eigenvalues are 1.
    ``short_tail``: the tail of benign is cut to p = 2n, its total weight kept.
    """

    spectrum: Arm
    examples: int = Field(ge=8)
    noise: float = Field(gt=0)
    seed: int = 0

    def data(self) -> LinearData:
        """The data it is drawn from."""
        n = self.examples
        p = 2 * n if self.spectrum == "short_tail" else round(n**1.5)
        coefficients, spectrum = np.zeros(p), np.ones(p)
        coefficients[:SPIKES] = SPIKES**-0.5
        if self.spectrum != "isotropic":
            spectrum[SPIKES:] = np.sqrt(n) / (p - SPIKES)
        return LinearData(spectrum=spectrum, coefficients=coefficients, noise=self.noise)


@experiment("minimum_norm_interpolation")
def interpolation(spec: Interpolation) -> Outcome:
    """Bias, variance and training error of one draw."""
    found = interpolate(spec.data(), spec.examples, Rng(spec.seed).child("interpolation", spec.examples))
    return {"bias": found.bias, "variance": found.variance, "train_error": found.train_error}


Ladder = Annotated[tuple[int, ...], Field(min_length=3)]


class Settings(Spec):
    """The ladder of n, and the noise (the signal has variance 1)."""

    examples: Ladder
    noise: float = Field(default=0.25, gt=0)


@register
class BenignOverfitting(Phenomenon):
    """See `claim`."""

    name: ClassVar[str] = "benign_overfitting"
    title: ClassVar[str] = "Benign overfitting"
    claim: ClassVar[str] = (
        "The minimum-norm interpolator fits noisy labels exactly, and its excess risk falls with n all the same when "
        "the spectrum has few large eigenvalues and a long flat tail."
    )
    control: ClassVar[str] = (
        "A flat spectrum in as many dimensions: nothing is learned. The same tail cut to 2n dimensions: the noise "
        "that is fitted harms the prediction at every n."
    )
    source: ClassVar[str] = SOURCE
    presets: ClassVar[Mapping[Preset, Settings]] = {
        "quick": Settings(examples=(64, 128, 256, 512)),
        "full": Settings(examples=(64, 128, 256, 512, 1024)),
    }
    seeds: ClassVar[Mapping[Preset, int]] = {"quick": 6, "full": 12}

    def points(self, settings: Settings, seeds: Sequence[int]) -> Sequence[Point]:
        """Every spectrum at every n."""
        return [_point(settings, arm, n, seed) for arm, n, seed in product(ARMS, settings.examples, seeds)]

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """See `Phenomenon.judge`."""
        ladders = {arm: _ladders(settings, seeds, results, arm) for arm in ARMS}
        claims = {arm: _claims(settings, of_seeds) for arm, of_seeds in ladders.items()}
        rows = [
            (arm, seed, n, found["bias"], found["variance"])
            for arm, by_seed in ladders.items()
            for seed, ladder in _whole(by_seed).items()
            for n, found in zip(settings.examples, ladder, strict=True)
        ]
        columns = ("spectrum", "seed", "n", "bias", "variance")
        return Finding(
            claims=claims["benign"],
            controls={"isotropic spectrum": claims["isotropic"], "short tail": claims["short_tail"]},
            pictures=(_risk_picture(settings, ladders), _parts_picture(settings, ladders["benign"])),
            curves={"excess_risk": dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))} if rows else {},
        )


def _point(settings: Settings, arm: Arm, n: int, seed: int) -> Point:
    return Point("minimum_norm_interpolation", Interpolation(spectrum=arm, examples=n, noise=settings.noise, seed=seed))


_Ladder = list[Outcome] | None
_Ladders = Mapping[int, _Ladder]


def _ladders(settings: Settings, seeds: Sequence[int], results: Results, arm: Arm) -> _Ladders:
    """By seed, the outcomes along n; ``None`` where one of its points failed."""
    every = {seed: results.all([_point(settings, arm, n, seed) for n in settings.examples]) for seed in seeds}
    return {seed: found if len(found) == len(settings.examples) else None for seed, found in every.items()}


def _whole(ladders: _Ladders) -> dict[int, list[Outcome]]:
    return {seed: ladder for seed, ladder in ladders.items() if ladder is not None}


def _claims(settings: Settings, ladders: _Ladders) -> tuple[Claim, ...]:
    log_n = np.log(settings.examples)

    def each(read: Callable[[list[Outcome]], float]) -> list[float]:
        return [math.nan if ladder is None else read(ladder) for ladder in ladders.values()]

    def excess(ladder: list[Outcome]) -> list[float]:
        return [found["bias"] + found["variance"] for found in ladder]

    exponents = each(lambda ladder: float(np.polyfit(log_n, np.log(excess(ladder)), 1)[0]))
    residuals = each(lambda ladder: max(found["train_error"] for found in ladder) / settings.noise)
    return (
        Claim(
            name="noise_is_fitted",
            statement="The noisy labels are fitted to numerical precision at every n.",
            measurement=median_over_seeds(TRAIN_ERROR, residuals),
            most=_PRECISION,
        ),
        Claim(
            # theory gives −1/2 for this spectrum, and 0 where interpolation is not benign
            name="excess_risk_falls",
            statement="The excess risk falls as a power of n.",
            measurement=mean_over_seeds(EXPONENT, exponents),
            most=-0.25,
        ),
        Claim(
            name="interpolation_is_cheap",
            statement="At the largest n the excess risk is a small part of the noise that was fitted.",
            measurement=median_over_seeds(PRICE, each(lambda ladder: excess(ladder)[-1] / settings.noise)),
            most=0.25,
        ),
    )


_NAMES: Mapping[Arm, str] = {"benign": "benign spectrum", "isotropic": "isotropic", "short_tail": "short tail (p = 2n)"}


def _risk_picture(settings: Settings, ladders: Mapping[Arm, _Ladders]) -> Picture:
    seeds = max(len(_whole(of)) for of in ladders.values())
    curves = []
    for arm in ARMS:
        control = arm != "benign"
        curves.append(_band(settings, _NAMES[arm], ladders[arm], lambda f: f["bias"] + f["variance"], dashed=control))
        curves.append(
            Curve(
                name=f"{_NAMES[arm]}, theory",
                x=settings.examples,
                y=[_theory(settings, arm, n) for n in settings.examples],
                style="line",
                dashed=True,
                group=_NAMES[arm],
            )
        )
    return Picture(
        key="excess_risk",
        title="Excess risk of the minimum-norm interpolator",
        caption=(
            f"Points: exact given the inputs, median over {seeds} seeds, bands from least to largest. Dashed lines "
            "without points: the deterministic equivalent. The labels are fitted exactly everywhere."
        ),
        x="examples n",
        y="excess risk [variance of the signal]",
        curves=tuple(curves),
        rules=(Rule(label="variance of the noise", y=settings.noise),),
        log_x=True,
        log_y=True,
    )


def _parts_picture(settings: Settings, ladders: _Ladders) -> Picture:
    return Picture(
        key="bias_and_variance",
        title="What the benign spectrum leaves of bias and noise",
        caption=f"Median over {len(_whole(ladders))} seeds, bands from least to largest.",
        x="examples n",
        y="part of the excess risk [variance of the signal]",
        curves=(
            _band(settings, "bias", ladders, lambda f: f["bias"]),
            _band(settings, "variance", ladders, lambda f: f["variance"]),
        ),
        log_x=True,
        log_y=True,
    )


def _theory(settings: Settings, arm: Arm, n: int) -> float:
    data = Interpolation(spectrum=arm, examples=n, noise=settings.noise).data()
    at_n = RidgeRegression(eigenvalues=data.spectrum, coefficients=data.coefficients, samples=n, noise=settings.noise)
    return at_n.value()


def _band(
    settings: Settings, name: str, ladders: _Ladders, of: Callable[[Outcome], float], *, dashed: bool = False
) -> Curve:
    values = [[of(f) for f in ladder] for ladder in _whole(ladders).values()]
    return band_over_seeds(name, settings.examples, values, style="both", dashed=dashed)
