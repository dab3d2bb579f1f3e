"""The registry of phenomena."""

from __future__ import annotations

from typing import TypeVar

from gnomon.phenomena.phenomenon import Phenomenon
from gnomon.registry import Registry

registry: Registry[type[Phenomenon]] = Registry("phenomenon", package="gnomon.phenomena", group="gnomon.phenomena")

P = TypeVar("P", bound=type[Phenomenon])


def register(kind: P) -> P:
    """Class decorator: add a phenomenon. Raises GnomonError when the name is taken by another class."""
    registry.add(kind.name, kind)
    return kind


def phenomena() -> dict[str, type[Phenomenon]]:
    """Every registered phenomenon by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def phenomenon(name: str) -> Phenomenon:
    """The phenomenon called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]()
