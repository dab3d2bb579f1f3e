"""Errors by group: the values against definitions derived anew, and brute-force coverage of the intervals."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from known_languages import bigram
from scipy.stats import binom
from sklearn.metrics import confusion_matrix

from gnomon.assurance import Deployment
from gnomon.assurance.fairness import GroupErrors, Rates, difference, ratio, read_graded
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, clopper_pearson
from gnomon.randomness import Rng
from gnomon.statistics import proportion


def graded(path: Path, rows: list[tuple[str, int, int]]) -> Path:
    path.write_text("group,label,prediction\n" + "".join(f"{g},{y},{p}\n" for g, y, p in rows), encoding="utf-8")
    return path


def drawn(seed: int, sizes: dict[str, int]) -> list[tuple[str, int, int]]:
    rng = np.random.default_rng(seed)
    return [
        (g, int(rng.random() < 0.5), int(rng.random() < 0.2 + 0.1 * len(g))) for g in sizes for _ in range(sizes[g])
    ]


def measured(path: Path, level: float = 0.95) -> dict[str, Measurement]:
    subject = bigram(["a"], {})
    found = GroupErrors().run(Deployment(subject=subject, materials={"graded": path}), Rng(0), level=level)
    return {" ".join([m.quantity, *m.labels.values()]): m for m in found}


def of_fairlearn(rows: list[tuple[str, int, int]]) -> dict[str, float]:
    """fairlearn's definitions (MetricFrame, between groups, worst case), from confusion matrices."""
    by = defaultdict(list)
    for g, y, p in rows:
        by[g].append((y, p))
    tables = [confusion_matrix(*zip(*one, strict=True), labels=[0, 1]).ravel() for one in by.values()]
    rate = {
        "selection": [(fp + tp) / (tn + fp + fn + tp) for tn, fp, fn, tp in tables],
        "accuracy": [(tn + tp) / (tn + fp + fn + tp) for tn, fp, fn, tp in tables],
        "tpr": [tp / (tp + fn) for tn, fp, fn, tp in tables],
        "fpr": [fp / (fp + tn) for tn, fp, fn, tp in tables],
    }
    apart = {name: max(r) - min(r) for name, r in rate.items()}
    over = {name: min(r) / max(r) for name, r in rate.items()}
    return {
        "demographic_parity_difference": apart["selection"],
        "demographic_parity_ratio": over["selection"],
        "accuracy_score_difference": apart["accuracy"],
        "equal_opportunity_difference": apart["tpr"],
        "equal_opportunity_ratio": over["tpr"],
        "false_positive_rate_difference": apart["fpr"],
        "false_positive_rate_ratio": over["fpr"],
        "equalized_odds_difference": max(apart["tpr"], apart["fpr"]),
        "equalized_odds_ratio": min(over["tpr"], over["fpr"]),
    }


def test_values_are_fairlearns(tmp_path: Path) -> None:
    for seed in range(3):
        rows = drawn(seed, {"a": 30, "bb": 45, "cccc": 25})
        found = measured(graded(tmp_path / f"{seed}.csv", rows))
        for name, known in of_fairlearn(rows).items():
            assert found[name].value == pytest.approx(known), name
            low, high = found[name].uncertainty.low, found[name].uncertainty.high
            assert low <= found[name].value <= high  # type: ignore[operator]


