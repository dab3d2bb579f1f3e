"""Which differences between treatments survive, when all pairs are asked at once."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import studentized_range

from gnomon.phenomena.evidence import LEVEL


@dataclass(frozen=True)
class Difference:
    """Mean of ``first`` minus mean of ``second``, with its simultaneous interval."""

    first: str
    second: str
    value: float
    low: float
    high: float

    @property
    def survives(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def simultaneous_differences(values: Mapping[str, Sequence[float]], *, level: float = LEVEL) -> list[Difference]:
    r"""All pairs of treatments that were each measured once in every block; all intervals hold at once with ``level``.

    For a treatments in s blocks (seeds) the half-width is :math:`q_{a, (a-1)(s-1)} \sqrt{\mathrm{MS}_E / s}`, with the
    mean square of what is left after the means of treatments and blocks. Exact for additive blocks and normal errors
    of equal variance. Fewer than 2 treatments or blocks give no differences, nor do values that are not finite.

    Source: Tukey's method in a randomised block design; Montgomery, Design and Analysis of Experiments (2017), 4.1.
    """
    names = list(values)
    table = np.array([values[name] for name in names], dtype=np.float64)
    a, s = table.shape if table.ndim == 2 else (0, 0)
    if a < 2 or s < 2 or not np.isfinite(table).all():
        return []
    means = table.mean(axis=1)
    left = table - means[:, None] - table.mean(axis=0) + table.mean()
    freedom = (a - 1) * (s - 1)
    half = _studentised_range(level, a, freedom) * math.sqrt((left**2).sum() / freedom / s)
    return [
        Difference(names[i], names[j], gap, gap - half, gap + half)
        for i, j in itertools.combinations(range(a), 2)
        for gap in (float(means[i] - means[j]),)
    ]


@functools.cache
def _studentised_range(level: float, treatments: int, freedom: int) -> float:
    """Quantile of the studentised range; a double integral inverted, so a tenth of a second each."""
    return float(studentized_range.ppf(level, treatments, freedom))
