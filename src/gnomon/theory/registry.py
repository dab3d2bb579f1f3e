"""The registry of theories."""

from __future__ import annotations

from typing import TypeVar

from gnomon.measurement import catalogue
from gnomon.registry import Registry
from gnomon.theory.theory import Theory

registry: Registry[type[Theory]] = Registry("theory", package="gnomon.theory", group="gnomon.theories")

T = TypeVar("T", bound=type[Theory])


def register(kind: T) -> T:
    """Class decorator: add a theory. Raises GnomonError when the name is taken or its quantity is defined otherwise."""
    registry.add(kind.name, kind)
    catalogue.add(kind.predicts)
    return kind


def theories() -> dict[str, type[Theory]]:
    """Every registered theory by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def theory(name: str) -> type[Theory]:
    """The theory called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]
