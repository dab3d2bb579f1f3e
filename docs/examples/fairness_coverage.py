"""How often intervals for amplification hold the truth, over items and templates, and over either alone.

    python docs/examples/fairness_coverage.py [--draws 2000]

Readings are normal: an effect of each item, of each template and of each cell. The truth is 0.
"""

from __future__ import annotations

import argparse

import numpy as np

from gnomon.assurance.fairness.crossed import crossed_spread, student
from gnomon.cli.tables import print_table
from gnomon.randomness import Rng

DESIGNS = ((16, 5), (16, 5), (16, 5), (16, 5), (16, 2), (198, 2))
EFFECTS = ((1.0, 0.3, 0.3), (1.0, 1.0, 1.0), (0.1, 1.0, 0.1), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0))
LEVEL = 0.95


def coverage(
    items: int, templates: int, effects: tuple[float, float, float], draws: int, generator: np.random.Generator
) -> list[float]:
    """The shares of intervals that hold 0: over both, over items, over templates."""
    rows = tuple(np.repeat(np.arange(items), templates).tolist())
    columns = tuple(np.tile(np.arange(templates), items).tolist())
    held = np.zeros(3)
    for _ in range(draws):
        parts = (generator.normal(size=shape) for shape in ((items, 1), (1, templates), (items, templates)))
        values = sum(sd * part for sd, part in zip(effects, parts, strict=True)).ravel()
        influence = (values - values.mean()) / len(values)
        for place, ways in enumerate(((rows, columns), (rows,), (columns,))):
            spread = crossed_spread(influence, ways, LEVEL)
            assert spread is not None
            found = student(float(values.mean()), spread, LEVEL, (-np.inf, np.inf))
            held[place] += found.low <= 0 <= found.high
    return [float(share) for share in held / draws]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    draws = parser.parse_args().draws
    rows = []
    for (items, templates), effects in zip(DESIGNS, EFFECTS, strict=True):
        generator = Rng(0).child("coverage", items, templates, str(effects)).numpy()
        shares = coverage(items, templates, effects, draws, generator)
        rows.append((f"{items} × {templates}", ", ".join(f"{e:g}" for e in effects), *(f"{s:.1%}" for s in shares)))
    columns = ("items × templates", "effects", "over both", "items alone", "templates alone")
    print_table(f"coverage of {LEVEL:.0%} intervals, {draws} draws", columns, rows)


if __name__ == "__main__":
    main()
