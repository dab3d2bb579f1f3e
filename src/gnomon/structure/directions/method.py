"""The contract of a method that finds the directions of a concept, and the registry of methods."""

from __future__ import annotations

import abc
from typing import ClassVar, TypeVar

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
    """

    name: ClassVar[str]
    source: ClassVar[str]
    most: ClassVar[int | None]

    @abc.abstractmethod
    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        """The ``rank`` leading directions; the first points to where labels are higher.

        Raises
        ------
        GnomonError : when the method does not apply to such examples, cannot give that rank, or finds nothing.
        """


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
