"""The empirical neural tangent kernel: inner products of the gradients of a network's outputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.tangent.factors import Factor, Reduce, contract
from gnomon.estimators.tangent.gradients import Gradients
from gnomon.estimators.tangent.jackknife import Floats
from gnomon.estimators.tangent.predictions import Chosen, choose, running
from gnomon.subjects import Data, Subject

DEFAULT_BYTES = 512 * 2**20
_CACHED = 2**18  # numbers


def tangent_kernel(subject: Subject, data: Data, *, reduce: Reduce = "full", max_bytes: int = DEFAULT_BYTES) -> Floats:
    r"""The empirical neural tangent kernel.

    :math:`K_{ic,jd} = \langle \nabla_\theta f_{ic}, \nabla_\theta f_{jd} \rangle`, where f are the scores of every
    prediction of ``data``, in evaluation mode, and θ all trainable parameters. Of linear, convolution, normalisation
    and embedding layers only inputs and gradients at the output are kept:
    :math:`K = \sum_\ell (A_\ell A_\ell^\top) \odot (G_\ell G_\ell^\top)`, summed over pairs of positions where a
    layer has them; of all other parameters, the gradients themselves. What is known of a network's layers is
    verified on a few examples against automatic differentiation before it is used.

    Parameters
    ----------
    subject : needs at least one parameter that requires a gradient; without a loss, its whole output is taken.
    data : n predictions with C scores each; in the order of the examples, then of their predictions.
    reduce : ``full``; ``class``: equal outputs only; ``trace``: their mean, :math:`\frac1C \sum_c K_{ic,jc}`.
    max_bytes : bound on the memory held beside the kernel itself.

    Returns
    -------
    float64 array: ``full`` (n · C, n · C), ordered by prediction, then by output; ``class`` (C, n, n);
    ``trace`` (n, n).

    Raises
    ------
    GnomonError : when nothing is trainable, there is no prediction, a gradient is NaN or infinite, or one example
        needs more than ``max_bytes``.

    Cost: two forward passes and C backward passes an example and prediction, more when the gradients of all examples
    do not fit into ``max_bytes`` at once.

    Source: Jacot, Gabriel & Hongler, arXiv:1806.07572; Novak, Sohl-Dickstein & Schoenholz, arXiv:2206.08720.

    >>> from gnomon.subjects import ArrayData
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> tangent_kernel(Subject(line), ArrayData(torch.tensor([[1.0, 2.0], [3.0, 4.0]])))
    array([[ 5., 11.],
           [11., 25.]])
    """
    with running(subject):
        return kernel_of(subject, choose(subject, data), reduce=reduce, max_bytes=max_bytes)


def kernel_of(
    subject: Subject,
    chosen: Chosen,
    *,
    reduce: Reduce,
    directions: Tensor | None = None,
    precise: bool = False,
    max_bytes: int = DEFAULT_BYTES,
) -> Floats:
    """As `tangent_kernel`, of the chosen predictions and of the scores along ``directions`` ``(outputs, classes)``.

    ``precise`` takes products in double precision, so that only the gradients themselves are rounded. To be called
    while the subject is in evaluation mode.
    """
    with torch.enable_grad():
        gradients = Gradients(subject, chosen, directions, max_bytes)
        kernel = _Kernel(gradients, reduce, precise, max_bytes).computed()
    present = chosen.present.reshape(-1)
    if reduce == "full":
        kept = np.repeat(present, gradients.outputs)
        whole: Floats = kernel[0]
        return whole if kept.all() else whole[np.ix_(kept, kept)]
    kernel = kernel[:, present][:, :, present] if not present.all() else kernel
    return kernel if reduce == "class" else kernel[0] / gradients.outputs


@dataclass(eq=False)
class _Unit:
    """Some examples and outputs whose gradients are held at once."""

    examples: NDArray[np.int64]
    outputs: range
    factors: Mapping[str, Factor] = field(default_factory=dict)


class _Kernel:
    """Fills the kernel block by block, holding as many gradients as the limit allows."""

    def __init__(self, gradients: Gradients, reduce: Reduce, precise: bool, max_bytes: int) -> None:
        self._gradients = gradients
        self._reduce = reduce
        self._precise = precise
        self._held = max_bytes * 3 // 8
        self._work = max_bytes // 16
        n, outputs = gradients.examples * gradients.slots, gradients.outputs
        groups, rows = {"full": (1, n * outputs), "class": (outputs, n), "trace": (1, n)}[reduce]
        self._kernel = np.zeros((groups, rows, rows))

    def computed(self) -> Floats:
        """The kernel, ``(groups, rows, rows)``, with rows of absent predictions zero."""
        g = self._gradients
        if self._reduce == "full":
            per_block = max(1, self._held // 2 // g.bytes(1, 1))
            outputs = min(g.outputs, per_block)
            self._fill(self._units(outputs, g.outputs))
        else:
            outputs = min(g.outputs, max(1, self._held // g.bytes(g.examples, 1)))
            for start in range(0, g.outputs, outputs):
                stop = min(start + outputs, g.outputs)
                self._fill([_Unit(u.examples, range(start, stop)) for u in self._units(stop - start, stop - start)])
        if not np.isfinite(self._kernel).all():
            raise GnomonError("a gradient is NaN or infinite", mend="check the weights, the data or the precision")
        return self._kernel

    def _units(self, together: int, outputs: int) -> list[_Unit]:
        blocks = self._gradients.blocks(together, self._held // 2)
        parts = [range(s, min(s + together, outputs)) for s in range(0, outputs, together)]
        return [_Unit(block, part) for block in blocks for part in parts]

    def _fill(self, units: Sequence[_Unit]) -> None:
        rest = list(units)
        while rest:
            held: list[_Unit] = []
            room = self._held
            while rest and (not held or room >= self._bytes(rest[0])):
                room -= self._bytes(rest[0])
                held.append(self._loaded(rest.pop(0)))
            for a, b in itertools.combinations_with_replacement(held, 2):
                self._contract(a, b)
            for unit in rest:
                loaded = self._loaded(unit)
                for other in held:
                    self._contract(other, loaded)

    def _bytes(self, unit: _Unit) -> int:
        held = self._gradients.bytes(len(unit.examples), len(unit.outputs))
        return 2 * held if self._precise else held

    def _loaded(self, unit: _Unit) -> _Unit:
        factors = self._gradients.factors(unit.examples, unit.outputs)
        if self._precise:
            factors = {name: factor.double() for name, factor in factors.items()}
        return _Unit(unit.examples, unit.outputs, factors)

    def _contract(self, a: _Unit, b: _Unit) -> None:
        for part in self._parts(a, b):
            rest = slice(part.start, None) if a is b else slice(None)  # the kernel is symmetric
            total: Tensor | None = None
            for name, factor in a.factors.items():
                found = contract(factor.part(part), b.factors[name].part(rest), self._reduce, self._work)
                total = found.double() if total is None else total.add_(found)
            assert total is not None
            rows, columns = self._rows(a, part), self._rows(b, rest)
            self._add(total.cpu().numpy(), rows, columns, a.outputs, len(rows) if a is b else 0)

    def _add(
        self, block: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], outputs: range, shared: int
    ) -> None:
        """Add to a block and to its mirror image; the first ``shared`` columns are the rows themselves."""
        groups = np.array(outputs) if self._reduce == "class" else np.zeros(1, dtype=np.int64)
        self._kernel[np.ix_(groups, rows, columns)] += block
        self._kernel[np.ix_(groups, columns[shared:], rows)] += block[:, :, shared:].transpose(0, 2, 1)

    def _parts(self, a: _Unit, b: _Unit) -> list[slice]:
        """The examples of ``a`` in parts whose products with ``b`` fit into a processor's cache."""
        if not all(f.splits for f in a.factors.values()):
            return [slice(0, None)]
        rows_a, rows_b = (math.prod(next(iter(u.factors.values())).shape) for u in (a, b))
        step = max(1, min(_CACHED, self._work // 8) // (rows_a // len(a.examples) * rows_b))
        return [slice(start, start + step) for start in range(0, len(a.examples), step)]

    def _rows(self, unit: _Unit, part: slice) -> NDArray[np.int64]:
        g = self._gradients
        rows = (unit.examples[part, None] * g.slots + np.arange(g.slots)).reshape(-1)
        if self._reduce != "full":
            return rows
        return np.asarray((rows[:, None] * g.outputs + np.array(unit.outputs)).reshape(-1))
