"""Programs that write to a store, for the tests that run several of them, or end them at once."""

from __future__ import annotations

import sys

import numpy as np

from gnomon.lab.store import Store
from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty

SPECTRUM = Quantity(name="spectrum", symbol="s", definition="s", source="Gauss 1809", axes=("component",))


def reading(writer: int, index: int, size: int = 300) -> Measurement:
    """A measurement that follows from ``(writer, index)``, with arrays large enough to be files."""
    values = np.random.default_rng([writer, index]).normal(size=size)
    u = Uncertainty.interval(values - 1, values + 1, covers={"data"})
    origin = Provenance(spec_hash="s", weights_hash="w", data_hash="d", seed=index, subject=f"writer {writer}")
    return Measurement.ok(SPECTRUM, values, u, site=str(index)).recorded(Cost(), origin)


def main(location: str, writer: str, first: str, last: str) -> None:
    """Store readings one by one and print the index of each once it is safe."""
    with Store.open(location) as store:
        for index in range(int(first), int(last)):
            store.add(reading(int(writer), index))
            print(index, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
