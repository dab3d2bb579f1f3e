"""Lanczos iterations with full reorthogonalisation, several start vectors in step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.randomness import Rng

# a next vector shorter than this many roundings of the largest coefficient is rounding itself
_ROUNDINGS = 100.0
# a pass that leaves less than this share of a vector has its rounding made up for by another
_AGAIN = 0.7
# the asymmetry of products shows half of their rounding at best; the errors of eigenvalues were up to four times it,
# or two and a half spacings of the largest, on stiff and on trained networks
_HEADROOM = 4.0


@dataclass(frozen=True, eq=False)
class Krylov:
    r"""What m steps from one start vector found: :math:`A Q = Q T + \beta_m q_{m+1} e_m^\top` with orthonormal Q.

    Parameters
    ----------
    alphas : ``(m,)`` diagonal of the tridiagonal T.
    betas : ``(m,)``: the off-diagonal of T and, last, the length :math:`\beta_m` of what is left over.
    basis : ``(m, d)`` rows of :math:`Q^\top`, float64.
    rounding : how far rounding of the products may move an eigenvalue: four times the part of :math:`Q^\top A Q` that
        would vanish if products were exact and A symmetric, and four spacings of its largest number.
    complete : whether the Krylov space is exhausted: Ritz values are eigenvalues, and quadrature is exact.
    """

    alphas: NDArray[np.float64]
    betas: NDArray[np.float64]
    basis: Tensor = field(repr=False)
    rounding: float
    complete: bool

    @property
    def dimension(self) -> int:
        """The order d of A."""
        return int(self.basis.shape[1])

    @cached_property
    def _spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = eigh_tridiagonal(self.alphas, self.betas[:-1])
        return np.asarray(values, dtype=np.float64), np.asarray(vectors, dtype=np.float64)

    @property
    def ritz_values(self) -> NDArray[np.float64]:
        """``(m,)`` eigenvalues of T, ascending. The extreme ones lie inside the spectrum of A."""
        return self._spectrum[0]

    @property
    def weights(self) -> NDArray[np.float64]:
        """``(m,)`` squared first components of T's eigenvectors: the weights of the Gauss quadrature; they sum to 1."""
        return np.asarray(np.square(self._spectrum[1][0]))

    @property
    def residuals(self) -> NDArray[np.float64]:
        r"""``(m,)`` bounds :math:`\beta_m |s_{mi}|`: an eigenvalue of A lies within that of each Ritz value."""
        return np.asarray(self.betas[-1] * np.abs(self._spectrum[1][-1]))

    def ritz_vector(self, index: int) -> Tensor:
        """``(d,)`` unit vector of the Ritz value at ``index``."""
        coefficients = torch.from_numpy(np.ascontiguousarray(self._spectrum[1][:, index])).to(self.basis.device)
        return coefficients @ self.basis


def start_vectors(dimension: int, probes: int, rng: Rng) -> Tensor:
    """``(d, probes)`` independent directions, uniform on the sphere, drawn on the CPU."""
    drawn = [
        torch.randn(dimension, dtype=torch.float64, generator=rng.child("start", i).torch()) for i in range(probes)
    ]
    return torch.stack([v / v.norm() for v in drawn], dim=1)


def lanczos(operator: CurvatureOperator, starts: Tensor, steps: int) -> list[Krylov]:
    r"""Run ``steps`` Lanczos steps from each column of ``starts``, sharing the products of each step.

    Every new vector is orthogonalised against all before it, so that no spurious copies of eigenvalues appear: against
    the two that exact arithmetic leaves a part along, then against all, and against all again where that has taken away
    so much that the rest is rounding. A run ends early when its Krylov space is exhausted: when there is nothing left
    over but rounding.

    Parameters
    ----------
    starts : ``(d, probes)``, of unit length.
    steps : at most d of them are made.

    Source: Lanczos (1950); Golub & Van Loan, Matrix Computations (4th ed.), §10.3; Parlett, The Symmetric Eigenvalue
    Problem (1998), §6.9 (Kahan and Parlett: when to orthogonalise again, and that twice is enough).

    Cost: ``steps`` products with ``probes`` vectors each, memory 8 · steps · probes · d bytes.
    """
    steps = min(steps, operator.dimension)
    runs = [_Run(starts[:, i].to(operator.device), steps, operator.precision) for i in range(starts.shape[1])]
    for _ in range(steps):
        active = [run for run in runs if not run.exhausted]
        if not active:
            break
        products = operator.matmat(torch.stack([run.newest for run in active]).T)
        for run, product in zip(active, products.T, strict=True):
            run.extend(product)
    return [run.krylov() for run in runs]


class _Run:
    def __init__(self, start: Tensor, steps: int, precision: float) -> None:
        self._basis = torch.empty(steps, len(start), dtype=torch.float64, device=start.device)
        self._basis[0] = start
        self._precision = precision
        self._alphas: list[float] = []
        self._betas: list[float] = []
        self._stray = 0.0
        self.exhausted = False

    @property
    def newest(self) -> Tensor:
        return self._basis[len(self._alphas)]

    def extend(self, product: Tensor) -> None:
        """One step, from the product of A and the newest vector."""
        done = len(self._alphas) + 1
        basis = self._basis[:done]
        if done > 1:
            product = product - self._betas[-1] * basis[-2]
        alpha = float(basis[-1] @ product)
        rest = product - alpha * basis[-1]
        length = float(rest.norm())
        along = basis @ rest  # would vanish if products were exact and the matrix symmetric
        rest -= along @ basis
        self._stray += float(along[:-1].square().sum())
        beta = float(rest.norm())
        if beta < _AGAIN * length:
            rest -= (basis @ rest) @ basis
            beta = float(rest.norm())
        self._alphas.append(alpha + float(along[-1]))
        self._betas.append(beta)
        self.exhausted = beta <= _ROUNDINGS * self._precision * self._scale
        if not self.exhausted and done < len(self._basis):
            self._basis[done] = rest / beta

    @property
    def _scale(self) -> float:
        return max(max(map(abs, self._alphas)), max(self._betas))

    def krylov(self) -> Krylov:
        done = len(self._alphas)
        return Krylov(
            alphas=np.array(self._alphas),
            betas=np.array(self._betas),
            basis=self._basis[:done],
            rounding=_HEADROOM * (float(np.sqrt(self._stray)) + self._precision * self._scale),
            complete=self.exhausted or done == self._basis.shape[1],
        )
