"""Actions: how a group moves the inputs of a network, and how its outputs should move along."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch
from gnomon.subjects.symmetry.group import Group
from gnomon.subjects.symmetry.operands import Operand


class Action(abc.ABC):
    """A finite group that acts on inputs and on outputs; its elements are 0, …, order − 1, and 0 is the identity."""

    @property
    @abc.abstractmethod
    def order(self) -> int:
        """Number of elements that act."""

    @abc.abstractmethod
    def on_inputs(self, batch: Batch, elements: Tensor) -> Batch:
        """Every example moved by its own element, ``(batch,)`` int64."""

    @abc.abstractmethod
    def on_outputs(self, output: Tensor, elements: Tensor) -> Tensor:
        """The network's output, moved likewise."""

    def compared(self, output: Tensor) -> Tensor:
        """The part of an output that is expected to move so."""
        return output


@dataclass(frozen=True, eq=False)
class Composition(Action):
    r"""What a network that composes group elements must respect: :math:`(ga)(bh) = g(ab)h`.

    The pair :math:`(g, h)`, element :math:`g|G| + h`, multiplies the first operand by g from the left and the last by h
    from the right; the score of answer c becomes that of gch.

    Parameters
    ----------
    group : the group.
    operands : where the inputs hold the elements that are composed, in order.
    answers : which output scores each element, on the last axis of the output; default: the first ones, in order.
    position : for outputs ``(batch, positions, outputs)``, at which position the answer stands.
    """

    group: Group
    operands: tuple[Operand, ...]
    answers: tuple[int, ...] = ()
    position: int = -1

    def __post_init__(self) -> None:
        if not self.operands:
            raise GnomonError("a composition has no operands", mend="say where the inputs hold them")
        if self.answers and len(self.answers) != self.group.order:
            raise GnomonError(f"{len(self.answers)} answers for {self.group.name}", mend=f"give {self.group.order}")

    @property
    def order(self) -> int:
        """See `Action.order`: that of the group, squared."""
        return self.group.order**2

    def on_inputs(self, batch: Batch, elements: Tensor) -> Batch:
        """See `Action.on_inputs`."""
        left, right = self._sides(elements)
        first, last = self.operands[0], self.operands[-1]
        batch = first.write(batch, torch.from_numpy(self.group.product(left, first.read(batch).cpu().numpy())))
        return last.write(batch, torch.from_numpy(self.group.product(last.read(batch).cpu().numpy(), right)))

    def on_outputs(self, output: Tensor, elements: Tensor) -> Tensor:
        """See `Action.on_outputs`."""
        left, right = self._sides(elements)
        answers = np.array(self.answers or range(self.group.order))
        moved = self.group.product(self.group.product(left[:, None], np.arange(len(answers))), right[:, None])
        target, scores = _spread(answers[moved], output), output[..., list(answers)]
        return output.scatter(-1, target.expand(scores.shape), scores)

    def compared(self, output: Tensor) -> Tensor:
        """See `Action.compared`: the scores of the answers, at the position where the answer stands."""
        scores = output[:, self.position] if output.ndim == 3 else output
        wanted = max(self.answers, default=self.group.order - 1) + 1
        if scores.shape[-1] < wanted:
            raise GnomonError(
                f"the network scores {scores.shape[-1]} answers, {self.group.name} needs {wanted}",
                mend="declare which output scores each element, Composition(…, answers=…)",
            )
        return scores[:, list(self.answers)] if self.answers else scores[:, : self.group.order]

    def _sides(self, elements: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        left, right = np.divmod(elements.cpu().numpy(), self.group.order)
        return left, right


@dataclass(frozen=True, eq=False)
class Permutations(Action):
    """A group that permutes the features of the inputs, and those of the outputs.

    Parameters
    ----------
    inputs : ``(order, features)``: where each feature of a moved input is taken from, features counted through all
        axes of an example but the first of the batch (the pixels of an image, channel by channel).
    outputs : ``(order, outputs)`` likewise; ``None`` where the output should not change.

    Raises
    ------
    GnomonError : unless every row is a permutation, and both have as many; when the features are not so many.
    """

    inputs: NDArray[np.int64]
    outputs: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for name, rows in (("inputs", self.inputs), ("outputs", self.outputs)):
            if rows is not None and (rows.ndim != 2 or bool((np.sort(rows) != np.arange(rows.shape[-1])).any())):
                raise GnomonError(f"{name} are no permutations, a row each", mend="name every feature once in each row")
        if self.outputs is not None and len(self.outputs) != len(self.inputs):
            raise GnomonError(
                f"{len(self.inputs)} elements move the inputs, {len(self.outputs)} the outputs",
                mend="give a row for each",
            )

    @property
    def order(self) -> int:
        """See `Action.order`."""
        return len(self.inputs)

    def on_inputs(self, batch: Batch, elements: Tensor) -> Batch:
        """See `Action.on_inputs`."""
        if not batch.args:
            raise GnomonError("tokens have no features to permute", mend="give ArrayData, or an action on tokens")
        given = batch.args[0]
        flat = given.reshape(len(given), -1)
        moved = _gathered(_fitting(flat, self.inputs), self.inputs[elements.cpu().numpy()]).reshape(given.shape)
        return replace(batch, args=(moved, *batch.args[1:]))

    def on_outputs(self, output: Tensor, elements: Tensor) -> Tensor:
        """See `Action.on_outputs`."""
        if self.outputs is None:
            return output
        flat = output.reshape(len(output), -1)
        return _gathered(_fitting(flat, self.outputs), self.outputs[elements.cpu().numpy()]).reshape(output.shape)


def _fitting(values: Tensor, permutations: NDArray[np.int64]) -> Tensor:
    """``values``, ``(batch, features)``, if there are as many features as ``permutations`` name."""
    if values.shape[1] != permutations.shape[1]:
        raise GnomonError(
            f"there are {values.shape[1]} features, the action permutes {permutations.shape[1]}",
            mend="declare the action for this network and data",
        )
    return values


def _gathered(values: Tensor, source: NDArray[np.int64]) -> Tensor:
    """``values``, ``(batch, features)``, with feature j taken from ``source[example, j]``."""
    return values.gather(1, _spread(source, values))


def _spread(index: NDArray[np.int64], values: Tensor) -> Tensor:
    """``index``, ``(batch, n)``, on the device of ``values`` and with axes of length 1 for those that it lacks."""
    spread = torch.from_numpy(np.ascontiguousarray(index)).to(values.device)
    return spread.reshape(len(spread), *(1,) * (values.ndim - 2), -1)
