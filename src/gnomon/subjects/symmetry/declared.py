"""What a subject declares about its symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gnomon.errors import GnomonError
from gnomon.subjects.symmetry.action import Action, Composition
from gnomon.subjects.symmetry.group import Group
from gnomon.subjects.symmetry.operands import Operand


@dataclass(frozen=True)
class ElementWeights:
    """Inputs or outputs of a weight matrix that are the elements of a group.

    Parameters
    ----------
    parameter : full name of the parameter, as `WeightMatrix.parameter` has it.
    side : whether the elements are among the matrix's inputs (an embedding, by the convention of `Subject.matrices`)
        or its outputs (an unembedding).
    indices : which input or output is each element.
    name : what they are, e.g. ``a``, for labels; may be empty where a matrix has but one such set.

    Raises
    ------
    GnomonError : when there is no such side.
    """

    parameter: str
    side: Literal["inputs", "outputs"]
    indices: tuple[int, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if self.side not in ("inputs", "outputs"):
            raise GnomonError(f"a matrix has no side {self.side!r}", mend="give inputs or outputs")


@dataclass(frozen=True, kw_only=True, eq=False)
class Symmetry:
    """Where a network has to do with the elements of a group.

    Parameters
    ----------
    group : the group.
    weights : the weight matrices whose inputs or outputs are its elements.
    operands : where the inputs hold elements that the network composes; in order.
    action : what the network should be equivariant under; default: composition of the ``operands``, if there are any.

    Raises
    ------
    GnomonError : when weights or operands name another number of elements than the group has.

    >>> from gnomon.subjects.symmetry import Cyclic
    >>> Symmetry(group=Cyclic(3), weights=(ElementWeights("embed.weight", "inputs", (0, 1, 2)),)).group.name
    'C_3'
    """

    group: Group
    weights: tuple[ElementWeights, ...] = ()
    operands: tuple[Operand, ...] = ()
    action: Action | None = None

    def __post_init__(self) -> None:
        for one in self.weights:
            if len(set(one.indices)) != self.group.order or len(one.indices) != self.group.order:
                raise GnomonError(
                    f"{one.parameter!r} names {len(set(one.indices))} elements of {self.group.name}",
                    mend=f"name each of the {self.group.order} once",
                )
        for operand in self.operands:
            if operand.order != self.group.order:
                raise GnomonError(
                    f"an operand has {operand.order} elements, {self.group.name} has {self.group.order}",
                    mend="declare one for each element",
                )
        if self.action is None and self.operands:
            object.__setattr__(self, "action", Composition(self.group, self.operands))
