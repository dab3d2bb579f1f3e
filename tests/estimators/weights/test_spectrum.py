"""Singular values: against NumPy for every shape and format, once a matrix, in blocks that bound the memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gnomon.estimators.weights import spectrum as module
from gnomon.estimators.weights.spectrum import spectrum_of


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (7, 30), (30, 7), (64, 64), (5000, 12), (12, 9000), (2060, 12), (2061, 12)]
)
def test_values_are_numpys(shape: tuple[int, int]) -> None:
    w = np.random.default_rng(1).normal(size=shape)
    found = spectrum_of(torch.from_numpy(w))
    expected = np.linalg.svd(w, compute_uv=False)
    assert np.allclose(found.values, expected, rtol=0, atol=1e-12 * expected[0])
    assert (found.rows, found.columns) == shape
    assert found.mean_square == pytest.approx(np.square(w).mean(), rel=1e-12)
    assert found.kurtosis == pytest.approx((w**4).mean() / np.square(w).mean() ** 2, rel=1e-10)


def test_error_of_the_values_is_within_the_stated_rounding() -> None:
    """Integer singular values of a matrix made without rounding: a Hadamard matrix times a diagonal."""
    h = np.array([[1.0]])
    for _ in range(6):
        h = np.block([[h, h], [h, -h]])
    values = np.arange(64, 0, -1.0)
    found = spectrum_of(torch.from_numpy(h * values))
    assert np.abs(found.values - 8 * values).max() <= found.rounding < 1e-11


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_number_format_is_read_as_it_is_stored(dtype: torch.dtype) -> None:
    w = torch.randn(20, 31, generator=torch.Generator().manual_seed(0)).to(dtype)
    expected = np.linalg.svd(w.double().numpy(), compute_uv=False)
    assert np.allclose(spectrum_of(w).values, expected, rtol=1e-12)


def test_transposed_views_are_read_as_the_matrix_they_show() -> None:
    w = torch.randn(3000, 16, generator=torch.Generator().manual_seed(0))
    assert np.allclose(spectrum_of(w.T).values, spectrum_of(w).values, rtol=1e-12)
    assert (spectrum_of(w.T).rows, spectrum_of(w.T).columns) == (16, 3000)


def test_zero_rows_and_columns_are_left_out() -> None:
    w = torch.randn(10, 30, generator=torch.Generator().manual_seed(0))
    padded = torch.zeros(12, 33)
    padded[1:11, 2:32] = w
    found = spectrum_of(padded)
    assert (found.rows, found.columns, len(found.values)) == (10, 30, 10)
    assert np.allclose(found.values, spectrum_of(w).values)


def test_zero_matrix_has_no_values() -> None:
    found = spectrum_of(torch.zeros(4, 5))
    assert (found.rows, found.columns, len(found.values), found.rounding, found.kurtosis) == (0, 0, 0, 0.0, 0.0)


def test_values_below_the_rounding_of_the_weights_are_not_told_from_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    low_rank = torch.randn(60, 5, generator=generator) @ torch.randn(5, 80, generator=generator)
    assert len(spectrum_of(low_rank).eigenvalues) == 5
    full = torch.randn(60, 80, generator=generator)
    assert len(spectrum_of(full).eigenvalues) == 60


def test_each_matrix_is_decomposed_once_and_again_when_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = module.singular_values
    monkeypatch.setattr(module, "singular_values", lambda m: calls.append(1) or original(m))
    weight = torch.nn.Parameter(torch.randn(8, 9, generator=torch.Generator().manual_seed(3)))
    first = spectrum_of(weight.detach())
    assert spectrum_of(weight.detach()) is first
    weight.data.mul_(2)  # behind autograd's back: no version counter sees it
    second = spectrum_of(weight.detach())
    assert len(calls) == 2
    assert np.allclose(second.values, 2 * first.values)


def test_values_kept_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        spectrum_of(torch.eye(3)).values[0] = 7.0


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cache", type(module._cache)())
    monkeypatch.setattr(module, "_KEPT", 3)
    for i in range(6):
        spectrum_of(torch.full((2, 2), float(i)))
    assert len(module._cache) == 3


def test_memory_of_long_matrices_does_not_grow_with_their_length() -> None:
    assert module.peak_bytes(10**6, 100) == module.peak_bytes(10**8, 100) == module.peak_bytes(100, 10**6)
    assert module.peak_bytes(100, 100) < module.peak_bytes(100, 1000)
