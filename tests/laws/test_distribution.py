"""Mixtures against closed forms of other sources, numerical integration and Monte Carlo."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad, simpson

from gnomon.errors import GnomonError
from gnomon.laws.distribution import Mixture
from gnomon.randomness import Rng

CASES = [("normal", "linear"), ("normal", "log"), ("laplace", "linear"), ("laplace", "log")]


def mixture(kind: str, scale: str, components: int, *, spread: float = 0.3) -> Mixture:
    draw = Rng(3).child(kind, scale, components).numpy()
    return Mixture(
        locations=draw.normal(size=components),
        spreads=spread * np.exp(0.4 * draw.normal(size=components)),
        weights=draw.random(components),
        kind=kind,  # type: ignore[arg-type]
        scale=scale,  # type: ignore[arg-type]
    )


def frozen(one: Mixture) -> list[stats.rv_frozen]:
    make = {
        ("normal", "linear"): lambda m, s: stats.norm(m, s),
        ("normal", "log"): lambda m, s: stats.lognorm(s, scale=math.exp(m)),
        ("laplace", "linear"): lambda m, s: stats.laplace(m, s),
        ("laplace", "log"): lambda m, s: stats.loglaplace(1 / s, scale=math.exp(m)),
    }[one.kind, one.scale]
    return [make(m, s) for m, s in zip(one.locations, one.spreads, strict=True)]


@pytest.mark.parametrize(("kind", "scale"), CASES)
def test_the_functions_of_a_mixture_are_those_of_scipy(kind: str, scale: str) -> None:
    one = mixture(kind, scale, 7)
    each, y = frozen(one), np.array([0.05, 0.4, 1.0, 2.5, 9.0])
    assert one.cdf(y) == pytest.approx(sum(w * d.cdf(y) for w, d in zip(one.weights, each, strict=True)))
    density = sum(w * d.pdf(y) for w, d in zip(one.weights, each, strict=True))
    assert one.log_density(y) == pytest.approx(np.log(density))
    assert one.mean == pytest.approx(sum(w * d.mean() for w, d in zip(one.weights, each, strict=True)))
    p = np.array([1e-6, 0.05, 0.5, 0.95, 1 - 1e-6])
    assert one.cdf(one.quantile(p)) == pytest.approx(p, rel=1e-9)
    assert one.median == one.quantile(0.5)
    low, high = one.interval(0.9)
    assert one.cdf(high) - one.cdf(low) == pytest.approx(0.9)
    assert one.z(2.5) == pytest.approx(stats.norm.ppf(one.cdf(2.5)))


def test_closed_forms_of_the_crps() -> None:
    m, s, y = 0.3, 0.7, 1.9
    z = (y - m) / s
    normal = s * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / math.sqrt(math.pi))
    assert Mixture.single(m, s).crps(y) == pytest.approx(normal, rel=1e-12)
    laplace = s * (abs(z) + math.exp(-abs(z)) - 0.75)
    assert Mixture.single(m, s, kind="laplace").crps(y) == pytest.approx(laplace, rel=1e-10)
    w = (math.log(y) - m) / s
    half = stats.norm.cdf(w - s) + stats.norm.cdf(s / math.sqrt(2)) - 1
    log_normal = y * (2 * stats.norm.cdf(w) - 1) - 2 * math.exp(m + s**2 / 2) * half
    assert Mixture.single(m, s, scale="log").crps(y) == pytest.approx(log_normal, rel=1e-12)
    a = math.exp(m)  # log-Laplace (Jordan, Krüger & Lerch, JSS 90 (2019) 12, appendix A)
    u = (math.log(y) - m) / s
    f = 0.5 * math.exp(u) if u < 0 else 1 - 0.5 * math.exp(-u)
    other = (1 - (2 * f) ** (1 + s)) / (1 + s) if u < 0 else -(1 - (2 * (1 - f)) ** (1 - s)) / (1 - s)
    expected = y * (2 * f - 1) + a * (s / (4 - s**2) + other)
    assert Mixture.single(m, s, kind="laplace", scale="log").crps(y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("kind", "scale"), CASES)
@pytest.mark.parametrize("components", [3, 400], ids=["few", "many"])
@pytest.mark.parametrize("y", [0.02, 1.3, 30.0], ids=["low", "middle", "high"])
def test_crps_of_mixtures_is_its_integral(kind: str, scale: str, components: int, y: float) -> None:
    one = mixture(kind, scale, components)
    log = scale == "log"
    middle = math.log(y) if log else y
    total = 0.0
    for start, end, step in ((middle - 50, middle, 0.0), (middle, middle + 60, 1.0)):
        u = np.linspace(start, end, 12_001)
        f = np.concatenate([one.cdf(np.exp(part) if log else part) for part in np.array_split(u, 50)])
        total += simpson((f - step) ** 2 * (np.exp(u) if log else 1.0), x=u)
    assert one.crps(y) == pytest.approx(total, rel=2e-5)


@pytest.mark.parametrize(("kind", "scale"), CASES)
def test_crps_against_monte_carlo(kind: str, scale: str) -> None:
    one = mixture(kind, scale, 5)
    draw = Rng(11).child(kind, scale).numpy()
    which = draw.choice(5, p=one.weights, size=400_000)
    noise = draw.normal(size=len(which)) if kind == "normal" else draw.laplace(size=len(which))
    y = one.locations[which] + one.spreads[which] * noise
    y = np.exp(y) if scale == "log" else y
    sample = abs(y[:200_000] - 1.2) - abs(y[:200_000] - y[200_000:]) / 2
    assert abs(one.crps(1.2) - sample.mean()) < 4 * sample.std() / math.sqrt(200_000)


def test_crps_is_proper() -> None:
    """Averaged over the truth, no other forecast has a smaller score."""
    truth = Mixture.single(0.0, 1.0)
    y = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    best = np.mean([truth.crps(v) for v in y])
    assert best == pytest.approx(1 / math.sqrt(math.pi), rel=2e-3)
    for other in (Mixture.single(0.2, 1.0), Mixture.single(0.0, 0.8), Mixture.single(0.0, 1.2)):
        assert np.mean([other.crps(v) for v in y]) > best


def test_numbers_that_the_scale_excludes() -> None:
    one = mixture("normal", "log", 4)
    assert one.cdf(-1.0) == 0
    assert one.log_density(-1.0) == -math.inf
    assert one.z(-1.0) == -math.inf
    assert one.crps(-1.0) == pytest.approx(1 + one.crps(0.0))
    assert one.crps(0.0) == pytest.approx(quad(lambda t: (1 - one.cdf(t)) ** 2, 0, 60, limit=200)[0], rel=1e-6)
    heavy = Mixture.single(0.0, 1.0, kind="laplace", scale="log")
    assert heavy.mean == math.inf
    assert math.isfinite(heavy.crps(1.0))
    assert Mixture.single(0.0, 2.0, kind="laplace", scale="log").crps(1.0) == math.inf


def test_what_a_double_cannot_hold_is_infinite() -> None:
    absurd = Mixture.single(0.0, 120.0, scale="log")
    assert absurd.mean == absurd.crps(1.0) == math.inf
    assert absurd.median == pytest.approx(1.0)


def test_far_misses_are_told_apart() -> None:
    one = Mixture.pooled([Mixture.single(0.0, 1.0), Mixture.single(0.1, 1.0)], [0.5, 0.5])
    assert one.cdf(60.0) == 1.0
    assert 59 < one.z(60.0) < 60.5
    assert one.z(-60.0) == pytest.approx(-60.0, abs=0.1)
    assert one.log_density(1e8) < one.log_density(1e7) < -1e13


@pytest.mark.parametrize(("kind", "scale"), CASES)
def test_compressed_keeps_the_distribution(kind: str, scale: str) -> None:
    many = mixture(kind, scale, 2000, spread=0.1)
    few = many.compressed()
    assert len(few.locations) <= 256
    y = many.quantile(np.linspace(0.005, 0.995, 199))
    assert np.abs(few.cdf(y) - many.cdf(y)).max() < 0.5 / 256  # half of what one merged component weighs
    assert few.crps(1.0) == pytest.approx(many.crps(1.0), rel=1e-3)
    u = [one.weights @ one.locations for one in (few, many)]
    assert u[0] == pytest.approx(u[1], abs=1e-12)
    start = time.process_time()
    few.crps(1.1)
    assert time.process_time() - start < 0.1


def test_compressing_keeps_a_rare_component_in_the_mean_and_variance() -> None:
    rare = Mixture(locations=np.r_[np.zeros(999), 50.0], spreads=np.ones(1000), weights=np.ones(1000)).compressed(20)
    assert rare.mean == pytest.approx(0.05)
    variance = rare.weights @ (rare.spreads**2 + rare.locations**2) - rare.mean**2
    assert variance == pytest.approx(1 + 0.001 * 0.999 * 2500)


def test_pooled_and_json() -> None:
    parts = [mixture("laplace", "log", 3), mixture("laplace", "log", 5)]
    one = Mixture.pooled(parts, [0.25, 0.75])
    assert one.cdf(1.2) == pytest.approx(0.25 * parts[0].cdf(1.2) + 0.75 * parts[1].cdf(1.2))
    back = Mixture.from_json(json.loads(json.dumps(one.to_json())))
    assert back.quantile(0.3) == one.quantile(0.3)
    assert back.kind == "laplace"
    assert back.scale == "log"
    with pytest.raises(GnomonError, match="several kinds"):
        Mixture.pooled([parts[0], Mixture.single(0.0, 1.0)], [0.5, 0.5])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spreads": [1.0, 0.0]}, "not positive"),
        ({"weights": [0.0, 0.0]}, "all 0"),
        ({"weights": [1.0, -1.0]}, "negative"),
        ({"locations": [0.0, math.nan]}, "not finite"),
        ({"spreads": [1.0]}, "shape"),
        ({"locations": []}, "shape"),
        ({"kind": "cauchy"}, "kind"),
        ({"scale": "sqrt"}, "scale"),
        ({"weights": ["a", "b"]}, "numbers are none"),
        ({"weights": None}, "shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_mixtures_are_refused_in_one_line(change: dict[str, object], said: str) -> None:
    good = {"kind": "normal", "scale": "linear", "locations": [0.0, 1.0], "spreads": [1.0, 1.0], "weights": [0.5, 0.5]}
    with pytest.raises(GnomonError, match=said):
        Mixture.from_json({**good, **change})
    with pytest.raises(GnomonError, match="without 'spreads'"):
        Mixture.from_json({key: value for key, value in good.items() if key != "spreads"})


def test_quantiles_only_of_probabilities() -> None:
    with pytest.raises(GnomonError, match="between 0 and 1"):
        Mixture.single(0.0, 1.0).quantile(1.0)
