"""Registries: what gnomon brings and what installed packages add by entry point, found by name."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from gnomon.errors import GnomonError, UnknownNameError

T = TypeVar("T", bound=type)


class Registry(Generic[T]):
    """Classes of one kind by name. The modules of ``package`` and the plug-ins are imported when first asked for all.

    Parameters
    ----------
    kind : what one of them is called in errors, e.g. ``phenomenon``.
    package : gnomon's own are in its modules and are registered as these are imported.
    group : entry points by which other packages add theirs.
    """

    def __init__(self, kind: str, *, package: str, group: str) -> None:
        self._kind = kind
        self._package = package
        self._group = group
        self._registered: dict[str, T] = {}
        self._loaded = False

    def add(self, name: str, one: T) -> None:
        """Register ``one``. Raises GnomonError when the name is taken by another class."""
        present = self._registered.setdefault(name, one)
        # a module that is imported twice makes its classes twice
        if present is not one and present.__qualname__ != one.__qualname__:
            raise GnomonError(f"{self._kind} {name!r} is already registered", mend="choose another name")

    def all(self) -> dict[str, T]:
        """Every one by name. Raises GnomonError when a plug-in cannot be loaded."""
        self.load()
        return dict(sorted(self._registered.items()))

    def __getitem__(self, name: str) -> T:
        """The one called ``name``. Raises UnknownNameError that lists the nearest."""
        found = self.all()
        if name not in found:
            raise UnknownNameError(self._kind, name, found)
        return found[name]

    def load(self) -> None:
        """Import gnomon's own modules and every plug-in, once."""
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        for point in entry_points(group=self._group):
            try:
                point.load()
            except Exception as error:
                raise GnomonError(
                    f"plug-in {point.name!r} cannot be loaded: {type(error).__name__}: {error}",
                    mend="mend or uninstall it",
                ) from error
