"""Singular values of a weight matrix, computed once and shared by everything that reads them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_KEPT = 1024
_ROWS_AT_ONCE = 4096
_FLOAT64 = 8
_EPSILON = float(np.finfo(np.float64).eps)

_cache: OrderedDict[bytes, Spectrum] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Spectrum:
    r"""What the estimators of the family know of a matrix :math:`W`.

    Parameters
    ----------
    rows, columns : its shape, without the rows and columns that are entirely zero (a padding token's embedding, a
        dead unit). They change no singular value but zero, and say nothing about the rest.
    values : singular values, descending, ``(min(rows, columns),)``, float64, read-only.
    rounding : bound on the error of each of them: that of a backward stable float64 decomposition,
        :math:`\max(N, M)\,\epsilon\,s_1`.
    noise : size of the singular values that rounding the weights to their own number format makes,
        :math:`\epsilon_w \|W\|_F/\sqrt{\min(N, M)}`; smaller ones are not told from zero.
    mean_square : mean of the squared entries.
    kurtosis : mean of their fourth powers over the square of that (3 for Gaussian entries).
    largest_entry : largest absolute value of an entry.
    """

    rows: int
    columns: int
    values: NDArray[np.float64]
    rounding: float
    noise: float
    mean_square: float
    kurtosis: float
    largest_entry: float

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        r"""Eigenvalues :math:`\lambda_i = s_i^2` of :math:`W^\top W` that are told from zero, descending."""
        return self.values[self.values > self.noise] ** 2


def spectrum_of(matrix: Tensor) -> Spectrum:
    """The spectrum of ``matrix``, ``(rows, columns)``, finite.

    It is kept under the hash of the matrix's content, so that each matrix is decomposed once, however many
    estimators read it and whatever changes it in place. Cost: about ``6 · rows · columns · min(rows, columns)`` flops;
    at most `peak_bytes` of memory.
    """
    key = _digest(matrix)
    found = _cache.get(key)
    if found is None:
        found = _cache[key] = _decompose(matrix)
        if len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return found


def flops(rows: int, columns: int) -> float:
    """Arithmetic of one decomposition."""
    return 6.0 * rows * columns * min(rows, columns)


def peak_bytes(rows: int, columns: int) -> int:
    """Memory of one decomposition: the block at hand, the triangle so far, and LAPACK's copies of both."""
    short, long = sorted((rows, columns))
    return 3 * _FLOAT64 * short * min(long, short + _block(short))


def singular_values(matrix: Tensor) -> NDArray[np.float64]:
    """Singular values, descending, in float64.

    A long matrix is first reduced to a triangle, a block of rows at a time, which bounds the memory.
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    device = tall.device if tall.device.type == "cuda" else torch.device("cpu")  # others lack float64
    size = _block(tall.shape[1])
    reduced, *blocks = torch.split(tall, size + tall.shape[1])
    reduced = reduced.to(device, torch.float64)
    for block in blocks:
        triangle = torch.linalg.qr(reduced, mode="r").R
        reduced = torch.cat([triangle, block.to(device, torch.float64)])
    values: NDArray[np.float64] = torch.linalg.svdvals(reduced).cpu().numpy()
    return values


def _block(short: int) -> int:
    return max(_ROWS_AT_ONCE, 3 * short)


def _decompose(matrix: Tensor) -> Spectrum:
    alive = matrix != 0
    rows, columns = int(alive.any(1).sum()), int(alive.any(0).sum())
    values = singular_values(matrix)[: min(rows, columns)].copy()
    values.setflags(write=False)
    squares = matrix.double().square()
    entries = max(1, rows * columns)
    mean_square = float(squares.sum()) / entries
    fourth = float(squares.square().sum()) / entries
    largest = float(values[0]) if len(values) else 0.0
    precision = float(torch.finfo(matrix.dtype).eps)
    return Spectrum(
        rows=rows,
        columns=columns,
        values=values,
        rounding=max(matrix.shape) * _EPSILON * largest,
        noise=precision * (mean_square * entries / max(1, len(values))) ** 0.5,
        mean_square=mean_square,
        kurtosis=fourth / mean_square**2 if mean_square > 0 else 0.0,
        largest_entry=float(squares.max()) ** 0.5,
    )


def _digest(matrix: Tensor) -> bytes:
    content = matrix.detach().cpu().contiguous()
    digest = hashlib.blake2b(f"{tuple(content.shape)}{content.dtype}".encode())
    digest.update(content.flatten().view(torch.uint8).numpy().tobytes())
    return digest.digest()
