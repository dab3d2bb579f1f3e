"""The runs of Hoffmann et al. (2022), figure 4, as Besiroglu et al. (2024) read them off."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from gnomon.laws.table import Table


def chinchilla_runs(shared_data: Path) -> Table:
    """The 240 runs that are left without the five highest losses; D = FLOP / 6N."""
    path = shared_data / "scaling" / "chinchilla_svg_extracted.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    size, flop, loss = (np.array([float(row[c]) for row in rows]) for c in ("Model Size", "Training FLOP", "loss"))
    kept = np.sort(np.argsort(loss)[:240])
    x = np.column_stack([size, flop / (6 * size)])[kept]
    return Table(x=x, y=loss[kept], columns=("N", "D"), target="loss")
