"""The catalogue: every quantity that an estimator or a theory of gnomon, or of an installed plug-in, speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.measurement.quantity import Quantity


class Catalogue(Mapping[str, Quantity]):
    """Quantities by name. A name has one definition; looking up an unknown name lists the nearest."""

    def __init__(self) -> None:
        self._quantities: dict[str, Quantity] = {}

    def add(self, quantity: Quantity) -> Quantity:
        """Register ``quantity``. Raises GnomonError when the name already means something else."""
        present = self._quantities.setdefault(quantity.name, quantity)
        if present != quantity:
            raise GnomonError(f"quantity {quantity.name!r} is already defined otherwise", mend="choose another name")
        return present

    def __getitem__(self, name: str) -> Quantity:
        try:
            return self._quantities[name]
        except KeyError:
            raise UnknownNameError("quantity", name, self._quantities) from None

    def __contains__(self, name: object) -> bool:
        return name in self._quantities

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._quantities))

    def __len__(self) -> int:
        return len(self._quantities)


catalogue = Catalogue()
