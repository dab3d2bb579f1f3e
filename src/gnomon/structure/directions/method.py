"""The contract of a method that finds the directions of a concept, and the registry of methods."""

from __future__ import annotations

import abc
from typing import ClassVar, Self, TypeVar

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.registry import Registry
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace


class Method(abc.ABC):
    """One way to recover directions from examples. Subclasses are frozen dataclasses whose fields are its options.

    Attributes
    ----------
    name : on the command line, in JSON and in tables.
    source : the paper or book that it comes from.
    most : the highest rank it can give, or ``None`` where only the dimension limits it; 1 for a single direction.
    draws : whether what it finds depends on ``rng``; then its stability over seeds is measured.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    most: ClassVar[int | None]
    draws: ClassVar[bool] = False

    @abc.abstractmethod
    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        """The ``rank`` leading directions; the first points to where labels are higher.

        Raises
        ------
        GnomonError : when the method does not apply to such examples, cannot give that rank, or finds nothing.
        """

    def for_share(self, share: float) -> Self:  # noqa: ARG002
        """The method that does to this share of the examples what this one does to all; by default itself.

        Where an option is by number of examples, such as the weight of a prior against them, it is scaled.
        """
        return self

    def check_rank(self, rank: int, examples: Examples) -> None:
        """Raise GnomonError unless this method could give that many directions of such examples."""
        highest = examples.inputs.shape[1] if self.most is None else min(self.most, examples.inputs.shape[1])
        if not 1 <= rank <= highest:
            mend = f"ask for rank 1{'' if highest == 1 else f' to {highest}'}"
            raise GnomonError(f"{self.name} cannot give {rank} directions of {examples.inputs.shape[1]}", mend=mend)

    def check_classes(self, examples: Examples) -> None:
        """Raise GnomonError when the labels are graded and this method needs two classes."""
        if examples.kind == "graded":
            raise GnomonError(f"{self.name} needs two classes", mend="use mean_difference, lda or rfm")


registry: Registry[type[Method]] = Registry("method", package="gnomon.structure.directions", group="gnomon.directions")

T = TypeVar("T", bound=type[Method])


def register(kind: T) -> T:
    """Class decorator: add a method. Raises GnomonError when the name is taken."""
    registry.add(kind.name, kind)
    return kind


def methods() -> dict[str, type[Method]]:
    """Every registered method by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def method(name: str) -> type[Method]:
    """The method called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]
