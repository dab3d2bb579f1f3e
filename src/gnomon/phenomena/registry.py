"""The registry of phenomena: gnomon's own and those that installed packages add by entry point."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import TypeVar

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.phenomena.phenomenon import Phenomenon

ENTRY_POINTS = "gnomon.phenomena"

_registered: dict[str, type[Phenomenon]] = {}
_loaded = False

P = TypeVar("P", bound=type[Phenomenon])


def register(kind: P) -> P:
    """Class decorator: add a phenomenon. Raises GnomonError when the name is taken by another class."""
    present = _registered.setdefault(kind.name, kind)
    if present is not kind and present.__qualname__ != kind.__qualname__:
        raise GnomonError(f"phenomenon {kind.name!r} is already registered", mend="choose another name")
    return kind


def phenomena() -> dict[str, type[Phenomenon]]:
    """Every registered phenomenon by name, after loading gnomon's own and all plug-ins."""
    global _loaded
    if not _loaded:
        _loaded = True
        import gnomon.phenomena as package

        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        for point in entry_points(group=ENTRY_POINTS):
            try:
                point.load()
            except Exception as error:
                raise GnomonError(
                    f"plug-in {point.name!r} cannot be loaded: {type(error).__name__}: {error}",
                    mend="mend or uninstall it",
                ) from error
    return dict(sorted(_registered.items()))


def phenomenon(name: str) -> Phenomenon:
    """The phenomenon called ``name``. Raises UnknownNameError that lists the nearest."""
    found = phenomena()
    if name not in found:
        raise UnknownNameError("phenomenon", name, found)
    return found[name]()
