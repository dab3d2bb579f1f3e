"""Singular values of a weight matrix, computed once and shared by everything that reads them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_KEPT = 1024
_ROWS_AT_ONCE = 2048
_ROUNDINGS = 4.0  # a product that made the weights rounds more than storing it does
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
        :math:`4\epsilon_w \|W\|_F/\sqrt{\min(N, M)}`, or ``rounding``; smaller ones are not told from zero.
    mean_square : mean of the squared entries.
    kurtosis : mean of their fourth powers over the square of that (3 for Gaussian entries).
    """

    rows: int
    columns: int
    values: NDArray[np.float64]
    rounding: float
    noise: float
    mean_square: float
    kurtosis: float

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        r"""Eigenvalues :math:`\lambda_i = s_i^2` of :math:`W^\top W` that are told from zero, descending."""
        return self.values[self.values > self.noise] ** 2


def spectrum_of(matrix: Tensor) -> Spectrum:
    """The spectrum of ``matrix``, ``(rows, columns)``, finite.

    It is kept under the hash of the matrix's content, so that each matrix is decomposed once, however many
    estimators read it and whatever changes it in place. Cost: `flops` and `peak_bytes`.
    """
    if matrix.device.type != "cuda":
        matrix = matrix.cpu()  # where float64 is not to be had
    key = _digest(matrix)
    found = _cache.get(key)
    if found is None:
        found = _cache[key] = _spectrum(matrix)
        if len(_cache) > _KEPT:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return found


def flops(rows: int, columns: int) -> float:
    """Arithmetic of one decomposition."""
    return 6.0 * rows * columns * min(rows, columns)


def peak_bytes(rows: int, columns: int) -> int:
    """Memory of one decomposition: the numbers decomposed at once, and LAPACK's copy."""
    short, long = sorted((rows, columns))
    return 18 * short * min(long, short + _block(short))


def blocks(matrix: Tensor) -> Iterator[Tensor]:
    """The rows of a matrix, or its columns as rows if those are more, in parts that fit into memory."""
    tall = _tall(matrix)
    yield from torch.split(tall, _block(tall.shape[1]))


def singular_values(matrix: Tensor) -> NDArray[np.float64]:
    """Singular values, descending, in float64.

    A long matrix is first reduced to a triangle, a block of rows at a time, which bounds the memory.
    """
    tall = _tall(matrix)
    block, start = _block(tall.shape[1]), tall.shape[1] + _block(tall.shape[1])
    reduced = tall[:start].double()
    for at in range(start, len(tall), block):
        triangle = torch.linalg.qr(reduced, mode="r").R
        reduced = torch.cat([triangle, tall[at : at + block].double()])
    values: NDArray[np.float64] = torch.linalg.svdvals(reduced).cpu().numpy()
    return values


def _tall(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T


def _block(short: int) -> int:
    return max(_ROWS_AT_ONCE, short // 2)


def _spectrum(matrix: Tensor) -> Spectrum:
    squares = fourths = 0.0
    long = 0
    alive = torch.zeros(min(matrix.shape), dtype=torch.bool, device=matrix.device)
    for block in blocks(matrix):
        nonzero = block != 0
        long += int(nonzero.any(1).sum())
        alive |= nonzero.any(0)
        square = block.double().square()
        squares += float(square.sum())
        fourths += float(square.square().sum())
    sides = long, int(alive.sum())
    rows, columns = sides if matrix.shape[0] >= matrix.shape[1] else sides[::-1]
    values = singular_values(matrix)[: min(sides)].copy()
    values.setflags(write=False)
    rounding = max(matrix.shape) * _EPSILON * float(values.max(initial=0.0))
    entries = max(1, rows * columns)
    precision = float(torch.finfo(matrix.dtype).eps)
    return Spectrum(
        rows=rows,
        columns=columns,
        values=values,
        rounding=rounding,
        noise=max(rounding, _ROUNDINGS * precision * (squares / max(1, len(values))) ** 0.5),
        mean_square=squares / entries,
        kurtosis=fourths * entries / squares**2 if squares > 0 else 0.0,
    )


def _digest(matrix: Tensor) -> bytes:
    digest = hashlib.blake2b(f"{tuple(matrix.shape)}{matrix.dtype}".encode())
    for block in blocks(matrix):
        digest.update(block.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.digest()
