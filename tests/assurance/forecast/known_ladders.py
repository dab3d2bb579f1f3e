"""Ladders whose crossing is known, from curves of the fitted shapes and from others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from gnomon.assurance.forecast import Ladder, Rung

Array = NDArray[np.float64]
LINE = 0.2
START = 15.0  # decades of compute at which every curve crosses the line

# shares by decades of compute beyond the crossing
CURVES: dict[str, Callable[[Array], Array]] = {
    "logistic": lambda t: expit(logit(LINE) + 1.4 * t),
    "power law": lambda t: 1 - np.exp(np.log1p(-LINE) * 10 ** (0.7 * t)),
    "mirrored power law": lambda t: np.exp(np.log(LINE) * 10 ** (-0.4 * t)),
    "probit": lambda t: norm.cdf(norm.ppf(LINE) + 0.8 * t),
    "ceiling": lambda t: 0.6 * expit(logit(LINE / 0.6) + 1.5 * t),
    "floor": lambda t: 0.05 + 0.95 * expit(logit((LINE - 0.05) / 0.95) + 2.5 * t),
    "sudden": lambda t: 0.02 + 0.8 * expit(logit((LINE - 0.02) / 0.8) + 8 * t),
}


def ladder(
    curve: str, rng: np.random.Generator, *, rungs: int = 6, trials: int = 200, scatter: float = 0.0, ahead: float = 0.5
) -> Ladder:
    """Rungs over two decades that end ``ahead`` decades before the crossing; ``scatter`` of networks is in log-odds."""
    t = np.linspace(-ahead - 2.0, -ahead, rungs)
    p = expit(logit(CURVES[curve](t)) + scatter * rng.standard_normal(rungs))
    hits = rng.binomial(trials, p)
    return Ladder(
        rungs=tuple(
            Rung(compute=10.0 ** (START + at), value=hit / trials, trials=float(trials))
            for at, hit in zip(t, hits, strict=True)
        )
    )
