"""The registry of estimators, and through it the catalogue of their quantities."""

from __future__ import annotations

from typing import TypeVar

from gnomon.errors import UnknownNameError
from gnomon.estimators.estimator import Estimator
from gnomon.measurement import Quantity, catalogue
from gnomon.registry import Registry

registry: Registry[type[Estimator]] = Registry("estimator", package="gnomon.estimators", group="gnomon.estimators")

E = TypeVar("E", bound=type[Estimator])


def register(estimator: E) -> E:
    """Class decorator: add an estimator and its quantities.

    Raises GnomonError when the name is taken by another class or a quantity is defined otherwise.
    """
    registry.add(estimator.name, estimator)
    for quantity in estimator.quantities:
        catalogue.add(quantity)
    return estimator


def estimators() -> dict[str, type[Estimator]]:
    """Every registered estimator by name, after loading gnomon's own families and all plug-ins."""
    return registry.all()


def estimator(name: str) -> type[Estimator]:
    """The estimator called ``name``. Raises UnknownNameError that lists the nearest."""
    return registry[name]


def measurable() -> dict[str, Quantity]:
    """Every quantity that an estimator measures, by name. The catalogue also has those that only a theory predicts."""
    return dict(sorted((q.name, q) for e in estimators().values() for q in e.quantities))


def estimators_of(quantity: str) -> list[type[Estimator]]:
    """The estimators that measure ``quantity``. Raises UnknownNameError when nobody does."""
    found = [e for e in estimators().values() if any(q.name == quantity for q in e.quantities)]
    if not found:
        raise UnknownNameError("quantity", quantity, measurable())
    return found
