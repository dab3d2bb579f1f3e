"""Curves over seeds: the median, and a band from the lowest seed to the highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from gnomon.phenomena.picture import Curve


def band_over_seeds(
    name: str,
    x: Sequence[float],
    values: ArrayLike,
    *,
    style: Literal["line", "points", "both"] = "line",
    dashed: bool = False,
    group: str | None = None,
) -> Curve:
    """The median over seeds of ``values``, ``(seeds, len(x))``, and their range; a curve without points for no seeds.

    >>> curve = band_over_seeds("loss", [1.0, 2.0], [[4.0, 2.0], [5.0, 3.0], [9.0, 1.0]])
    >>> curve.y, curve.low, curve.high
    ([5.0, 2.0], [4.0, 1.0], [9.0, 3.0])
    """
    of_seeds = np.asarray(values, dtype=np.float64)
    if not len(of_seeds):
        return Curve(name=name, x=(), y=(), style=style, dashed=dashed, group=group)
    return Curve(
        name=name,
        x=list(x),
        y=np.median(of_seeds, axis=0).tolist(),
        low=of_seeds.min(axis=0).tolist(),
        high=of_seeds.max(axis=0).tolist(),
        style=style,
        dashed=dashed,
        group=group,
    )
