"""Counting the FLOPs of whatever runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gnomon.subjects.flops.attention import ATTENTION
from gnomon.subjects.flops.convolution import CONVOLUTIONS
from gnomon.subjects.flops.kinds import Kind, kind_of
from gnomon.subjects.flops.products import PRODUCTS, Flops, Formula
from gnomon.subjects.flops.recurrence import RECURRENCE

_FORMULAS: dict[str, Formula] = {**PRODUCTS, **CONVOLUTIONS, **ATTENTION, **RECURRENCE}
_COMPLEX = 4  # a complex multiplication and addition are 8 operations with real numbers, where real ones are 2


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    r"""Counts the arithmetic of all that torch computes inside, forward and backward, on any device.

    A FLOP is a multiplication or an addition of a product of matrices: :math:`2mkn` for an
    :math:`m \times k` and a :math:`k \times n` matrix, and likewise for convolutions, attention and recurrent layers,
    fused or not. The count is that of the mathematics: the same for every kernel that torch may choose, masks or not.
    It does not need the numbers: with tensors on the device ``meta`` a network is counted without being held or run.

    What runs is what would run anyway, so that the results are the same to the last bit.

    Attributes
    ----------
    flops : all of them; see `Flops` for what of them a causal mask hides, and for what fused kernels do beyond.
    by_operation : the same by the name of the operation.
    elements : numbers that the other arithmetic (activations, normalisation, sums) goes through; not in ``flops``.
    uncounted : calls of operations that may compute much and for which no formula is known, by name. What a library
        computes outside of torch's operations (a kernel of its own, a compiled graph) is seen by nobody.

    Cost: some 20 µs an operation of torch, nearly all of it what any dispatch mode takes; ``benchmarks/efficiency.py``.

    >>> with FlopCounter() as counter:
    ...     y = torch.zeros(3, 4) @ torch.zeros(4, 5)
    >>> counter.flops.needed
    120
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operation: dict[str, Flops] = {}
        self.elements = 0
        self.uncounted: Counter[str] = Counter()

    @property
    def flops(self) -> Flops:
        """All that was counted so far."""
        return sum(self.by_operation.values(), Flops())

    @property
    def complete(self) -> bool:
        """Whether a formula was known for all that may compute much."""
        return not self.uncounted

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func`` and count what it does."""
        del types
        named = kwargs or {}
        name, formula, kind = _known(func)
        if formula is None and kind == "unknown" and isinstance(func, torch._ops.OpOverload):
            with self:  # what consists of other operations (in inference mode torch does not split it up itself)
                parts = func.decompose(*args, **named)
            if parts is not NotImplemented:
                return parts
        made = func(*args, **named)
        if formula is not None:
            self._count(name, formula, args, named, made)
        elif kind == "elementwise":
            self.elements += max(_largest(args), _largest(made if isinstance(made, (tuple, list)) else (made,)))
        elif kind == "unknown":
            self.uncounted[name] += 1
        return made

    def _count(self, name: str, formula: Formula, args: Any, kwargs: dict[str, Any], made: Any) -> None:
        given = [t for t in args if isinstance(t, Tensor)]
        found = None if any(t.layout != torch.strided for t in given) else formula(args, kwargs, made)
        if found is None:
            self.uncounted[name] += 1
            return
        if given and given[-1].is_complex():
            found = Flops(*(_COMPLEX * part for part in (found.needed, found.masked, found.recomputed)))
        self.by_operation[name] = self.by_operation.get(name, Flops()) + found


_SEEN: dict[Any, tuple[str, Formula | None, Kind]] = {}


def _known(func: Any) -> tuple[str, Formula | None, Kind]:
    """Name, formula and kind of an operation."""
    if func not in _SEEN:
        schema = getattr(func, "_schema", None)
        room, _, short = ("", "", str(func)) if schema is None else schema.name.partition("::")
        name = short if room in ("", "aten") else f"{room}::{short}"
        formula = _FORMULAS.get(short) if room == "aten" else None
        _SEEN[func] = name, formula, "unknown" if formula else kind_of(func)
    return _SEEN[func]


def _largest(values: Sequence[Any]) -> int:
    return max((t.numel() for t in values if isinstance(t, Tensor)), default=0)