def test_the_box_is_reached() -> None:
    """The ends are the least and the largest over the corners and a grid of the box."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        low = rng.random(3) * 0.5
        high = low + rng.random(3) * 0.5
        rates = Rates((low + high) / 2, low, high)
        grid = np.array(list(itertools.product(*(np.linspace(a, b, 21) for a, b in zip(low, high, strict=True)))))
        apart, over = np.ptp(grid, axis=1), grid.min(axis=1) / grid.max(axis=1)
        one, two = difference(rates), ratio(rates)
        assert two is not None
        assert one.high == pytest.approx(apart.max())
        assert two.low == pytest.approx(over.min())
        # where all can be alike the grid does not meet it quite
        assert one.low <= apart.min() + 1e-9
        assert apart.min() - one.low < 0.05
        assert two.high >= over.max() - 1e-9


def test_coverage_by_enumeration() -> None:
    """Over all outcomes of three groups of 4, 6 and 9: at least the level at every truth; the value is biased."""
    sizes, level = (4, 6, 9), 0.9
    own = 1 - (1 - level) / 3
    ends = [[clopper_pearson(k, n, level=own) for k in range(n + 1)] for n in sizes]
    for truth in ((0.3, 0.3, 0.3), (0.1, 0.5, 0.9), (0.0, 0.5, 0.5), (0.5, 0.55, 0.6)):
        covered, mean = 0.0, 0.0
        for counts in itertools.product(*(range(n + 1) for n in sizes)):
            weight = float(np.prod([binom.pmf(k, n, p) for k, n, p in zip(counts, sizes, truth, strict=True)]))
            told = [ends[g][k] for g, k in enumerate(counts)]
            rates = Rates(
                np.array([k / n for k, n in zip(counts, sizes, strict=True)]),
                np.array([u.low for u in told], dtype=float),
                np.array([u.high for u in told], dtype=float),
            )
            found = difference(rates)
            covered += weight * (found.low <= max(truth) - min(truth) <= found.high)
            mean += weight * found.value
        assert covered >= level
        if len(set(truth)) == 1:
            assert mean > 0.25, "groups that are alike differ in a sample"


def test_if_alike_is_what_chance_gives(tmp_path: Path) -> None:
    rows = [("a", 1, int(i % 2)) for i in range(20)] + [("b", 1, int(i % 2)) for i in range(20)]
    found = measured(graded(tmp_path / "even.csv", rows))["demographic_parity_difference"]
    weights = binom.pmf(np.arange(21), 20, 0.5)
    known = sum(weights[i] * weights[j] * abs(i - j) / 20 for i, j in itertools.product(range(21), range(21)))
    assert found.value == 0
    assert found.diagnostics["if_alike"] == pytest.approx(known, rel=0.15)


def test_what_cannot_be_told_is_insufficient(tmp_path: Path) -> None:
    rows = [("a", 0, 0)] * 5 + [("b", 1, 1)] * 5
    found = measured(graded(tmp_path / "no.csv", rows))
    assert found["equal_opportunity_difference"].status == "insufficient"
    assert "'a'" in found["equal_opportunity_difference"].reason
    none = measured(graded(tmp_path / "none.csv", [("a", 1, 0)] * 5 + [("b", 1, 0)] * 5))
    assert none["demographic_parity_ratio"].status == "insufficient"
    assert none["demographic_parity_difference"].value == 0
    assert none["demographic_parity_difference"].uncertainty.high > 0.5  # type: ignore[operator]


def test_the_level_is_honoured(tmp_path: Path) -> None:
    path = graded(tmp_path / "rows.csv", drawn(0, {"a": 60, "bb": 60}))
    wide, narrow = (measured(path, level)["equalized_odds_difference"].uncertainty for level in (0.99, 0.5))
    assert (wide.level, narrow.level) == (0.99, 0.5)
    assert wide.half_width > narrow.half_width


def test_the_subject_is_asked(tmp_path: Path) -> None:
    """It answers "yes" to x and "no" to z, with known probabilities."""
    subject = bigram(["x", "z", "yes", "no"], {"x": {"yes": 0.8, "no": 0.1}, "z": {"yes": 0.2, "no": 0.6}})
    path = tmp_path / "asked.csv"
    lines = ["group,label,prompt,positive,negative", *["a,1,x,yes,no"] * 4, *["b,1,z,yes,no"] * 4]
    path.write_text("\n".join(lines), encoding="utf-8")
    found = GroupErrors().run(Deployment(subject=subject, materials={"graded": path}), Rng(0))
    rates = {m.labels["group"]: m.value for m in found if m.quantity == "group_true_positive_rate"}
    assert rates == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("group,label\na,1\n", "no column 'negative'"),
        ("group,label,prediction\na,1,2\n", "line 2: prediction is '2'"),
        ("label,prediction\n1,1\n", "no column 'group'"),
    ],
    ids=["nothing to ask", "no truth", "no group"],
)
def test_bad_files_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(GnomonError, match=message):
        read_graded(path)


def test_one_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="one group"):
        measured(graded(tmp_path / "one.csv", [("a", 1, 1)] * 5))


def test_a_difference_is_of_rates_that_hold_at_once(tmp_path: Path) -> None:
    """Two groups of 20, of whom 18 and 2 are selected: each rate at 0.975 for both at 0.95."""
    path = tmp_path / "graded.csv"
    lines = [f"{g},1,{int(i < n)}" for g, n in (("a", 18), ("b", 2)) for i in range(20)]
    path.write_text("group,label,prediction\n" + "\n".join(lines) + "\n", encoding="utf-8")
    found = GroupErrors().run(Deployment(subject=bigram(["a"], {}), materials={"graded": path}), Rng(0), level=0.95)
    (apart,) = [m for m in found if m.quantity == "demographic_parity_difference"]
    high, low = (proportion(np.arange(20) < n, level=0.975)[1] for n in (18, 2))
    assert apart.uncertainty.low == pytest.approx(high.low - low.high)  # type: ignore[operator]
