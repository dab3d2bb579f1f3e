"""The registry of forms."""

from __future__ import annotations

from typing import TypeVar

from gnomon.laws.form import Form
from gnomon.registry import Registry

registry: Registry[type[Form]] = Registry("form", package="gnomon.laws.forms", group="gnomon.forms")

F = TypeVar("F", bound=type[Form])


def register(kind: F) -> F:
    """Class decorator: add a form. Raises GnomonError when the name is taken by another class."""
    registry.add(kind.name, kind)
    return kind


def forms() -> dict[str, type[Form]]:
    """Every registered form by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def form(name: str) -> Form:
    """The form called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]()
