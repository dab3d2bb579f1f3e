"""Gradients that are taken many times, as the list of operations they come down to."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from gnomon.subjects import Batch

Gradients = tuple[Tensor, Tensor]

_MOST_SHAPES = 8
_SMALL = 2e9  # multiplications and additions; of larger evaluations hardly anything is overhead
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Piece:
    """Examples that are run at once, on the subject's device, and their losses at the centre."""

    batch: Batch
    losses: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        """All that differs between pieces."""
        batch = self.batch
        others = [t for t in (batch.mask, batch.targets) if t is not None]
        return [self.losses, *batch.args, *batch.kwargs.values(), *others]

    def holding(self, tensors: list[Tensor]) -> Piece:
        """The same with other ``tensors`` in the place of its own."""
        losses, *rest = tensors
        batch, some = self.batch, iter(rest)
        held = replace(
            batch,
            args=tuple(next(some) for _ in batch.args),
            kwargs={name: next(some) for name in batch.kwargs},
            mask=None if batch.mask is None else next(some),
            targets=None if batch.targets is None else next(some),
        )
        return Piece(held, losses)


class Traced:
    """``function`` of rows and a piece, run from a trace where that is surely the same.

    Much of the time that a small network's gradient takes under `torch.func` goes into the transformations. When a
    piece comes up a second time, `make_fx` writes down the operations that its evaluation consists of, and these alone
    are run from then on, for all pieces of that shape. A network may look at its inputs in ways that a trace does not
    see, so each piece is once evaluated both ways; a shape that cannot be traced, or whose trace gives anything else,
    is left as it was.

    Parameters
    ----------
    function : gradients ``(chains, d)`` and values ``(chains,)`` of rows ``(chains, d)`` by the examples of a piece.
    before : called before each evaluation; seeds whatever random numbers the network draws.
    module : the network; one that has hooks is not traced, they may want to see every pass.
    """

    def __init__(
        self, function: Callable[[Tensor, Piece], Gradients], before: Callable[[], None], module: nn.Module
    ) -> None:
        self._function = function
        self._before = before
        self._allowed = not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
        self._seen: set[object] = set()
        self._traces: dict[object, Callable[..., Gradients] | None] = {}
        self._checked: set[object] = set()

    def __call__(self, rows: Tensor, piece: Piece) -> Gradients:
        """``function(rows, piece)``, with the same random numbers each time."""
        tensors = piece.tensors
        shape = (rows.shape, *(t.shape for t in tensors))
        this = (shape, int(piece.batch.examples[0]))
        trace = self._trace(shape, rows, piece) if self._allowed and this in self._seen else None
        self._seen.add(this)
        self._before()
        if trace is None:
            return self._function(rows, piece)
        with torch.no_grad():
            found = trace(rows, *tensors)
        if this not in self._checked:
            self._checked.add(this)
            self._before()
            direct = self._function(rows, piece)
            if not all(map(_alike, found, direct)):
                self._traces[shape] = None
                return direct
        return found

    def _trace(self, shape: object, rows: Tensor, piece: Piece) -> Callable[..., Gradients] | None:
        if shape not in self._traces and len(self._traces) < _MOST_SHAPES:
            small = 6.0 * rows.numel() * len(piece.losses) <= _SMALL
            self._traces[shape] = self._made(rows, piece) if small else None
        return self._traces.get(shape)

    def _made(self, rows: Tensor, piece: Piece) -> Callable[..., Gradients] | None:
        self._before()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                traced: Callable[..., Gradients] = make_fx(
                    lambda at, *tensors: self._function(at, piece.holding(list(tensors)))
                )(rows, *piece.tensors)
        except Exception:  # noqa: BLE001 - whatever it is in the network that cannot be traced, there is another way
            return None
        return traced


def _alike(a: Tensor, b: Tensor) -> bool:
    """Equal up to rounding; an infinity or NaN is equal to its like."""
    finite = b[torch.isfinite(b)]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)
