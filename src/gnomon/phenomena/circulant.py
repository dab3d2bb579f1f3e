"""How circulant a matrix is: whether it depends on the difference of its indices only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gnomon.errors import GnomonError


def circulant_share(block: ArrayLike) -> float:
    r"""Share of the variance of the entries of a square matrix that its circulant average explains.

    .. math:: R^2 = 1 - \frac{\sum_{ab} (B_{ab} - c_{b-a})^2}{\sum_{ab} (B_{ab} - \bar B)^2},\qquad
       c_k = \frac1p \sum_a B_{a,\,a+k \bmod p}

    It is 1 for a circulant matrix, and on average 1/(p + 1) for independent entries.

    Raises GnomonError when the matrix is not square, or all its entries are equal.

    >>> circulant_share([[1, 2, 3], [3, 1, 2], [2, 3, 1]])
    1.0
    """
    matrix = np.asarray(block, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise GnomonError(f"a matrix of shape {matrix.shape} is not square")
    total = np.square(matrix - matrix.mean()).sum()
    if not total > 0:
        raise GnomonError("all entries are equal: there is no variance to explain")
    p = len(matrix)
    unrolled = np.stack([np.roll(row, -a) for a, row in enumerate(matrix)])
    return float(1 - p * unrolled.var(axis=0).sum() / total)
