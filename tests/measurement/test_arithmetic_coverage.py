"""Whether combined intervals hold the truth as often as they say, over many seeds."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty, clopper_pearson
from gnomon.measurement.arithmetic import add, average, subtract

Q = Quantity(name="height", symbol="h", definition="h", source="Gauss 1809")
SEEDS = 1500


def reading(value: float, uncertainty: Uncertainty, seed: int) -> Measurement:
    origin = Provenance(spec_hash="s", weights_hash="w", data_hash=None, seed=seed)
    return Measurement.ok(Q, value, uncertainty).recorded(Cost(), origin)


def normals(rng: np.random.Generator, rho: float, n: int = 2) -> list[Measurement]:
    """Readings of 1, 2, … with errors 0.3, 0.4, … and pairwise correlation rho."""
    errors = 0.3 + 0.1 * np.arange(n)
    covariance = (np.full((n, n), rho) + (1 - rho) * np.eye(n)) * np.outer(errors, errors)
    values = rng.multivariate_normal(1.0 + np.arange(n), covariance)
    return [
        reading(float(v), Uncertainty.stderr(float(v), float(e), covers={"data"}), i)
        for i, (v, e) in enumerate(zip(values, errors, strict=True))
    ]


def near(hits: int, level: float = 0.95) -> bool:
    """Whether chance explains ``hits`` of ``SEEDS`` (four standard deviations)."""
    return abs(hits / SEEDS - level) < 4 * np.sqrt(level * (1 - level) / SEEDS)


@pytest.mark.parametrize("rho", [-0.8, 0.5, *(pytest.param(r, marks=pytest.mark.slow) for r in (0.0, 0.9))])
def test_normal_readings(rho: float) -> None:
    hits = {"add": 0, "subtract": 0, "average": 0}
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 1])
        a, b = normals(rng, rho)
        hits["add"] += add(a, b, correlation=rho).uncertainty.contains(0.0, 3.0)
        hits["subtract"] += subtract(a, b, correlation=rho).uncertainty.contains(0.0, -1.0)
        if rho >= 0:
            hits["average"] += average(normals(rng, rho, 4), correlation=rho).uncertainty.contains(0.0, 2.5)
    assert near(hits["add"])
    assert near(hits["subtract"])
    assert rho < 0 or near(hits["average"])


def test_a_wrongly_stated_independence_shows() -> None:
    """The refusal to combine silently is worth something: at rho = 0.9 the interval of a sum is far too short."""
    added = subtracted = 0
    for seed in range(SEEDS):
        a, b = normals(np.random.default_rng([seed, 1]), 0.9)
        added += add(a, b).uncertainty.contains(0.0, 3.0)
        subtracted += subtract(a, b).uncertainty.contains(0.0, -1.0)
    assert added / SEEDS < 0.88
    assert subtracted / SEEDS > 0.995


@pytest.mark.parametrize(("p", "n", "q", "m"), [(0.02, 40, 0.1, 60), (0.9, 20, 0.9, 20), (0.3, 100, 0.5, 30)])
def test_proportions_of_independent_counts(p: float, n: int, q: float, m: int) -> None:
    rng = np.random.default_rng(5)
    differences = sums = 0
    cache: dict[tuple[int, int], Uncertainty] = {}
    for k, j in zip(rng.binomial(n, p, SEEDS), rng.binomial(m, q, SEEDS), strict=True):
        for pair in ((int(k), n), (int(j), m)):
            if pair not in cache:
                cache[pair] = clopper_pearson(*pair)
        a, b = reading(k / n, cache[int(k), n], 0), reading(j / m, cache[int(j), m], 1)
        differences += subtract(a, b).uncertainty.contains(0.0, p - q)
        sums += add(a, b).uncertainty.contains(0.0, p + q)
    # exact limits are conservative, and so is what is made of them; a symmetric interval is not, near 0 and 1
    assert differences / SEEDS > 0.945
    assert sums / SEEDS > 0.945


def test_paired_proportions() -> None:
    """Two classifiers on the same examples: their accuracies are correlated, and the stated correlation is used."""
    rng = np.random.default_rng(6)
    n, both, only_a, only_b = 80, 0.68, 0.12, 0.02
    p, q = both + only_a, both + only_b
    variances, covariance = p * (1 - p) + q * (1 - q), both - p * q
    rho = covariance / np.sqrt(p * (1 - p) * q * (1 - q))
    hits, width, independent = 0, 0.0, 0.0
    for _ in range(SEEDS):
        counts = rng.multinomial(n, [both, only_a, only_b, 1 - both - only_a - only_b])
        k, j = int(counts[0] + counts[1]), int(counts[0] + counts[2])
        a, b = (reading(c / n, clopper_pearson(c, n), i) for i, c in enumerate((k, j)))
        paired = subtract(a, b, correlation=float(rho))
        hits += paired.uncertainty.contains(0.0, p - q)
        width += float(paired.uncertainty.half_width)
        independent += float(subtract(a, b).uncertainty.half_width)
    assert hits / SEEDS > 0.945
    assert width / independent == pytest.approx(np.sqrt(1 - 2 * covariance / variances), rel=0.05)  # 0.59
