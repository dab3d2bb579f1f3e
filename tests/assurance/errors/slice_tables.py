"""Graded tables whose weak slices are planted, with the truth of every slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from gnomon.assurance.errors.confirmation import Slice, confirm
from gnomon.assurance.errors.discovery import Rule, nominate
from gnomon.assurance.errors.features import Feature, FeatureTable
from gnomon.assurance.errors.graded import Graded
from gnomon.randomness import Rng

FEATURES = 80
SHARES = 0.3 * np.arange(1, FEATURES + 1) ** -0.5 + 0.03
PLANTED = ((3,), (10,), (1, 4))  # features of the weak slices; all features are independent of each other
BASE = 0.1


@dataclass(frozen=True, eq=False)
class Table:
    graded: Graded
    features: FeatureTable
    risk: np.ndarray  # probability of an error, of each example


def table(n: int, seed: int, *, effect: float, each: int = 1, alike: float = 0.0, steps: int = 0) -> Table:
    """``n`` examples in clusters of ``each``; ``alike`` is how often a cluster's errors have one cause.

    With ``steps`` the errors are graded: means of so many that are right or wrong.
    """
    generator = np.random.default_rng(seed)
    has = generator.random((n, FEATURES)) < SHARES
    risk = np.full(n, BASE)
    for rule in PLANTED:
        risk = np.where(has[:, list(rule)].all(axis=1), BASE + effect, risk)
    clusters = np.arange(n) // each
    causes = np.where(generator.random(n) < alike, generator.random(n // each + 1)[clusters], generator.random(n))
    wrong = generator.binomial(steps, risk) / steps if steps else (causes < risk).astype(float)
    graded = Graded(texts=("",) * n, errors=wrong, clusters=clusters)
    named = tuple(Feature("word", str(i)) for i in range(FEATURES))
    return Table(graded, FeatureTable(named, csr_array(has.astype(np.float32))), risk)


def searched(one: Table, seed: int, *, level: float = 0.95) -> tuple[list[Rule], list[Slice]]:
    rng = Rng(seed)
    half = one.graded.half(rng)
    rules = nominate(one.graded, one.features, half, most=10, support=5)
    told = [(str(rule.features), rule.holds(one.features)) for rule in rules]
    return rules, confirm(one.graded, ~half, told, rng, level=level).slices


def is_false(rule: Rule, effect: float) -> bool:
    """Whether it has no more errors than elsewhere: as features are independent, where none is of a planted slice."""
    return not effect or not set(rule.features) & {feature for planted in PLANTED for feature in planted}


def truths(rules: list[Rule], pool: Table) -> list[tuple[float, float]]:
    """Of each rule apart from those before it: the risk inside, and its excess over the rest; by a large pool."""
    found, taken = [], np.zeros(len(pool.graded), dtype=bool)
    for rule in rules:
        member = rule.holds(pool.features)
        inside, outside = member & ~taken, ~(member | taken)
        taken |= member
        found.append((pool.risk[inside].mean(), pool.risk[inside].mean() - pool.risk[outside].mean()))
    return found
