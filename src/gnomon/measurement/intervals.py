"""Exact intervals for proportions."""

from __future__ import annotations

from scipy.special import betaincinv

from gnomon.errors import GnomonError
from gnomon.measurement.uncertainty import Randomness, Uncertainty


def clopper_pearson(
    successes: int, trials: int, *, level: float = 0.95, covers: frozenset[Randomness] = frozenset({"data"})
) -> Uncertainty:
    r"""Exact interval for a proportion.

    The ends are the proportions at which ``successes`` or more, and ``successes`` or fewer, would be seen with
    probability :math:`(1-\mathrm{level})/2`. Coverage is at least ``level`` for every proportion and n, also
    after zero events.

    Source: Clopper & Pearson, Biometrika 26 (1934) 404. Raises GnomonError on counts that are not 0 ≤ k ≤ n, n ≥ 1.

    >>> u = clopper_pearson(0, 30)
    >>> u.low, round(u.high, 4)
    (0.0, 0.1157)
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise GnomonError(f"{successes} successes in {trials} trials is not a proportion")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, tail))
    high = 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - tail))
    return Uncertainty.interval(low, high, level=level, covers=covers, effective_samples=float(trials), systematic=0.0)
