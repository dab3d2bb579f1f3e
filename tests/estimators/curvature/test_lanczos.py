"""Lanczos: its relations hold, and the bounds on the ends of the spectrum fail as seldom as they say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from planted_matrices import Diagonal, spectra

from gnomon.estimators.curvature.extremes import largest_eigenvalue_bound, smallest_eigenvalue_bound
from gnomon.estimators.curvature.lanczos import lanczos, start_vectors
from gnomon.randomness import Rng


@pytest.mark.parametrize("name", spectra())
def test_the_basis_is_orthonormal_and_tridiagonalises(name: str) -> None:
    eigenvalues = spectra()[name]
    for run in lanczos(Diagonal(eigenvalues), start_vectors(400, 2, Rng(1)), 40):
        q = run.basis.numpy()
        assert np.abs(q @ q.T - np.eye(len(q))).max() < 1e-12
        t = np.diag(run.alphas) + np.diag(run.betas[:-1], 1) + np.diag(run.betas[:-1], -1)
        scale = np.abs(eigenvalues).max()
        assert np.abs((q * eigenvalues) @ q.T - t).max() < 1e-12 * scale
        left_over = q * eigenvalues - t @ q
        assert np.abs(left_over[:-1]).max() < 1e-12 * scale
        assert np.linalg.norm(left_over[-1]) == pytest.approx(run.betas[-1], rel=1e-9)
        assert run.rounding < 1e-12 * scale


@pytest.mark.parametrize("name", spectra())
def test_an_eigenvalue_lies_within_the_residual_of_each_ritz_value(name: str) -> None:
    eigenvalues = spectra()[name]
    (run,) = lanczos(Diagonal(eigenvalues), start_vectors(400, 1, Rng(2)), 15)
    distance = np.abs(run.ritz_values[:, None] - eigenvalues).min(axis=1)
    assert (distance <= run.residuals + 1e-12).all()
    for index in (0, len(run.alphas) // 2, -1):
        vector = run.ritz_vector(index).numpy()
        residual = np.linalg.norm(eigenvalues * vector - run.ritz_values[index] * vector)
        assert residual == pytest.approx(run.residuals[index], rel=1e-6, abs=1e-12)
    assert run.weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("name", spectra())
def test_the_bounds_fail_no_oftener_than_stated(name: str, probes: int) -> None:
    eigenvalues = spectra()[name]
    above = below = inside = 0
    for seed in range(120):
        # so few steps that the ends have mostly not converged
        runs = lanczos(Diagonal(eigenvalues), start_vectors(400, probes, Rng(seed)), 8)
        above += bool(eigenvalues.max() > largest_eigenvalue_bound(runs, 0.2) * (1 + 1e-12))
        below += bool(eigenvalues.min() < smallest_eigenvalue_bound(runs, 0.2) - 1e-12)
        inside += all(
            eigenvalues.min() - 1e-12 <= r.ritz_values[0] and r.ritz_values[-1] <= eigenvalues.max() + 1e-12
            for r in runs
        )
    assert inside == 120
    # 38 of 120 has probability 1e-3 at a rate of 0.2
    assert above < 38
    assert below < 38


def test_the_bound_is_as_tight_as_its_probability_where_one_eigenvalue_is_all() -> None:
    # far above a bulk without width, after one step: p(x) = 1/δ is met exactly when |γ| = δ
    eigenvalues = np.r_[np.zeros(199), 1.0]
    failures = 0
    for seed in range(400):
        runs = lanczos(Diagonal(eigenvalues), start_vectors(200, 1, Rng(seed)), 1)
        failures += largest_eigenvalue_bound(runs, 0.2) < 1.0
    assert 55 <= failures <= 107  # 80 expected; both have probability 1e-3


def test_bounds_narrow_with_steps_and_with_probes() -> None:
    eigenvalues = spectra()["uniform"]

    def gap(probes: int, steps: int) -> float:
        widths = []
        for seed in range(20):
            runs = lanczos(Diagonal(eigenvalues), start_vectors(400, probes, Rng(seed)), steps)
            widths.append(largest_eigenvalue_bound(runs, 0.05) - max(r.ritz_values[-1] for r in runs))
        return float(np.mean(widths))

    # Chebyshev: without a gap the distance falls as steps^-2
    assert gap(1, 10) / gap(1, 20) > 3.0
    assert gap(4, 10) < 0.7 * gap(1, 10)


def test_a_run_ends_when_nothing_is_left() -> None:
    matrix = Diagonal(np.r_[np.full(50, 2.0), np.full(40, -1.0), np.full(10, 0.5)])
    for run in lanczos(matrix, start_vectors(100, 2, Rng(0)), 20):
        assert run.complete
        assert run.ritz_values == pytest.approx([-1.0, 0.5, 2.0], abs=1e-12)
        assert largest_eigenvalue_bound([run], 0.05) == pytest.approx(2.0, abs=1e-12)
        assert smallest_eigenvalue_bound([run], 0.05) == pytest.approx(-1.0, abs=1e-12)
    assert matrix.products == 6
    (run,) = lanczos(Diagonal(np.arange(5.0)), start_vectors(5, 1, Rng(0)), 20)
    assert run.complete
    assert run.ritz_values == pytest.approx(np.arange(5.0), abs=1e-9)


def test_noise_of_the_products_shows_as_rounding() -> None:
    class Noisy(Diagonal):
        def group_sums(self, vectors: torch.Tensor) -> Iterator[tuple[torch.Tensor, int]]:
            for exact, count in super().group_sums(vectors):
                noise = torch.randn(
                    exact.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(self.products)
                )
                yield exact + count * 1e-4 * noise / np.sqrt(self.dimension), count

    eigenvalues = spectra()["network"]
    for seed in range(20):
        (run,) = lanczos(Noisy(eigenvalues, groups=1, precision=1e-7), start_vectors(400, 1, Rng(seed)), 20)
        error = abs(run.ritz_values[-1] - 50.0)
        assert error <= run.rounding
        assert 1e-5 < run.rounding < 1e-2  # twenty vectors' worth of noise of size 1e-4 / 20, and headroom


def test_start_vectors_do_not_depend_on_their_number() -> None:
    assert torch.equal(start_vectors(50, 4, Rng(3))[:, :2], start_vectors(50, 2, Rng(3)))
    assert start_vectors(50, 4, Rng(3)).norm(dim=0).numpy() == pytest.approx(1.0)
