r"""FLOPs of the operations that multiply matrices, from the shapes that they are given.

A product of an :math:`m \times k` with a :math:`k \times n` matrix is :math:`2mkn` FLOPs: a multiplication and an
addition for each of its :math:`mkn` terms. A bias is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Flops:
    """Arithmetic of one call, or of many.

    Parameters
    ----------
    needed : multiplications and additions of all products, whatever kernel makes them.
    masked : those of ``needed`` whose result a causal mask discards; a kernel may leave them out.
    recomputed : what a fused kernel does beyond ``needed`` because it did not keep the attention weights.
    """

    needed: int = 0
    masked: int = 0
    recomputed: int = 0

    def __add__(self, other: Flops) -> Flops:
        return Flops(self.needed + other.needed, self.masked + other.masked, self.recomputed + other.recomputed)


# what a call was given by position and by name, and what it returned; None where the shapes do not tell
Formula = Callable[[Sequence[Any], dict[str, Any], Any], Flops | None]


def _dense(a: Tensor, b: Tensor) -> Flops:
    """``a @ b`` of matrices or vectors, with the axes before them the same in both: 2 · |a| · n."""
    columns = b.shape[-1] if b.ndim > 1 else 1
    return Flops(2 * a.numel() * columns)


def _at(first: int) -> Formula:
    """The product of the arguments ``first`` and ``first + 1``."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
        del kwargs, out
        return _dense(args[first], args[first + 1])

    return formula


def _rows_by_weight(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    """A layer whose weight holds its outputs first, ``(outputs, inputs)``, or is packed."""
    del kwargs
    return Flops(2 * args[0].numel() * out.shape[-1])


def _grouped(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    """Products of rows with the matrix of their group (mixtures of experts): each row meets one matrix.

    ``(m, k) × (g, k, n)``, ``(g, m, k) × (k, n)``, ``(m, k) × (k, n)`` with k in groups, or ``(g, m, k) × (g, k, n)``.
    """
    del kwargs, out
    a, b = args[0], args[1]
    groups = a.shape[0] if a.ndim == 3 and b.ndim == 3 else 1
    return Flops(2 * groups * a.shape[-2] * a.shape[-1] * b.shape[-1])


PRODUCTS: dict[str, Formula] = {
    "mm": _at(0),
    "bmm": _at(0),
    "mv": _at(0),
    "dot": _at(0),
    "vdot": _at(0),
    "addmm": _at(1),
    "addmm_": _at(1),
    "addmv": _at(1),
    "addmv_": _at(1),
    "addbmm": _at(1),
    "addbmm_": _at(1),
    "baddbmm": _at(1),
    "baddbmm_": _at(1),
    "_addmm_activation": _at(1),
    "_int_mm": _at(0),
    "_scaled_mm": _at(0),
    "_weight_int8pack_mm": _rows_by_weight,
    "_weight_int4pack_mm": _rows_by_weight,
    "_weight_int4pack_mm_for_cpu": _rows_by_weight,
    "_grouped_mm": _grouped,
    "_scaled_grouped_mm": _grouped,
}
