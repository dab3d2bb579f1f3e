"""Predictions of rows by fits without them, against the closed forms of linear least squares."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.laws import form
from gnomon.laws.comparison import far_end, folds_of
from gnomon.laws.fitting import fit
from gnomon.laws.held_out import predictions
from gnomon.laws.table import Table
from gnomon.randomness import Rng


def line(n: int = 25, groups: np.ndarray | None = None) -> Table:
    draw = Rng(5).numpy()
    x = np.sort(draw.uniform(1, 50, n))
    y = 3 - 0.4 * np.log(x) + 0.1 * draw.normal(size=n)
    return Table(x=x[:, None], y=y, columns=("x",), target="y", groups=groups)


def test_leaving_one_out_is_the_formula_of_least_squares() -> None:
    table = line()
    one = fit(table, form("log_linear"), noise="normal", draws=0)
    held = predictions(one, np.eye(len(table), dtype=bool), rng=Rng(0))
    design = np.column_stack([np.ones(len(table)), np.log(table.x[:, 0])])
    hat = design @ np.linalg.solve(design.T @ design, design.T)
    h, residual = np.diag(hat), table.y - hat @ table.y
    assert table.y - held.locations == pytest.approx(residual / (1 - h), rel=1e-6)
    freedom = len(table) - 2
    without = (residual @ residual - residual**2 / (1 - h)) / (freedom - 1)  # variance of the fit without row i
    assert held.spreads == pytest.approx(np.sqrt(without * (1 + h / (1 - h))), rel=1e-5)
    z = (table.y - held.locations) / held.spreads
    assert held.log_density(table.y) == pytest.approx(-(z**2) / 2 - np.log(held.spreads) - np.log(2 * np.pi) / 2)


def test_logarithmic_densities_are_of_the_values() -> None:
    table = line()
    one = fit(table, form("log_linear"), noise="log_laplace", draws=0)
    held = predictions(one, np.eye(len(table), dtype=bool), rng=Rng(0))
    grid = np.linspace(0.2, 6, 40_001)
    density = np.exp([held.log_density(np.full(len(table), v))[3] for v in grid])
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)


def test_folds_keep_groups_together_and_the_far_end_is_far() -> None:
    groups = np.repeat(np.arange(30), 4)
    table = line(120, groups)
    folds = folds_of(table, Rng(0))
    assert all(len(np.unique(folds[groups == g])) == 1 for g in range(30))
    assert sorted(np.unique(folds)) == list(range(20))
    far = far_end(table)
    assert far.sum() == 24
    assert table.x[far].min() > table.x[~far].max()
