"""Curvature matrices of a subject's mean loss, known by their products with vectors only."""

from __future__ import annotations

import abc
import contextlib
import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.curvature.footprint import Footprint, MemoryLimitError
from gnomon.estimators.curvature.linearisation import Linearisation, Tensors
from gnomon.estimators.curvature.summing import Adding
from gnomon.subjects import Batch, Data, Parametric, Subject
from gnomon.subjects.memory import PeakMemory

DEFAULT_BYTES = 512 * 2**20
# larger batches are no faster on a CPU and fall out of its caches
_MAX_POSITIONS = {"cpu": 512}
_MAX_POSITIONS_ELSEWHERE = 16_384
_footprints: WeakKeyDictionary[Subject, dict[object, Footprint]] = WeakKeyDictionary()


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
    groups : indices of the examples in groups that share no batch, see `group_sums`; default: one group of all.
    max_bytes : bound on what a batch holds at its peak, foretold from trials with the longest example; with `keeping`,
        on what is kept too.

    Attributes
    ----------
    dimension : the number d of trainable parameters.
    precision : relative spacing of the numbers that products are computed in.
    backward_per_product : what a product costs once its graph is there, in backward passes.

    Raises
    ------
    GnomonError : when there is no loss, nothing is trainable, or one example needs more than ``max_bytes``.
    """

    # as measured on a multilayer perceptron (1.7) and on a transformer (2.7), whose price is by its fused forward pass
    backward_per_product: ClassVar[float] = 2.5

    def __init__(
        self,
        subject: Subject,
        data: Data,
        *,
        groups: Sequence[NDArray[np.int64]] | None = None,
        max_bytes: int = DEFAULT_BYTES,
    ) -> None:
        if subject.loss is None:
            raise GnomonError(f"{subject.name} has no loss", mend="give the subject a loss")
        self.subject = subject
        self._function = Parametric(subject)
        self._parameters = {n: p.detach().requires_grad_() for n, p in self._function.parameters.items()}
        self.dimension = self._function.dimension
        self.precision = max(torch.finfo(p.dtype).eps for p in self._parameters.values())
        self._set_data(data, groups)
        self._longest = int(data.lengths.max())
        self._footprint = self._measured_footprint(max_bytes)
        most = _MAX_POSITIONS.get(self.device.type, _MAX_POSITIONS_ELSEWHERE)
        # half of the memory is for what is kept, as far as one example leaves any
        self._max_positions = min(most, max(1, self._footprint.most(max_bytes // 2)) * self._longest)
        self._keepable = int(max_bytes - self._footprint.peak(max(1, self._max_positions // self._longest)))

    def _set_data(self, data: Data, groups: Sequence[NDArray[np.int64]] | None) -> None:
        self.data = data
        self._groups = [_Group(part) for part in ([data] if groups is None else map(data.take, groups))]
        self._room = 0

    @property
    def device(self) -> torch.device:
        """Where vectors live: the subject's device."""
        return self.subject.device

    def on(self, data: Data, groups: Sequence[NDArray[np.int64]] | None = None) -> Self:
        """The same matrix of other data, whose examples are no longer than the longest here."""
        other = copy.copy(self)
        other._set_data(data, groups)
        return other

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside, graphs of batches are kept from one product to the next, as many as fit into ``max_bytes``.

        A product with those takes no forward pass. The parameters must not change meanwhile.
        """
        self._room = self._keepable
        try:
            yield
        finally:
            self._room = 0
            self._groups = [_Group(group.data) for group in self._groups]

    def share_kept(self, positions: float) -> float:
        """Which part of ``positions`` positions of data can be kept at once, foretold."""
        needed = self._footprint.held(1) / self._longest * positions
        return float(min(1.0, self._keepable / needed)) if needed > 0 else 1.0

    def matvec(self, vector: Tensor) -> Tensor:
        """``A v`` in float64, for a vector of shape ``(d,)``."""
        return self.matmat(vector[:, None])[:, 0]

    def matmat(self, vectors: Tensor) -> Tensor:
        """``A V`` in float64, for ``k`` vectors that are the columns of ``(d, k)``.

        One forward and one backward pass serve all the vectors, so many at once cost less than one by one.
        """
        adding = self._adding(vectors)
        count = sum(self._visit(group, adding) for group in self._groups)
        if count == 0:
            raise no_predictions()
        return adding.totals.T / count

    def group_sums(self, vectors: Tensor) -> Iterator[tuple[Tensor, int]]:
        """For each group, ``A V`` summed over its predictions instead of their mean, and how many there were."""
        for group in self._groups:
            adding = self._adding(vectors)
            count = self._visit(group, adding)
            yield adding.totals.T, count

    @abc.abstractmethod
    def _linearised(self, batch: Batch) -> Linearisation:
        """The curvature of one batch."""

    def _split(self, vector: Tensor) -> Tensors:
        return tuple(self._function.split(vector).values())

    def _adding(self, vectors: Tensor) -> Adding:
        if vectors.ndim != 2 or len(vectors) != self.dimension:
            raise GnomonError(f"vectors have shape {tuple(vectors.shape)}, expected ({self.dimension}, k)")
        totals = torch.zeros(vectors.shape[1], self.dimension, dtype=torch.float64, device=self.device)
        return Adding([self._split(column) for column in vectors.T.to(self.device)], totals)

    def _visit(self, group: _Group, use: Adding) -> int:
        """Let ``use`` add each batch of a group; how many predictions they hold."""
        with self._function.computing():
            for part in group.kept:
                use.add(part)
        count = sum(part.count for part in group.kept)
        if not group.complete:
            batches = group.data.batches(max_positions=self._max_positions)
            for batch in islice(batches, len(group.kept), None):
                with self._function.computing():  # anew for each: the same random numbers, whatever was kept
                    count += self._visit_anew(batch, group, use)
            group.complete = self._room > 0
        use.check_finite()
        return count

    def _visit_anew(self, batch: Batch, group: _Group, use: Adding) -> int:
        with torch.enable_grad():
            part = self._linearised(batch.to(self.device))
        if self._room > 0:
            width = int(self.data.lengths.max()) if batch.mask is None else batch.mask.shape[1]
            self._room -= int(self._footprint.held(len(batch) * width / self._longest))
            if self._room > 0:  # if not, none that follows is kept either: what is kept comes first
                group.kept.append(part)
        use.add(part)
        return part.count

    def _measured_footprint(self, max_bytes: int) -> Footprint:
        """Of one and two copies of the longest example; measured once for each subject and shape of its inputs."""
        longest = int(np.argmax(self.data.lengths))
        batch = self.data.batch([longest])
        shapes = [tuple(a.shape) for a in (*batch.args, *batch.kwargs.values())]
        key = (type(self), self.dimension, self.precision, self.device, tuple(shapes))
        known = _footprints.setdefault(self.subject, {})
        try:
            found = known[key] if key in known else self._tried(longest, max_bytes)
        except MemoryError:
            found = None
        if found is None or found.peak(1) > max_bytes:
            raise MemoryLimitError(
                f"a product with one example of {self._longest} positions needs more than the limit of "
                f"{max_bytes / 2**20:.0f} MiB",
                mend="raise the memory limit or shorten the texts",
            )
        known[key] = found
        return found

    def _tried(self, example: int, max_bytes: int) -> Footprint:
        one, graph_of_one = self._trial([example], max_bytes)
        two, graph_of_two = self._trial([example] * 2, 2 * max_bytes)
        return Footprint(one, two, (graph_of_one, graph_of_two))

    def _trial(self, examples: list[int], limit: int) -> tuple[NDArray[np.int64], int]:
        batch = self.data.batch(examples).to(self.device)
        vector = self._split(torch.zeros(self.dimension, device=self.device))
        total = torch.zeros(1, self.dimension, dtype=torch.float64, device=self.device)
        memory = PeakMemory((*self.subject.module.parameters(), *self.subject.module.buffers(), total), limit=limit)
        with self._function.computing(), torch.enable_grad(), memory:
            part = self._linearised(batch)
            graph = memory.trace[-1]
            Adding([vector], total).add(part)
        return np.array(memory.trace, dtype=np.int64), graph


class _Group:
    """Some of the examples, and those of their batches, from the first on, that are kept linearised."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.kept: list[Linearisation] = []
        self.complete = False


def no_predictions() -> GnomonError:
    """The error of data in which nothing is predicted."""
    return GnomonError("no example holds a prediction", mend="give longer texts or data with labels")
