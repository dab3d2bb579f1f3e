"""The registry of evaluations."""

from __future__ import annotations

from typing import TypeVar

from gnomon.assurance.evaluation import Evaluation
from gnomon.registry import Registry

registry: Registry[type[Evaluation]] = Registry("evaluation", package="gnomon.assurance", group="gnomon.evaluations")

E = TypeVar("E", bound=type[Evaluation])


def register(kind: E) -> E:
    """Class decorator: add an evaluation. Raises GnomonError when the name is taken by another class."""
    registry.add(kind.name, kind)
    return kind


def evaluations() -> dict[str, type[Evaluation]]:
    """Every registered evaluation by name, after loading gnomon's own and all plug-ins."""
    return registry.all()


def evaluation(name: str) -> type[Evaluation]:
    """The evaluation called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]
