"""The registry of challenges."""

from __future__ import annotations

from typing import TypeVar

from gnomon.predictions.challenge import Challenge
from gnomon.registry import Registry

registry: Registry[type[Challenge]] = Registry("challenge", package="gnomon.predictions", group="gnomon.challenges")

C = TypeVar("C", bound=type[Challenge])


def register(kind: C) -> C:
    """Class decorator: add a challenge. Raises GnomonError when the name is taken by another class."""
    registry.add(kind.name, kind)
    return kind


def challenges() -> dict[str, type[Challenge]]:
    """Every registered challenge by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def challenge(name: str) -> Challenge:
    """The challenge called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]()
