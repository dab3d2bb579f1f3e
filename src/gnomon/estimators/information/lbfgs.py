"""Minimisation of smooth convex functions by limited-memory BFGS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]
_MEMORY = 10
_SUFFICIENT = 1e-4
_SHORTEST = 2.0**-20


def minimised(
    function: Callable[[_Vector], tuple[float, _Vector]], start: _Vector, *, iterations: int, tolerance: float = 1e-6
) -> _Vector:
    """Where ``function``, which returns its value and gradient, is smallest, or after so many steps nearly so.

    The steps are halved until the value falls as the gradient promises. It stops when the largest component of the
    gradient is below ``tolerance``. (SciPy's routine solves its inner systems of a few numbers with threads, which on a
    busy machine takes ten times as long.)

    Source: Nocedal & Wright, Numerical Optimization (2006), algorithm 7.4.
    """
    point, memory = start, deque[tuple[_Vector, _Vector, float]](maxlen=_MEMORY)
    value, slope = function(point)
    for _ in range(iterations):
        if np.abs(slope).max() < tolerance:
            break
        direction = -_inverse_curvature(memory, slope)
        descent = float(direction @ slope)
        step = 1.0 if memory else min(1.0, 1.0 / float(np.abs(slope).sum()))
        while True:
            trial = point + step * direction
            lower, new_slope = function(trial)
            if lower <= value + _SUFFICIENT * step * descent:
                break
            step /= 2
            if step < _SHORTEST:
                return point
        moved, turned = trial - point, new_slope - slope
        if (along := float(moved @ turned)) > 0:
            memory.append((moved, turned, 1 / along))
        point, value, slope = trial, lower, new_slope
    return point


def _inverse_curvature(memory: deque[tuple[_Vector, _Vector, float]], slope: _Vector) -> _Vector:
    """The two-loop recursion: the remembered inverse Hessian times ``slope``."""
    out = slope.copy()
    weights = []
    for moved, turned, scale in reversed(memory):
        weight = scale * float(moved @ out)
        out -= weight * turned
        weights.append(weight)
    if memory:
        moved, turned, scale = memory[-1]
        out /= scale * float(turned @ turned)
    for (moved, turned, scale), weight in zip(memory, reversed(weights), strict=True):
        out += (weight - scale * float(turned @ out)) * moved
    return out
