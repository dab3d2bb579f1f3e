from __future__ import annotations

import math

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.measurement import clopper_pearson


def tail(p: float, n: int, ks: range) -> float:
    """Probability of a count in ``ks``, summed term by term."""
    return math.fsum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in ks)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_the_ends_solve_the_binomial_tails(n: int, level: float) -> None:
    alpha = (1 - level) / 2
    for k in range(n + 1):
        u = clopper_pearson(k, n, level=level)
        if k == 0:
            assert u.low == 0.0
        else:
            assert tail(u.low, n, range(k, n + 1)) == pytest.approx(alpha, rel=1e-9)  # type: ignore[arg-type]
        if k == n:
            assert u.high == 1.0
        else:
            assert tail(u.high, n, range(k + 1)) == pytest.approx(alpha, rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 5, 20, 60])
def test_it_covers_every_proportion_at_least_at_its_level(n: int) -> None:
    intervals = [clopper_pearson(k, n) for k in range(n + 1)]
    for p in np.linspace(0, 1, 401):
        covered = math.fsum(tail(p, n, range(k, k + 1)) for k, u in enumerate(intervals) if u.low <= p <= u.high)  # type: ignore[operator]
        assert covered >= 0.95 - 1e-12


def test_no_event_in_thirty_is_not_never() -> None:
    u = clopper_pearson(0, 30)
    assert (u.low, u.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 30)))


def test_it_says_what_it_covers() -> None:
    assert clopper_pearson(1, 3, covers=frozenset({"seed"})).covers == {"seed"}
    assert clopper_pearson(1, 3).effective_samples == 3


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_proportion_is_refused(k: int, n: int) -> None:
    with pytest.raises(GnomonError, match="not a proportion"):
        clopper_pearson(k, n)
