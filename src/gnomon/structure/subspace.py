"""A linear subspace of activation space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.errors import GnomonError

_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Subspace:
    r"""The span of orthonormal directions, the most important first.

    Parameters
    ----------
    basis : ``(d, r)`` in float64; its columns are orthonormal to 1e-6.
    strengths : ``(r,)``, what the method that found it ranks its directions by, falling.

    Raises GnomonError when the columns are not orthonormal or the shapes do not match.

    >>> plane = Subspace(torch.eye(3, dtype=torch.float64)[:, :2], torch.tensor([2.0, 1.0]))
    >>> plane.coordinates(torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)).tolist()
    [[1.0, 2.0]]
    """

    basis: Tensor
    strengths: Tensor

    def __post_init__(self) -> None:
        basis = self.basis.to(torch.float64)
        if basis.ndim != 2 or basis.shape[1] < 1 or self.strengths.shape != basis.shape[1:]:
            raise GnomonError(f"basis {tuple(basis.shape)} and strengths {tuple(self.strengths.shape)} do not match")
        gram = basis.T @ basis - torch.eye(basis.shape[1], dtype=basis.dtype, device=basis.device)
        if not bool(gram.abs().max() <= _TOLERANCE):
            raise GnomonError("the basis is not orthonormal", mend="give Subspace.span of the directions")
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "strengths", self.strengths.to(basis))

    @classmethod
    def line(cls, direction: Tensor) -> Subspace:
        """That of one direction ``(d,)`` of any length but zero; its strength is 1."""
        return cls.span(direction[:, None], torch.ones(1))

    @classmethod
    def span(cls, directions: Tensor, strengths: Tensor) -> Subspace:
        """That of the columns of ``directions``, ``(d, r)``, made orthonormal in their order; signs are kept.

        Raises GnomonError when they are not independent.
        """
        columns = directions.to(torch.float64)
        largest = columns.abs().amax(dim=0)  # taken out first, so that no square overflows
        columns = columns / torch.where(largest > 0, largest, 1.0)
        columns = columns / columns.norm(dim=0).clamp(min=1.0)
        q, r = torch.linalg.qr(columns)
        if not bool((r.diagonal().abs() > _TOLERANCE).all()):
            raise GnomonError("the directions are zero or depend on each other", mend="ask for a lower rank")
        return cls(q * r.diagonal().sign(), strengths)

    @property
    def rank(self) -> int:
        """Its dimension r."""
        return self.basis.shape[1]

    @property
    def direction(self) -> Tensor:
        """The first direction, ``(d,)``, of unit length."""
        return self.basis[:, 0]

    def coordinates(self, inputs: Tensor) -> Tensor:
        """``(n, r)``, of the rows of ``inputs``."""
        return inputs.to(self.basis) @ self.basis

    def angles(self, other: Subspace) -> Tensor:
        """Principal angles in radians, ``(min(r, s),)``, rising. Source: Björck & Golub, Math. Comp. 27 (1973) 579.

        Small angles are taken from their sine, large ones from their cosine, so that both are exact to rounding.
        """
        small, large = (self.basis, other.basis) if self.rank <= other.rank else (other.basis, self.basis)
        cosines = torch.linalg.svdvals(large.T @ small).clamp(max=1.0)
        sines = torch.linalg.svdvals(small - large @ (large.T @ small)).clamp(max=1.0).flip(0)
        return torch.where(cosines.square() > 0.5, sines.asin(), cosines.acos())
