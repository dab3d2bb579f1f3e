"""Operands: where the input of a network holds an element of a group."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch


class Operand(abc.ABC):
    """An element of a group that every example holds. Subclasses are frozen dataclasses.

    Attributes
    ----------
    order : how many elements there are.
    """

    order: int

    @abc.abstractmethod
    def read(self, batch: Batch) -> Tensor:
        """``(batch,)`` int64: the element that each example holds. Raises GnomonError where it holds none."""

    @abc.abstractmethod
    def write(self, batch: Batch, elements: Tensor) -> Batch:
        """The same examples with ``elements`` in place of theirs."""


@dataclass(frozen=True)
class OneHot(Operand):
    """One of ``order`` features from ``start`` on is 1, the others of them 0.

    Feature ``start + features[g]`` stands for element g; by default they are in the order of the elements.

    Raises
    ------
    GnomonError : unless ``features`` names each of the features once.
    """

    start: int
    order: int
    features: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.features and sorted(self.features) != list(range(self.order)):
            raise GnomonError(f"features {self.features} are not {self.order} in some order", mend="name each once")

    def read(self, batch: Batch) -> Tensor:
        """See `Operand.read`."""
        block = _inputs(batch)[:, self.start : self.start + self.order]
        if block.shape[1:] != (self.order,) or not bool(
            ((block == 1).sum(1) == 1).all() & ((block != 0).sum(1) == 1).all()
        ):
            raise GnomonError(
                f"features {self.start} to {self.start + self.order - 1} of the inputs are not one-hot",
                mend="give data of the kind that the symmetry was declared for",
            )
        found = block.argmax(dim=1)
        return torch.tensor(self.features, device=found.device).argsort()[found] if self.features else found

    def write(self, batch: Batch, elements: Tensor) -> Batch:
        """See `Operand.write`."""
        inputs = _inputs(batch).clone()
        inputs[:, self.start : self.start + self.order] = 0
        elements = elements.to(inputs.device)
        chosen = torch.tensor(self.features, device=inputs.device)[elements] if self.features else elements
        inputs[torch.arange(len(inputs), device=inputs.device), self.start + chosen] = 1
        return _with_inputs(batch, inputs)


@dataclass(frozen=True)
class TokenAt(Operand):
    """The token at ``position`` is ``tokens[g]`` for element g."""

    position: int
    tokens: tuple[int, ...]

    @property
    def order(self) -> int:  # type: ignore[override]
        """See `Operand`."""
        return len(self.tokens)

    def read(self, batch: Batch) -> Tensor:
        """See `Operand.read`."""
        inputs = _inputs(batch)
        if not -inputs.shape[1] <= self.position < inputs.shape[1]:
            raise GnomonError(
                f"there is no position {self.position} in {inputs.shape[1]} tokens",
                mend="give data of the kind that the symmetry was declared for",
            )
        same = inputs[:, self.position, None] == torch.tensor(self.tokens, device=inputs.device)
        if not bool(same.any(dim=1).all()):
            raise GnomonError(
                f"a token at position {self.position} is no element of the group",
                mend="give data of the kind that the symmetry was declared for",
            )
        return same.int().argmax(dim=1)

    def write(self, batch: Batch, elements: Tensor) -> Batch:
        """See `Operand.write`."""
        inputs = _inputs(batch).clone()
        inputs[:, self.position] = torch.tensor(self.tokens, device=inputs.device)[elements.to(inputs.device)]
        return _with_inputs(batch, inputs)


def _inputs(batch: Batch) -> Tensor:
    if batch.args:
        return batch.args[0]
    if "input_ids" in batch.kwargs:
        return batch.kwargs["input_ids"]
    raise GnomonError("the inputs hold neither features nor tokens", mend="give ArrayData or TokenData")


def _with_inputs(batch: Batch, inputs: Tensor) -> Batch:
    if batch.args:
        return replace(batch, args=(inputs, *batch.args[1:]))
    return replace(batch, kwargs={**batch.kwargs, "input_ids": inputs})
