"""Parameters that enter a form linearly, solved for where the others are given (variable projection)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def project(basis: Array, y: Array, floors: Array) -> Array:
    r"""Least-squares coefficients c of :math:`y \approx \sum_k c_k b_k`, none below its floor.

    A coefficient that comes out below its floor is put there, and the others are solved for again: a start for a fit,
    not the constrained optimum.

    Parameters
    ----------
    basis : the functions b for each start, shape ``(s, n, k)``.
    y : values, shape ``(n,)``.
    floors : shape ``(k,)``; ``-inf`` for a coefficient of either sign.

    Returns
    -------
    Shape ``(s, k)``.

    Source: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413.

    >>> x = np.arange(5.0)
    >>> project(np.stack([np.ones(5), x], -1)[None], 3.0 - 2.0 * x, np.array([-np.inf, 0.1])).round(3)
    array([[-1.2,  0.1]])
    """
    size = np.sqrt((basis**2).mean(-2, keepdims=True)) + 1e-300
    scaled = basis / size
    gram = np.swapaxes(scaled, -1, -2) @ scaled / basis.shape[-2]
    ridge = 1e-12 * np.eye(basis.shape[-1])
    moments = (scaled * y[:, None]).mean(-2)
    coefficients = np.linalg.solve(gram + ridge, moments[..., None])[..., 0] / size[:, 0]
    low = coefficients < floors
    if low.any():
        fixed = np.where(low, np.where(np.isfinite(floors), floors, 0.0), 0.0) * size[:, 0]
        moments = moments - (gram @ fixed[..., None])[..., 0]
        free = ~low
        gram = gram * free[..., :, None] * free[..., None, :] + np.eye(basis.shape[-1]) * low[..., None]
        solved = np.linalg.solve(gram + ridge, np.where(low, 0.0, moments)[..., None])[..., 0] / size[:, 0]
        coefficients = np.maximum(np.where(low, floors, solved), floors)
    return np.asarray(coefficients)
