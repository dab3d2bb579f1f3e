"""Forms that are linear in their parameters."""

from __future__ import annotations

import abc

import numpy as np

from gnomon.laws.form import Array, Form
from gnomon.laws.projection import project


class LinearForm(Form):
    r"""A sum :math:`\sum_k \theta_k b_k(x)`, with parameters of either sign."""

    @abc.abstractmethod
    def basis(self, x: Array) -> Array:
        """The functions b at ``x``, shape ``(..., n, p)``."""

    def value(self, x: Array, theta: Array) -> Array:
        y: Array = (self.basis(x) * theta[..., None, :]).sum(-1)
        return y

    def jacobian(self, x: Array, theta: Array) -> Array:
        basis = self.basis(x)
        return np.broadcast_to(basis, (*np.broadcast_shapes(basis.shape[:-2], theta.shape[:-1]), *basis.shape[-2:]))

    def starts(self, x: Array, y: Array, count: int) -> Array:  # noqa: ARG002  one optimum
        """The least squares, and for noise on logarithms, which that may not be able to give, the nearest constant."""
        basis = self.basis(x)[None]
        p = basis.shape[-1]
        flat = project(basis, np.full(len(y), np.median(y)), np.full(p, -np.inf))
        return np.concatenate([project(basis, y, np.full(p, -np.inf)), flat])
