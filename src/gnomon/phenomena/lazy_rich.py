"""Lazy and rich learning, and infinite width: when the tangent kernel stands still, and outputs are Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.measurement import Quantity
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.claim import Claim
from gnomon.phenomena.evidence import median_over_seeds, of_each
from gnomon.phenomena.phenomenon import Finding, Phenomenon
from gnomon.phenomena.picture import Curve, Picture
from gnomon.phenomena.random_networks_experiment import (
    RandomNetworks,
    arc_cosine_covariance,
    exact_excess_kurtosis,
)
from gnomon.phenomena.registry import register
from gnomon.phenomena.tangent_drift_experiment import Lazy, Target

WIDTH_EXPONENT = Quantity(
    name="drift_width_exponent",
    symbol=r"\gamma_N",
    definition=r"\gamma_N = \frac{\mathrm{d} \log \lVert K - K_0 \rVert_F / \lVert K_0 \rVert_F}{\mathrm{d} \log N}",
    convention="Least squares through all widths, of geometric means over initial weights for the same examples.",
    source="Dyer & Gur-Ari, arXiv:1909.11304; Huang & Yau, arXiv:1909.08156 (the change is of order 1/N)",
)
SCALE_EXPONENT = Quantity(
    name="drift_scale_exponent",
    symbol=r"\gamma_\alpha",
    definition=r"\gamma_\alpha = \frac{\mathrm{d} \log \lVert K - K_0 \rVert_F / \lVert K_0 \rVert_F}"
    r"{\mathrm{d} \log \alpha}",
    convention="Least squares through all output scales α of the lazy end, with the same initial weights.",
    source="Chizat, Oyallon & Bach, arXiv:1812.07956",
)
BENEFIT = Quantity(
    name="rich_to_lazy_error",
    symbol=r"E_\mathrm{rich} / E_\mathrm{lazy}",
    definition=r"\frac{E_\mathrm{test}(\alpha_{\min})}{E_\mathrm{test}(\alpha_{\max})}",
    convention="Mean squared test errors of networks trained from the same weights to the same training error.",
    source="Chizat, Oyallon & Bach, arXiv:1812.07956; Ghorbani et al., arXiv:2006.13409",
    lowest=0.0,
)
KURTOSIS_EXPONENT = Quantity(
    name="kurtosis_width_exponent",
    symbol=r"\gamma_\kappa",
    definition=r"\gamma_\kappa = \frac{\mathrm{d} \log \kappa}{\mathrm{d} \log N}, \quad"
    r"\kappa = \frac{\mathbb{E} f^4}{(\mathbb{E} f^2)^2} - 3",
    source="Neal (1996); Yaida, arXiv:1910.00019 (the fourth cumulant is of order 1/N)",
)
KURTOSIS = Quantity(
    name="kurtosis_to_theory",
    symbol=r"\kappa / \kappa_\mathrm{th}",
    definition=r"\frac{\kappa}{15/N}",
    convention="Geometric mean over the widths; a ReLU network with one hidden layer.",
    source="Hanin & Nica, arXiv:1812.05994",
    lowest=0.0,
)
COVARIANCE = Quantity(
    name="covariance_error",
    symbol=r"\varepsilon_C",
    definition=r"\frac{\lVert C - C_\infty \rVert_F}{\lVert C_\infty \rVert_F}",
    convention="Of the outputs at four inputs at the largest width, from the arc-cosine kernel of order 1.",
    source="Cho & Saul (2009)",
    lowest=0.0,
)


class Settings(Spec):
    """Sizes; see `Lazy` and `RandomNetworks`.

    Parameters
    ----------
    widths, draws, examples : of the drift against width; ``draws`` initial weights for each seed's examples.
    scales, width : of the drift against output scale (at ``examples``), and the width of all that follows.
    feature_scales, feature_examples : of the test error from rich (small α) to lazy.
    dimension : d.
    random_widths, networks : of the random networks. The control's depth is ``width / widths_per_layer``.
    """

    widths: tuple[int, ...] = (512, 1024, 2048, 4096)
    draws: int = 10
    examples: int = 20
    scales: tuple[float, ...] = (16.0, 64.0, 256.0)
    width: int = 256
    feature_scales: tuple[float, ...] = (0.1, 0.3, 1.0, 4.0, 16.0)
    feature_examples: int = 200
    dimension: int = 20
    random_widths: tuple[int, ...] = (16, 32, 64, 128)
    widths_per_layer: int = 16
    networks: int = 2000


Parametrisation = Literal["ntk", "mean field"]
Depth = Literal["one layer", "depth grows"]


@register
class LazyRich(Phenomenon):
    """See the module."""

    name: ClassVar = "lazy_rich"
    title: ClassVar = "Lazy, rich, infinite width"
    claim: ClassVar = (
        "In the NTK parametrisation the tangent kernel moves by an amount proportional to 1/N while a network of width "
        "N learns, and to 1/α at a large output scale α; at a small one features are learned and a target with "
        "structure is learned better. Outputs of random networks approach a Gaussian process: excess kurtosis 15/N."
    )
    control: ClassVar = (
        "The mean-field parametrisation, whose kernel moves at every width; a target without structure; networks whose "
        "depth grows with their width, which never become Gaussian."
    )
    source: ClassVar = (
        "Jacot, Gabriel & Hongler, arXiv:1806.07572; Chizat, Oyallon & Bach, arXiv:1812.07956; "
        "Lee et al., arXiv:1902.06720"
    )
    presets: ClassVar = {
        "quick": Settings(),
        "full": Settings(
            widths=(512, 1024, 2048, 4096, 8192, 16384),
            draws=10,
            scales=(16.0, 32.0, 64.0, 128.0, 256.0, 512.0),
            feature_scales=(0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 16.0, 64.0),
            width=1024,
            random_widths=(16, 32, 64, 128, 256),
            networks=4000,
        ),
    }
    seeds: ClassVar = {"quick": 5, "full": 8}

    def points(self, settings: Settings, seeds: Sequence[int]) -> list[Point]:
        """Training at every width and scale, and random networks of every size."""
        found: list[Point] = []
        for seed in seeds:
            for width in settings.widths:
                for draw in range(settings.draws):
                    found += [_at_width(settings, width, kind, seed, draw) for kind in ("ntk", "mean field")]
            found += [_at_scale(settings, scale, seed) for scale in settings.scales]
            for scale in settings.feature_scales:
                found += [_features(settings, scale, kind, seed) for kind in ("single_index", "quadratic_form")]
            for width in settings.random_widths:
                found += [_random(settings, width, kind, seed) for kind in ("one layer", "depth grows")]
        return list({point.key: point for point in found}.values())  # both parametrisations share the least width

    def judge(self, settings: Settings, seeds: Sequence[int], results: Results) -> Finding:
        """Exponents and ratios, seed by seed, each with its control."""

        def read(point: Point, name: str) -> float:
            outcome = results.of(point)
            return float("nan") if outcome is None else float(outcome[name])

        def table(columns: Sequence[Any], value: Callable[[Any, int], float]) -> Table:
            return np.array([[value(column, seed) for column in columns] for seed in seeds])

        def drift(kind: Parametrisation) -> Table:
            def mean(width: int, seed: int) -> float:
                draws = [_at_width(settings, width, kind, seed, draw) for draw in range(settings.draws)]
                return float(np.exp(np.mean([np.log(read(p, "drift")) for p in draws])))

            return table(settings.widths, mean)

        def errors(kind: Target, name: str) -> Table:
            return table(settings.feature_scales, lambda a, seed: read(_features(settings, a, kind, seed), name))

        def kurtosis(kind: Depth) -> Table:
            return table(
                settings.random_widths, lambda n, seed: read(_random(settings, n, kind, seed), "excess_kurtosis")
            )

        drifts: dict[str, Table] = {"NTK": drift("ntk"), "mean field": drift("mean field")}
        scaled = table(settings.scales, lambda a, seed: read(_at_scale(settings, a, seed), "drift"))
        tested = {kind: errors(kind, "test_error") for kind in _TARGETS}
        moved = errors("single_index", "drift")
        kurtoses = {kind: kurtosis(kind) for kind in _DEPTHS}
        exact = np.array([exact_excess_kurtosis(n, 1) for n in settings.random_widths])
        widest = max(settings.random_widths)
        covariances = [results.of(_random(settings, widest, "one layer", seed)) for seed in seeds]
        ratio = np.exp(np.log(kurtoses["one layer"] / exact).mean(axis=1))
        claims = (
            _width_claim(settings, drifts["NTK"]),
            Claim(
                name="drift_against_scale",
                statement="The kernel's change is inversely proportional to a large output scale.",
                measurement=median_over_seeds(SCALE_EXPONENT, _slopes(settings.scales, scaled)),
                least=-1.1,
                most=-0.9,
            ),
            _features_claim(settings, tested["single_index"]),
            _kurtosis_claim(settings, kurtoses["one layer"]),
            Claim(
                name="kurtosis_constant",
                statement="The excess kurtosis of one hidden layer is 15/N.",
                measurement=median_over_seeds(KURTOSIS, ratio.tolist()),
                least=0.9,
                most=1.1,
            ),
            Claim(
                name="covariance",
                statement="The covariance of the outputs is the arc-cosine kernel.",
                measurement=median_over_seeds(COVARIANCE, of_each(covariances, _covariance_error)),
                most=0.02,
            ),
        )
        return Finding(
            claims=claims,
            controls={
                "mean field": (_width_claim(settings, drifts["mean field"]),),
                "target without structure": (_features_claim(settings, tested["quadratic_form"]),),
                "depth grows with width": (_kurtosis_claim(settings, kurtoses["depth grows"]),),
            },
            pictures=(
                _width_picture(settings, drifts),
                _features_picture(settings, tested),
                _scale_picture(settings, scaled, moved),
                _kurtosis_picture(settings, kurtoses),
            ),
            curves={
                "drift_against_width": _columns("width", settings.widths, seeds, drifts),
                "drift_against_scale": _columns("scale", settings.scales, seeds, {"drift": scaled}),
                "test_error_against_scale": _columns("scale", settings.feature_scales, seeds, tested),
                "kurtosis_against_width": _columns("width", settings.random_widths, seeds, kurtoses),
            },
        )


Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]  # (seeds, columns); NaN where a point failed
_TARGETS: tuple[Target, ...] = ("single_index", "quadratic_form")
_DEPTHS: tuple[Depth, ...] = ("one layer", "depth grows")


def _at_width(settings: Settings, width: int, kind: Parametrisation, seed: int, draw: int) -> Point:
    scale = 1.0 if kind == "ntk" else (min(settings.widths) / width) ** 0.5
    return _lazy(settings, width=width, scale=scale, examples=settings.examples, seed=seed, draw=draw)


def _at_scale(settings: Settings, scale: float, seed: int) -> Point:
    return _lazy(settings, width=settings.width, scale=scale, examples=settings.examples, seed=seed)


def _features(settings: Settings, scale: float, target: Target, seed: int) -> Point:
    return _lazy(
        settings,
        width=settings.width,
        scale=scale,
        target=target,
        examples=settings.feature_examples,
        seed=seed,
    )


def _lazy(settings: Settings, **fields: Any) -> Point:
    return Point("tangent_drift_of_training", Lazy(dimension=settings.dimension, **fields))


def _random(settings: Settings, width: int, kind: Depth, seed: int) -> Point:
    depth = 1 if kind == "one layer" else max(1, width // settings.widths_per_layer)
    spec = RandomNetworks(width=width, depth=depth, networks=settings.networks, seed=seed)
    return Point("outputs_of_random_networks", spec)


def _slopes(x: Sequence[float], y: Table) -> list[float]:
    """Of log y in log x, one a seed; NaN where a point failed."""
    return [float(np.polyfit(np.log(x), np.log(row), 1)[0]) if np.isfinite(row).all() else math.nan for row in y]


def _known(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _covariance_error(outcome: Outcome) -> float:
    limit = arc_cosine_covariance(1)
    return float(np.linalg.norm(np.array(outcome["covariance"]) - limit) / np.linalg.norm(limit))


def _width_claim(settings: Settings, drift: Table) -> Claim:
    return Claim(
        name="drift_against_width",
        statement="The kernel's change during training is inversely proportional to the width.",
        measurement=median_over_seeds(WIDTH_EXPONENT, _slopes(settings.widths, drift)),
        least=-1.15,
        most=-0.85,
    )


def _features_claim(settings: Settings, errors: Table) -> Claim:
    rich, lazy = np.argmin(settings.feature_scales), np.argmax(settings.feature_scales)
    return Claim(
        name="rich_generalises_better",
        statement="With a small output scale, where features are learned, the test error is well below the lazy one.",
        measurement=median_over_seeds(BENEFIT, (errors[:, rich] / errors[:, lazy]).tolist()),
        most=0.7,
    )


def _kurtosis_claim(settings: Settings, kurtosis: Table) -> Claim:
    return Claim(
        name="kurtosis_against_width",
        statement="The excess kurtosis of the outputs is inversely proportional to the width.",
        measurement=median_over_seeds(KURTOSIS_EXPONENT, _slopes(settings.random_widths, kurtosis)),
        least=-1.1,
        most=-0.9,
    )


def _columns(name: str, x: Sequence[float], seeds: Sequence[int], tables: dict[Any, Table]) -> dict[str, list[Any]]:
    return {
        name: [float(v) for _ in seeds for v in x],
        "seed": [seed for seed in seeds for _ in x],
        **{str(key).replace(" ", "_"): _known(table.reshape(-1)) for key, table in tables.items()},
    }


def _curve(name: str, x: Sequence[float], y: Table, *, dashed: bool = False) -> Curve | None:
    """The median over seeds that did not fail, with their range."""
    rows = y[np.isfinite(y).all(axis=1)]
    return band_over_seeds(name, x, rows, style="both", dashed=dashed) if len(rows) else None


def _present(*curves: Curve | None) -> tuple[Curve, ...]:
    return tuple(curve for curve in curves if curve is not None)


def _width_picture(settings: Settings, drifts: dict[str, Table]) -> Picture:
    first, last = settings.widths[0], settings.widths[-1]
    start = float(np.nanmedian(drifts["NTK"][:, 0])) if np.isfinite(drifts["NTK"]).any() else 1.0
    theory = Curve(name="∝ 1/N", x=[first, last], y=[start, start * first / last], dashed=True)
    return Picture(
        key="drift_against_width",
        title="The tangent kernel stands still in wide networks",
        caption="Relative change of the kernel from initial weights to 1 % of the initial loss. Medians over seeds, "
        "bands: their range. Dashed: theory, and the control.",
        x="width N",
        y="‖K − K₀‖ / ‖K₀‖",
        curves=_present(
            _curve("NTK parametrisation", settings.widths, drifts["NTK"]),
            _curve("mean field", settings.widths, drifts["mean field"], dashed=True),
            theory,
        ),
        log_x=True,
        log_y=True,
    )


def _scale_picture(settings: Settings, scaled: Table, moved: Table) -> Picture:
    return Picture(
        key="drift_against_scale",
        title="The tangent kernel stands still at a large output scale",
        caption="Medians over seeds, bands: their range.",
        x="output scale α",
        y="‖K − K₀‖ / ‖K₀‖",
        curves=_present(
            _curve(f"{settings.examples} examples", settings.scales, scaled),
            _curve(f"{settings.feature_examples} examples", settings.feature_scales, moved),
        ),
        log_x=True,
        log_y=True,
    )


def _features_picture(settings: Settings, tested: dict[Target, Table]) -> Picture:
    return Picture(
        key="test_error_against_scale",
        title="From rich to lazy",
        caption="Test error at the same training error. Medians over seeds, bands: their range. Dashed: the control.",
        x="output scale α",
        y="test error (share of the targets' mean square)",
        curves=_present(
            _curve("one direction", settings.feature_scales, tested["single_index"]),
            _curve("no direction", settings.feature_scales, tested["quadratic_form"], dashed=True),
        ),
        log_x=True,
    )


def _kurtosis_picture(settings: Settings, kurtoses: dict[Depth, Table]) -> Picture:
    widths = list(settings.random_widths)
    return Picture(
        key="kurtosis_against_width",
        title="Outputs of random networks become Gaussian",
        caption="Medians over seeds, bands: their range. Dashed: theory, and the control.",
        x="width N",
        y="excess kurtosis of the output",
        curves=_present(
            _curve("one hidden layer", widths, kurtoses["one layer"]),
            _curve(f"N/{settings.widths_per_layer} layers", widths, kurtoses["depth grows"], dashed=True),
            Curve(name="15/N", x=widths, y=[exact_excess_kurtosis(n, 1) for n in widths], dashed=True),
        ),
        log_x=True,
        log_y=True,
    )
