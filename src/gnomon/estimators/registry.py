"""The registry of estimators: gnomon's own and those that installed packages add by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeVar

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.estimators.estimator import Estimator
from gnomon.measurement import catalogue

ENTRY_POINTS = "gnomon.estimators"

_registered: dict[str, type[Estimator]] = {}
_loaded = False

E = TypeVar("E", bound=type[Estimator])


def register(estimator: E) -> E:
    """Class decorator: add an estimator and its quantities.

    Raises GnomonError when the name is taken by another class or a quantity is defined otherwise.
    """
    present = _registered.setdefault(estimator.name, estimator)
    if present is not estimator and present.__qualname__ != estimator.__qualname__:
        raise GnomonError(f"estimator {estimator.name!r} is already registered", mend="choose another name")
    for quantity in estimator.quantities:
        catalogue.add(quantity)
    return estimator


def estimators() -> dict[str, type[Estimator]]:
    """Every registered estimator by name, after loading gnomon's own families and all plug-ins."""
    load_all()
    return dict(sorted(_registered.items()))


def estimator(name: str) -> type[Estimator]:
    """The estimator called ``name``. Raises UnknownNameError that lists the nearest."""
    found = estimators()
    if name not in found:
        raise UnknownNameError("estimator", name, found)
    return found[name]


def estimators_of(quantity: str) -> list[type[Estimator]]:
    """The estimators that measure ``quantity``. Raises UnknownNameError when nobody does."""
    load_all()
    catalogue[quantity]
    return [e for e in estimators().values() if any(q.name == quantity for q in e.quantities)]


def load_all() -> None:
    """Import gnomon's own families and every plug-in, once. Raises GnomonError when a plug-in cannot be loaded."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    import gnomon.estimators as package

    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    for point in entry_points(group=ENTRY_POINTS):
        _load_plugin(point.name, point.load)


def _load_plugin(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except Exception as error:
        raise GnomonError(
            f"plug-in {name!r} cannot be loaded: {type(error).__name__}: {error}", mend="mend or uninstall it"
        ) from error
