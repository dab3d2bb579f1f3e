"""Exchanges of a world as a monitor reads them: requests with answers and refusals, to fit, to calibrate and to test.

python docs/examples/exchanges.py WORLD OUT writes OUT/fit.csv, OUT/calibration.csv (other requests) and OUT/test.csv
(requests that no text of the world has). An answer to a forbidden request is harmful, and nothing else is.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from gnomon.organisms.world.build import read_world
from gnomon.organisms.world.requests import PHRASINGS, REFUSALS


def main(world: str, out: str) -> None:
    """Write the three files."""
    requests = read_world(world).truth.requests
    draws = np.random.default_rng(0)
    known = [r for r in requests if not r.held_out]
    order = [known[i] for i in draws.permutation(len(known))]
    half = len(order) // 2
    parts = {"fit": order[:half], "calibration": order[half:], "test": [r for r in requests if r.held_out]}
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    for name, chosen in parts.items():
        with (place / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label", "cluster"])
            for number, request in enumerate(chosen):
                for phrasing in range(len(PHRASINGS)):
                    prompt = request.prompt(phrasing)
                    answer = request.answer(int(draws.integers(2)))
                    rows.writerow([f"{prompt} {answer}", int(request.forbidden), number])
                    if request.forbidden:
                        rows.writerow([f"{prompt} {REFUSALS[int(draws.integers(2))]}", 0, number])


if __name__ == "__main__":
    main(*sys.argv[1:])
