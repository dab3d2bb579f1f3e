"""The contract of an edit of an activation, what the affine ones share, and the registry of kinds."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.registry import Registry
from gnomon.structure.subspace import Subspace

Transform = Callable[[Tensor], Tensor]
"""Of activations ``(…, d)``, in the precision and on the device that it was prepared for."""


@dataclass(frozen=True, eq=False)
class Affine:
    r"""The map :math:`x \mapsto x + L R x + b`.

    Parameters
    ----------
    left, right : L ``(d, r)`` and R ``(r, d)``; r = 0 for a pure shift.
    shift : b ``(d,)``.
    """

    left: Tensor
    right: Tensor
    shift: Tensor

    @property
    def matrix(self) -> Tensor:
        """``(d, d)``: :math:`I + L R`."""
        return torch.eye(len(self.shift)).to(self.shift) + self.left @ self.right

    @property
    def shifts_only(self) -> bool:
        """Whether it adds the same vector to every activation."""
        return self.left.shape[1] == 0

    def then(self, other: Affine) -> Affine:
        """Both maps, ``other`` last."""
        left, right, shift = (t.to(self.shift) for t in (other.left, other.right, other.shift))
        return Affine(
            torch.cat([self.left, left], dim=1),
            torch.cat([self.right, right + (right @ self.left) @ self.right]),
            self.shift + left @ (right @ self.shift) + shift,
        )

    def prepared(self, dtype: torch.dtype, device: torch.device) -> Transform:
        """The map of activations in that precision; 16-bit ones are mapped in float32 and rounded once."""
        work = working(dtype)
        left, right, shift = (t.detach().to(work).to(device) for t in (self.left, self.right, self.shift))
        if self.shifts_only:
            return rounded_once(lambda x: x + shift, dtype)
        return rounded_once(lambda x: x + F.linear(F.linear(x, right), left, shift), dtype)


class Edit(abc.ABC):
    """A change of one activation at a time. Subclasses are frozen dataclasses.

    Attributes
    ----------
    kind : in JSON and on the command line.
    source : the papers that it comes from.
    """

    kind: ClassVar[str]
    source: ClassVar[str]

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """d, of the activations that it is for."""

    @property
    @abc.abstractmethod
    def along(self) -> Subspace:
        """What it moves activations along."""

    @abc.abstractmethod
    def affine(self, strength: float = 1.0) -> Affine | None:
        """It as an affine map in float64; ``None`` where it is none."""

    @abc.abstractmethod
    def redrawn(self, rng: Rng) -> Self:
        """The same edit along directions drawn uniformly, with its lengths, rank, centre and range: a control.

        A condition stays as it is, and latents are drawn from the others of the dictionary.
        """

    def prepared(self, strength: float, dtype: torch.dtype, device: torch.device) -> Transform:
        """It at ``strength``, with all that does not depend on the activation computed ahead.

        What is not affine defines its own. Raises GnomonError where neither is so.
        """
        affine = self.affine(strength)
        if affine is None:
            raise GnomonError(f"{self.kind} is not affine and says not how to do it", mend="define prepared")
        return affine.prepared(dtype, device)

    def apply(self, x: Tensor, strength: float = 1.0) -> Tensor:
        """``(…, d)`` to ``(…, d)``, differentiable in ``x``; at strength 0 it is ``x`` itself."""
        if x.shape[-1] != self.width:
            raise GnomonError(
                f"{self.kind} is for activations of width {self.width}, these have {x.shape[-1]}",
                mend="give the site that it was made for",
            )
        return x if strength == 0 else self.prepared(strength, x.dtype, x.device)(x)


def working(dtype: torch.dtype) -> torch.dtype:
    """The precision that edits compute in: float32 for 16-bit activations, else their own."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def rounded_once(transform: Transform, dtype: torch.dtype) -> Transform:
    """``transform``, which works in `working` precision, on activations of ``dtype``."""
    work = working(dtype)
    return transform if work == dtype else lambda x: transform(x.to(work)).to(dtype)


def as_vector(name: str, value: Tensor) -> Tensor:
    """``value`` detached and in float64. Raises GnomonError unless it is ``(d,)`` and finite."""
    if value.ndim != 1 or not len(value) or not bool(torch.isfinite(value).all()):
        raise GnomonError(f"{name} {tuple(value.shape)} is not one vector of finite numbers", mend="give (width,)")
    return value.detach().to(torch.float64)


registry: Registry[type[Edit]] = Registry("kind of edit", package="gnomon.control.edits", group="gnomon.edits")

T = TypeVar("T", bound=type[Edit])


def register(kind: T) -> T:
    """Class decorator: add a kind of edit. Raises GnomonError when its name is taken."""
    registry.add(kind.kind, kind)
    return kind


def edits() -> dict[str, type[Edit]]:
    """Every registered kind by name, after loading gnomon's own and all plug-ins."""
    return registry.all()
