"""Programs that write to a store, for the tests that run several of them, or end them at once."""

from __future__ import annotations

import os
import sys

import numpy as np

from gnomon.lab.store import PointRecord, Store
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


BATCH = 3


def point(index: int) -> PointRecord:
    """A point that follows from ``index``, with an array large enough to be kept apart."""
    curve = np.random.default_rng(index).normal(size=300).tolist()
    outcome = {"loss": index / 7, "curve": curve}
    return PointRecord(key=str(index), experiment="trial", spec={"index": index}, status="done", outcome=outcome)


def overlapping(location: str, first: str, last: str, backwards: str) -> None:
    """Store measurements and points in batches, under the run that there is; print the indices of each batch."""
    with Store.open(location) as store:
        (run,) = store.runs()
        starts = range(int(first), int(last), BATCH)
        for start in reversed(starts) if int(backwards) else starts:
            indices = list(range(start, min(start + BATCH, int(last))))
            if int(backwards):
                indices.reverse()
            store.add([reading(0, i) for i in indices], run=run.id)
            store.add_points([point(i) for i in indices], run=run.id)
            print(*indices, flush=True)


def many(location: str, writers: str, step: str, each: str) -> None:
    """As `overlapping`, in ``writers`` processes, each ``step`` rows further, half of them backwards."""
    children = []
    for writer in range(int(writers)):
        child = os.fork()
        if child == 0:
            first = writer * int(step)
            overlapping(location, str(first), str(first + int(each)), str(writer % 2))
            os._exit(0)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    if sys.argv[1] in {"overlapping", "many"}:
        {"overlapping": overlapping, "many": many}[sys.argv[1]](*sys.argv[2:])
    else:
        main(*sys.argv[1:])
