"""Curvature matrices of a subject's mean loss, known by their products with vectors only."""

from __future__ import annotations

import abc
import copy
from collections.abc import Callable, Iterator
from typing import Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.func import vjp

from gnomon.errors import GnomonError
from gnomon.subjects import Batch, Data, Parameters, Parametric, Subject
from gnomon.subjects.memory import PeakMemory

DEFAULT_BYTES = 512 * 2**20
# larger batches are no faster on a CPU and fall out of its caches
_MAX_POSITIONS = 512


class CurvatureOperator(abc.ABC):
    r"""A symmetric matrix :math:`A \in \mathbb{R}^{d \times d}` over the trainable parameters of a subject.

    It belongs to the mean loss :math:`L(\theta) = \frac1N \sum_{n=1}^N \ell_n(\theta)` over the N predictions of
    ``data`` (tokens, or examples), each of the same weight, in evaluation mode. Parameters are ordered as in
    ``named_parameters`` and flattened; shared ones count once.

    Products are exact up to rounding: taken in the parameters' own precision, batch by batch, and added up in
    float64, so that the batching changes rounding only. The memory of a batch stays within ``max_bytes``. The
    subject is left as it was found.

    Parameters
    ----------
    subject : needs a loss and at least one parameter that requires a gradient.
    data : the examples of the mean loss.
    max_bytes : bound on what a batch holds at its peak, measured on the longest example beforehand.

    Attributes
    ----------
    dimension : the number d of trainable parameters.
    precision : relative spacing of the numbers that products are computed in.

    Raises
    ------
    GnomonError : when there is no loss, nothing is trainable, or one example needs more than ``max_bytes``.
    """

    def __init__(self, subject: Subject, data: Data, *, max_bytes: int = DEFAULT_BYTES) -> None:
        if subject.loss is None:
            raise GnomonError(f"{subject.name} has no loss", mend="give the subject a loss")
        self.subject = subject
        self.data = data
        self._function = Parametric(subject)
        self._parameters = self._function.parameters
        self.dimension = self._function.dimension
        self.precision = max(torch.finfo(p.dtype).eps for p in self._parameters.values())
        self._max_positions = self._positions_within(max_bytes)

    @property
    def device(self) -> torch.device:
        """Where vectors live: the subject's device."""
        return self.subject.device

    def on(self, data: Data) -> Self:
        """The same matrix of other data, whose examples are no longer than the longest here."""
        other = copy.copy(self)
        other.data = data
        return other

    def matvec(self, vector: Tensor) -> Tensor:
        """``A v`` in float64, for a vector of shape ``(d,)``."""
        return self.matmat(vector[:, None])[:, 0]

    def matmat(self, vectors: Tensor) -> Tensor:
        """``A V`` in float64, for ``k`` vectors that are the columns of ``(d, k)``.

        One forward and one backward pass serve all the vectors, so many at once cost less than one by one.
        """
        total, count = self.sums(vectors)
        if count == 0:
            raise GnomonError("no example holds a prediction", mend="give longer texts or data with labels")
        return total / count

    def sums(self, vectors: Tensor) -> tuple[Tensor, int]:
        """As `matmat`, but summed over predictions, and how many there were."""
        if vectors.ndim != 2 or len(vectors) != self.dimension:
            raise GnomonError(f"vectors have shape {tuple(vectors.shape)}, expected ({self.dimension}, k)")
        total = torch.zeros(vectors.shape[1], self.dimension, dtype=torch.float64, device=self.device)
        rows = vectors.T.to(self.device)
        count = 0
        for batch in self._batches():
            count += self._add_products(batch, rows, total)
        check_finite(total, "a product with the curvature")
        return total.T, count

    @abc.abstractmethod
    def _add_products(self, batch: Batch, rows: Tensor, total: Tensor) -> int:
        """Add to each row of ``total`` the batch's sum over predictions for that row; how many there were."""

    def _batches(self) -> Iterator[Batch]:
        with self._function.computing():
            for batch in self.data.batches(max_positions=self._max_positions):
                yield batch.to(self.device)

    def _positions_within(self, max_bytes: int) -> int:
        """Padded positions a batch may have: measured on one and on two copies of the longest example."""
        longest = int(np.argmax(self.data.lengths))
        length = int(self.data.lengths[longest])
        one, two = (self._peak([longest] * n) for n in (1, 2))
        grows = max(1, two - one)
        if one > max_bytes:
            raise GnomonError(
                f"a product with one example of {length} positions needs {one / 2**20:.0f} MiB, the limit is "
                f"{max_bytes / 2**20:.0f} MiB",
                mend="raise the memory limit or shorten the texts",
            )
        examples = 1 + (max_bytes - one) // grows
        return min(_MAX_POSITIONS, int(examples) * length)

    def _peak(self, examples: list[int]) -> int:
        batch = self.data.batch(examples).to(self.device)
        row = torch.zeros(1, self.dimension, dtype=torch.float64, device=self.device)
        memory = PeakMemory((*self.subject.module.parameters(), *self.subject.module.buffers()))
        with self._function.computing(), memory:
            self._add_products(batch, row, torch.zeros_like(row))
        return memory.peak


def check_finite(values: Tensor, name: str) -> None:
    """Raises GnomonError when ``values`` hold a NaN or infinity."""
    if not bool(torch.isfinite(values).all()):
        raise GnomonError(f"{name} is NaN or infinite", mend="check the weights, the data or the precision")


X = TypeVar("X", Tensor, Parameters)
Y = TypeVar("Y", Tensor, Parameters)


def pull_back(function: Callable[[X], Y], at: X) -> tuple[Y, Callable[[Y], X]]:
    """``function(at)``, and ``w ↦ Jᵀ w`` with its Jacobian J there, which may be called any number of times."""
    value, pull = vjp(function, at)  # type: ignore[misc]

    def pulled(cotangent: Y) -> X:
        (found,) = pull(cotangent)
        return cast(X, found)

    return value, pulled


def push_forward(pull: Callable[[Tensor], Parameters], output: Tensor) -> Callable[[Parameters], Tensor]:
    """``v ↦ J v`` from ``w ↦ Jᵀ w``: the latter is linear, so its own pull-back is J, whatever the w.

    Unlike forward-mode differentiation it repeats no forward pass, and every operation has what it needs.
    """
    return pull_back(pull, torch.zeros_like(output))[1]
