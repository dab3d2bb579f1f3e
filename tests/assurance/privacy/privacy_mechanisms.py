"""The mechanism that wins most often of all that are private: what no bound may deny."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog


def best_mechanism(won: NDArray[np.float64], apart: Sequence[tuple[int, int, float]], delta: float = 0.0) -> float:
    """The largest chance of winning, for inputs drawn uniformly: a linear programme over all mechanisms.

    ``won[x, y]`` is 1 where output y wins at input x; ``apart`` are inputs (x, x', ε) between which the mechanism may
    differ by e^ε in probability, and δ. Its unknowns are p(y | x) and, of each such two, what exceeds e^ε.
    """
    inputs, outputs = won.shape
    size, pairs = won.size, len(apart) * outputs
    above = np.zeros((pairs + len(apart), size + pairs))
    limits = np.zeros(pairs + len(apart))
    for number, (one, other, epsilon) in enumerate(apart):
        for y in range(outputs):
            row = number * outputs + y
            above[row, one * outputs + y], above[row, other * outputs + y] = 1.0, -np.exp(epsilon)
            above[row, size + row] = -1.0
            above[pairs + number, size + row] = 1.0
        limits[pairs + number] = delta
    whole = np.zeros((inputs, size + pairs))
    whole[:, :size] = np.kron(np.eye(inputs), np.ones(outputs))
    gain = np.append(-won.ravel() / inputs, np.zeros(pairs))
    return float(-linprog(gain, A_ub=above, b_ub=limits, A_eq=whole, b_eq=np.ones(inputs)).fun)
