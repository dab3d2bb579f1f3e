"""Kernel ridge regressions by brute force, many at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray
Kernel = Callable[[Array, Array], Array]


def errors(kernel: Kernel, x: Array, y: Array, z: Array, test: Array, ridge: float) -> tuple[Array, Array]:
    """Squared errors at the test and the training inputs, ``(repeats, m)`` and ``(repeats, n)``, summed over outputs.

    ``x`` is ``(repeats, n, d)``, ``y`` is ``(repeats, n, outputs)``; z and test likewise.
    """
    gram = kernel(x, x)
    weights = np.linalg.solve(gram + ridge * np.eye(x.shape[1]), y)
    return ((kernel(z, x) @ weights - test) ** 2).sum(-1), ((gram @ weights - y) ** 2).sum(-1)


def of_cosine(profile: Callable[[Array], Array], scale: float) -> Kernel:
    """The kernel f(x·z/scale) of stacks of points."""
    return lambda a, b: profile(np.clip(a @ np.swapaxes(b, -1, -2) / scale, -1, 1))
