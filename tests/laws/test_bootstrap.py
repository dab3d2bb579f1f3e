"""Resampling, and the coverage of its intervals where groups depend."""

from __future__ import annotations

import numpy as np
import pytest
from known_laws import KNOWN

from gnomon.laws import Noise, Table, fit, form
from gnomon.laws.bootstrap import multiplicities, tail
from gnomon.laws.noise import families
from gnomon.randomness import Rng


def test_each_unit_comes_once_on_average() -> None:
    counts = multiplicities(20, 4000, Rng(1))
    assert (counts.sum(1) == 20).all()
    np.testing.assert_allclose(counts.mean(0), 1, atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(counts.var(0), 1 - 1 / 20, atol=0.15)


def test_percentiles_widen_for_few_units_only() -> None:
    def table(n: int, groups: np.ndarray | None = None) -> Table:
        return Table(x=np.ones((n, 1)) + np.arange(n)[:, None], y=np.ones(n), columns=("x",), target="y", groups=groups)

    normal = families["normal"]
    assert tail(table(10_000), normal, 3, 0.95) == pytest.approx(0.025, rel=0.01)
    assert tail(table(20), normal, 3, 0.95) < tail(table(40), normal, 3, 0.95) < 0.025
    laplace = Noise(kind="laplace", scale="linear", delta=1e-3, spread=1.0)
    assert tail(table(20), laplace, 3, 0.95) == pytest.approx(0.025)
    whole = table(60, np.repeat(np.arange(10), 6))
    # one degree of freedom is lost where each group is a whole curve
    assert tail(whole, normal, 3, 0.95) == tail(table(10), normal, 1, 0.95)
    assert tail(table(10, np.arange(10)), normal, 3, 0.95) == tail(table(10), normal, 3, 0.95)


@pytest.mark.parametrize("curves", [True, False], ids=["groups are curves", "groups share an input"])
def test_intervals_cover_where_rows_of_a_group_depend(curves: bool) -> None:
    law = form("log_linear")
    truth, groups, size, tables = np.array([5.0, -0.4]), 12, 5, 80
    random = np.random.default_rng(3)
    member = np.repeat(np.arange(groups), size)
    x = np.tile(np.geomspace(1, 100, size), groups) if curves else np.geomspace(1, 1e3, groups)[member]
    covered = np.zeros(2)
    for i in range(tables):
        shared = random.normal(size=(groups, 2)) * [0.2, 0.05 if curves else 0.0]
        y = (
            truth[0]
            + shared[member, 0]
            + (truth[1] + shared[member, 1]) * np.log(x)
            + 0.05 * random.normal(size=len(x))
        )
        table = Table(x=x[:, None], y=y, columns=("x",), target="y", groups=member)
        found = fit(table, law, noise="normal", draws=150, rng=Rng(i))
        assert found.stated == "bootstrap"
        assert found.parameters["a"].profile is None
        covered += [e.low <= t <= e.high for e, t in zip(found.parameters.values(), truth, strict=True)]
    assert (covered / tables >= 0.90).all()
    assert (covered / tables <= 0.99).all()


def test_unequal_scatter_is_covered() -> None:
    known = KNOWN["log_linear"]
    random = np.random.default_rng(0)
    width = np.geomspace(0.3, 0.01, len(known.x))
    covered = np.zeros((2, 2))
    for i in range(100):
        y = known.mean + width * random.normal(size=len(width))
        found = fit(known.table(y), known.form, noise="normal", draws=150, rng=Rng(i))
        for k, (one, true) in enumerate(zip(found.parameters.values(), known.natural, strict=True)):
            covered[0, k] += one.low <= true <= one.high
            assert one.profile is not None
            covered[1, k] += one.profile[0] <= true <= one.profile[1]
    assert (covered[0] / 100 >= 0.90).all()
    assert covered[1].min() / 100 < 0.90  # why the bootstrap is stated
