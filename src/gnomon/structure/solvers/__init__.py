"""Solvers of the linear system of kernel ridge regression."""

from gnomon.structure.solvers.exact import solve_exactly
from gnomon.structure.solvers.iterative import solve_iteratively

__all__ = ["solve_exactly", "solve_iteratively"]
