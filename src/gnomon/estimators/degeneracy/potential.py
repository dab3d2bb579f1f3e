"""The loss around a subject's parameters, for many chains at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad_and_value, vmap

from gnomon.errors import GnomonError
from gnomon.estimators.degeneracy.tracing import Gradients, Piece, Traced
from gnomon.randomness import Rng
from gnomon.subjects import Data, Parametric, Subject
from gnomon.subjects.memory import PeakMemory

DEFAULT_BYTES = 512 * 2**20


class Potential:
    r"""The mean loss around the parameters :math:`w^*` of a subject, without its slope there:

    .. math:: K(\delta) = L_n(w^* + \delta) - L_n(w^*) - \nabla L_n(w^*) \cdot \delta.

    At a critical point the last term is zero. With ``keep_slope`` it is not taken off.

    The examples are split at random into batches. K of a batch is an unbiased estimate of K of all the data, and its
    gradient :math:`\nabla L_B(w^* + \delta) - \nabla L_B(w^*)` has no noise at the centre: taking off the slope batch
    by batch is a control variate (Baker et al., arXiv:1706.05439).

    Many displacements are evaluated at once by `torch.func.vmap` (see also `Traced`), or one after the other where the
    network cannot be batched so. Losses are added up in float64.

    Parameters
    ----------
    batch_size : examples a batch; ``None`` for all of them in one.
    max_bytes : bound on the memory of an evaluation, measured on the longest example beforehand.
    keep_slope : do not take off the slope.

    Attributes
    ----------
    dimension : number d of trainable parameters.
    centre : :math:`w^*`, ``(d,)``.
    loss : mean loss at the centre.
    predictions : number n of predictions in the data.
    batches, batch_examples : number of batches, and of examples in the largest.
    batched : whether displacements are evaluated at once.

    Raises
    ------
    GnomonError : when there is no loss, nothing is trainable, one example needs more than ``max_bytes``, a batch
        holds no prediction, or the loss at the centre or its gradient is NaN or infinite.
    """

    def __init__(
        self,
        subject: Subject,
        data: Data,
        rng: Rng,
        *,
        batch_size: int | None = None,
        max_bytes: int = DEFAULT_BYTES,
        keep_slope: bool = False,
    ) -> None:
        self._function = Parametric(subject)
        self._data = data
        self._max_bytes = max_bytes
        parameters = list(self._function.parameters.values())
        self.dimension = self._function.dimension
        self.device = subject.device
        self.dtype = torch.float64 if all(p.dtype == torch.float64 for p in parameters) else torch.float32
        self.centre = torch.cat([p.reshape(-1).to(self.dtype) for p in parameters])
        self._batches = _dealt(len(data), batch_size, rng)
        self._traced = Traced(self._at_once, before=self._reseed, module=subject.module)
        with self.computing():
            self._prepare(keep_slope)

    def computing(self) -> AbstractContextManager[None]:
        """The context that evaluations need, see `Parametric.computing`."""
        return self._function.computing()

    def _prepare(self, keep_slope: bool) -> None:
        self.batches = len(self._batches)
        self.batch_examples = max(len(b) for b in self._batches)
        self._fixed, self._grows = self._memory()
        self.batched = self._can_be_batched()
        self._losses = [self._losses_of(examples) for examples in self._batches]
        counts = [sum(len(piece) for piece in losses) for losses in self._losses]
        self.predictions = sum(counts)
        if min(counts) == 0:
            raise GnomonError("a batch holds no prediction", mend="give longer texts, or larger batches")
        self.loss = sum(float(piece.double().sum()) for losses in self._losses for piece in losses) / self.predictions
        if not np.isfinite(self.loss):
            raise GnomonError("the loss is NaN or infinite", mend="check the weights and the data")
        self._scale = self.batches / self.predictions
        self._slopes: dict[int, Tensor] = {}
        held = self.batches * self.dimension * self.centre.element_size()
        self._holds_slopes = self.batches == 1 or held <= self._max_bytes // 4
        self._pieces: tuple[int, tuple[Piece, ...]] | None = None
        self._kept = self.gradient() if keep_slope else None

    def excess(self, displacements: Tensor, batch: int = 0) -> tuple[Tensor, Tensor]:
        """K at each row of ``(chains, d)``, float64, and its gradient ``(chains, d)``, by the examples of ``batch``.

        They are scaled so that their mean over all batches is K of all the data. To be called inside `computing`.
        """
        values, gradients = self._sums(displacements, batch)
        slope = self._slope(batch)
        values = values - (displacements @ slope).double()
        gradients = gradients - slope
        if self._kept is not None:
            values = values + (displacements @ self._kept).double()
            gradients = gradients + self._kept
        return values, gradients

    def gradient(self) -> Tensor:
        """Gradient ``(d,)`` of the mean loss of all the data at the centre. Cost: a pass over the data."""
        total = torch.zeros_like(self.centre)
        for batch in range(self.batches):
            total += self._slope(batch) / self.batches
        return total

    def _slope(self, batch: int) -> Tensor:
        """Gradient at the centre by the examples of ``batch``, scaled as in `excess`."""
        if batch in self._slopes:
            return self._slopes[batch]
        zero = torch.zeros(1, self.dimension, dtype=self.dtype, device=self.device)
        slope = self._sums(zero, batch)[1][0]
        if not bool(torch.isfinite(slope).all()):
            raise GnomonError("the gradient of the loss is NaN or infinite", mend="check the weights and the data")
        if self._holds_slopes:
            self._slopes[batch] = slope
        return slope

    def _sums(self, displacements: Tensor, batch: int) -> tuple[Tensor, Tensor]:
        """Excess losses ``(chains,)`` with their slope, and gradients ``(chains, d)``, scaled as in `excess`."""
        values = torch.zeros(len(displacements), dtype=torch.float64, device=self.device)
        gradients = torch.zeros_like(displacements)
        for piece in self._pieces_of(batch):
            rows = max(1, self._max_bytes // (self._fixed + len(piece.batch) * self._grows))
            for start in range(0, len(displacements), rows):
                some = slice(start, start + rows)
                gradient, value = self._of_piece(displacements[some], piece)
                values[some] += value.double()
                gradients[some] += gradient
        return values * self._scale, gradients * self._scale

    def _of_piece(self, rows: Tensor, piece: Piece) -> Gradients:
        """Gradients and values of the summed excess loss."""
        if self.batched:
            return self._traced(rows, piece)
        self._reseed()
        found = [_differentiated(lambda row: self._excess_of(row, piece), row) for row in rows]
        return torch.stack([g for g, _ in found]), torch.stack([v for _, v in found])

    def _at_once(self, rows: Tensor, piece: Piece) -> Gradients:
        gradients, values = vmap(grad_and_value(lambda row: self._excess_of(row, piece)), randomness="same")(rows)
        return gradients, values

    def _excess_of(self, row: Tensor, piece: Piece) -> Tensor:
        losses = self._function.losses(self._function.split(self.centre + row), piece.batch)
        return (losses - piece.losses).sum()

    def _pieces_of(self, batch: int) -> tuple[Piece, ...]:
        if self._pieces is None or self._pieces[0] != batch:
            parts = self._split(self._batches[batch])
            made = (self._data.batch(part).to(self.device) for part in parts)
            self._pieces = batch, tuple(map(Piece, made, self._losses[batch]))
        return self._pieces[1]

    def _split(self, examples: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """``examples`` in parts that each fit into memory for one displacement."""
        most = max(1, (self._max_bytes - self._fixed) // self._grows)
        return [examples[start : start + most] for start in range(0, len(examples), most)]

    def _losses_of(self, examples: NDArray[np.int64]) -> list[Tensor]:
        return [self._piece(part).losses for part in self._split(examples)]

    def _piece(self, examples: NDArray[np.int64]) -> Piece:
        batch = self._data.batch(examples).to(self.device)
        self._reseed()
        with torch.no_grad():
            return Piece(batch, self._function.losses(self._function.split(self.centre), batch))

    def _reseed(self) -> None:
        """A network that draws numbers even in evaluation mode shall draw the same every time."""
        torch.default_generator.manual_seed(0)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(0)

    def _can_be_batched(self) -> bool:
        """Whether the network runs under vmap, tried on one example."""
        piece = self._piece(self._batches[0][:1])
        self.batched = True
        rows = torch.zeros(2, self.dimension, dtype=self.dtype, device=self.device)
        always = torch.is_warn_always_enabled()
        torch.set_warn_always(True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an operation that vmap can only loop over is no gain
                self._at_once(rows, piece)
        except (RuntimeError, NotImplementedError, ValueError, TypeError, Warning):
            return False
        finally:
            torch.set_warn_always(always)
        return True

    def _memory(self) -> tuple[int, int]:
        """Bytes that a displacement needs whatever the examples, and bytes for each example beside."""
        longest = int(np.argmax(self._data.lengths))
        one, two = (self._peak([longest] * n) for n in (1, 2))
        if one > self._max_bytes:
            raise GnomonError(
                f"a gradient of one example of {int(self._data.lengths[longest])} positions needs "
                f"{one / 2**20:.0f} MiB, the limit is {self._max_bytes / 2**20:.0f} MiB",
                mend="raise the memory limit or shorten the texts",
            )
        grows = max(1, two - one)
        return max(0, one - grows), grows

    def _peak(self, examples: list[int]) -> int:
        piece = self._piece(np.array(examples, dtype=np.int64))
        memory = PeakMemory((*self._function.parameters.values(), self.centre))
        with memory:
            _differentiated(lambda at: self._function.losses(self._function.split(at), piece.batch).sum(), self.centre)
        return memory.peak


def _differentiated(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient and value of ``function``."""
    at = at.detach().requires_grad_()
    with torch.enable_grad():
        value = function(at)
    (gradient,) = torch.autograd.grad(value, at)
    return gradient, value.detach()


def _dealt(n: int, batch_size: int | None, rng: Rng) -> list[NDArray[np.int64]]:
    """The examples in batches of ``batch_size`` or one more, dealt at random; a single batch keeps their order."""
    if batch_size is None or batch_size >= n:
        return [np.arange(n)]
    order = rng.child("batches").numpy().permutation(n)
    return [np.sort(part) for part in np.array_split(order, max(1, n // batch_size))]
