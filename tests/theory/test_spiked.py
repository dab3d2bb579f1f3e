"""Outliers of spiked covariances and of signals in noise: closed forms, and simulation over seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.theory import OutOfDomainError
from gnomon.theory.marchenko_pastur import marchenko_pastur_edges, marchenko_pastur_stieltjes
from gnomon.theory.spiked_covariance import (
    SpikedCovariance,
    SpikedCovarianceOverlap,
    covariance_deviation,
    covariance_outlier,
    covariance_overlap,
    covariance_threshold,
)
from gnomon.theory.spiked_matrix import (
    SpikedMatrix,
    SpikedMatrixOverlap,
    matrix_deviation,
    matrix_outlier,
    matrix_overlap,
    matrix_threshold,
)

DRAWS = 200


def _agrees(drawn: np.ndarray, value: float, bound: float) -> bool:
    return bool(abs(drawn.mean() - value) < bound + 3 * drawn.std(ddof=1) / math.sqrt(len(drawn)))


def _deviates(drawn: np.ndarray, deviation: float, size: int) -> bool:
    """Sample deviation within 3 standard errors, and as much more as an n of this size may."""
    return bool(abs(drawn.std(ddof=1) / deviation - 1) < 3 / math.sqrt(2 * len(drawn)) + 3 / size)


@pytest.mark.parametrize(("n", "p"), [(120, 60), (80, 200)], ids=["tall", "wide"])
@pytest.mark.parametrize("relative", [0.0, 0.5, 2.0, 4.0], ids=str)
def test_spiked_covariances_are_as_stated(n: int, p: int, relative: float) -> None:
    strength = 1 + relative * math.sqrt(p / n)
    x = np.random.default_rng(n).standard_normal((DRAWS, n, p))
    x[:, :, 0] *= math.sqrt(strength)
    gram = np.swapaxes(x, 1, 2) @ x if p < n else x @ np.swapaxes(x, 1, 2)
    values, vectors = np.linalg.eigh(gram / n)
    largest, first = values[:, -1], vectors[:, :, -1]
    overlap = first[:, 0] ** 2 if p < n else np.einsum("bn,bn->b", x[:, :, 0], first) ** 2 / (n * largest)
    eigenvalue = SpikedCovariance(strength=strength, samples=n, dimensions=p)
    cosine = SpikedCovarianceOverlap(strength=strength, samples=n, dimensions=p)
    assert eigenvalue.outside() == cosine.outside() == ()
    assert _agrees(largest, eigenvalue.value(), eigenvalue.systematic())
    assert _agrees(overlap, cosine.value(), cosine.systematic())
    if relative > 1:
        assert _deviates(largest, covariance_deviation(strength, p / n, n), n)


@pytest.mark.parametrize(("rows", "columns"), [(60, 60), (50, 160)], ids=["square", "flat"])
@pytest.mark.parametrize("relative", [0.0, 0.5, 2.0, 4.0], ids=str)
def test_signals_in_noise_are_as_stated(rows: int, columns: int, relative: float) -> None:
    noise = 1.5
    strength = relative * noise * matrix_threshold(rows, columns)
    x = noise * np.random.default_rng(rows).standard_normal((DRAWS, rows, columns))
    x[:, 0, 0] += strength
    u, s, v = np.linalg.svd(x, full_matrices=False)
    given = {"strength": strength, "rows": rows, "columns": columns, "noise": noise}
    outlier = SpikedMatrix(**given)
    assert outlier.outside() == ()
    assert _agrees(s[:, 0], outlier.value(), outlier.systematic())
    for side, cosines in (("left", u[:, 0, 0] ** 2), ("right", v[:, 0, 0] ** 2)):
        overlap = SpikedMatrixOverlap(**given, side=side)
        assert overlap.outside() == ()
        assert _agrees(cosines, overlap.value(), overlap.systematic())
    if relative > 1:
        assert _deviates(s[:, 0], noise * matrix_deviation(strength / noise, rows, columns), rows)


def test_the_outlier_leaves_the_edge_at_the_threshold_and_its_vector_turns_there() -> None:
    for aspect in (0.1, 1.0, 3.0):
        edge, threshold = marchenko_pastur_edges(aspect)[1], covariance_threshold(aspect)
        assert covariance_outlier(threshold * (1 + 1e-9), aspect) == pytest.approx(edge, rel=1e-8)
        assert covariance_overlap(threshold * (1 + 1e-9), aspect) == pytest.approx(0, abs=1e-7)
        assert covariance_outlier(threshold * 0.9, aspect) == pytest.approx(edge)
    edge, threshold = math.sqrt(40) + math.sqrt(90), matrix_threshold(40, 90)
    assert matrix_outlier(threshold * (1 + 1e-9), 40, 90) == pytest.approx(edge, rel=1e-8)
    assert matrix_overlap(threshold * (1 + 1e-9), 40, 90) == pytest.approx(0, abs=1e-7)


def test_a_signal_in_noise_is_a_spiked_covariance_of_its_columns() -> None:
    r"""With v uniform the columns have covariance 1 + (s²/M)uu^⊤: outlier and left overlap are the same."""
    rows, columns, strength = 60, 150, 17.0
    aspect, variance = rows / columns, 1 + strength**2 / columns
    assert matrix_outlier(strength, rows, columns) ** 2 / columns == pytest.approx(covariance_outlier(variance, aspect))
    assert matrix_overlap(strength, rows, columns) == pytest.approx(covariance_overlap(variance, aspect))


@pytest.mark.parametrize("relative", [1.2, 2.0, 6.0], ids=str)
def test_the_outlier_solves_its_equation_in_the_noise_spectrum(relative: float) -> None:
    r"""ŝ tr(ŝ² − WW^⊤)^{-1}/N · ŝ tr(ŝ² − W^⊤W)^{-1}/M = 1/s², and 1 + ℓ m̲(λ̂) = 0 for covariances."""
    rows, columns = 50, 130
    strength = relative * matrix_threshold(rows, columns)
    x = matrix_outlier(strength, rows, columns) ** 2
    inverse = -float(marchenko_pastur_stieltjes(np.array([x / columns]), rows / columns)[0]) / columns
    other = (rows * inverse + (columns - rows) / x) / columns
    assert x * inverse * other == pytest.approx(1 / strength**2, rel=1e-10)
    aspect = 0.4
    variance = 1 + relative * math.sqrt(aspect)
    at = covariance_outlier(variance, aspect)
    companion = aspect * float(marchenko_pastur_stieltjes(np.array([at]), aspect)[0]) - (1 - aspect) / at
    assert 1 + variance * companion == pytest.approx(0, abs=1e-10)


def test_a_strong_signal_moves_by_the_noise_on_it_alone() -> None:
    """As s → ∞, δŝ = σ u^⊤Wv, of variance σ²; an eigenvalue ℓ has relative variance 2/n, as a χ² has."""
    for strength in (1e4, 1e5, 1e8, 1e12):  # where terms nearly equal are subtracted, too
        assert matrix_deviation(strength, 30, 80) == pytest.approx(1, rel=1e-5)
    assert covariance_deviation(1e6, 0.5, 200) == pytest.approx(1e6 * math.sqrt(2 / 200), rel=1e-9)


def test_units_of_the_noise_cancel() -> None:
    one = SpikedMatrix(strength=40.0, rows=40, columns=100, noise=1.0)
    scaled = replace(one, strength=120.0, noise=3.0)
    assert scaled.value() == pytest.approx(3 * one.value())
    assert scaled.systematic() == pytest.approx(3 * one.systematic())


def test_in_the_critical_window_it_refuses_and_is_off() -> None:
    """At the threshold the largest singular value is beyond the edge, and the vectors overlap, at any finite size."""
    rows = columns = 40
    strength = matrix_threshold(rows, columns)
    x = np.random.default_rng(0).standard_normal((DRAWS, rows, columns))
    x[:, 0, 0] += strength
    u = np.linalg.svd(x)[0]
    assert (u[:, 0, 0] ** 2).mean() > 0.1
    assert matrix_overlap(strength, rows, columns) == 0
    given = {"rows": rows, "columns": columns, "noise": 1.0}
    for relative, inside in ((0.5, True), (0.95, False), (1.0, False), (1.2, False), (3.0, True)):
        assert (SpikedMatrix(strength=relative * strength, **given).outside() == ()) is inside
    with pytest.raises(OutOfDomainError, match="critical window"):
        SpikedMatrixOverlap(strength=strength, side="left", **given).predict()
    for relative, inside in ((0.5, True), (0.95, False), (1.05, False), (3.0, True)):
        theory = SpikedCovariance(strength=1 + relative * math.sqrt(0.5), samples=200, dimensions=100)
        assert (theory.outside() == ()) is inside


def test_bad_input_is_refused() -> None:
    with pytest.raises(GnomonError, match="variance of 1 or more"):
        SpikedCovariance(strength=0.5, samples=100, dimensions=50)
    with pytest.raises(GnomonError, match="strength of 0 or more"):
        SpikedMatrix(strength=-1.0, rows=50, columns=50, noise=1.0)
    with pytest.raises(GnomonError, match="left or right"):
        SpikedMatrixOverlap(strength=1.0, rows=50, columns=50, noise=1.0, side="up")
    with pytest.raises(GnomonError, match="not beyond the threshold"):
        matrix_deviation(1.0, 50, 50)
    with pytest.raises(GnomonError, match="not beyond the threshold"):
        covariance_deviation(1.1, 0.5, 100)
