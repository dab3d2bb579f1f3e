"""Standard errors from leaving out one cluster at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t


def jackknife_half_width(without: NDArray[np.float64], *, level: float = 0.95) -> float:
    r"""Half the width of an interval at ``level``, from a smooth statistic without each cluster in turn.

    :math:`t_{C-1}\,\bigl[\tfrac{C-1}{C} \sum_c (\theta_{(c)} - \bar\theta)^2\bigr]^{1/2}`, robust to any dependence
    inside clusters. Source: Efron & Stein, Annals of Statistics 9 (1981) 586.
    """
    count = len(without)
    spread = np.square(without - without.mean()).sum()
    return float(t.ppf(0.5 + level / 2, count - 1) * np.sqrt((count - 1) / count * spread))
