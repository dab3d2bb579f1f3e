"""What a budget in seconds buys: how many examples, and which instruments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnomon.estimators import Budget, Estimator, StreamingEstimator
from gnomon.lab.price import Clock
from gnomon.measurement import Cost
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject

_FEWEST_EXAMPLES = 32
# what the shared pass may take of a budget that instruments with passes of their own would use up
_SHARED = 0.5


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An estimator that was not run: why, and what it would cost."""

    estimator: str
    quantities: tuple[str, ...]
    reason: str
    cost: Cost | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        price = None if self.cost is None else self.cost.to_json()
        return {
            "estimator": self.estimator,
            "quantities": list(self.quantities),
            "reason": self.reason,
            "cost": price,
        }


def affordable(
    chosen: Sequence[Estimator],
    subject: Subject,
    data: Data | None,
    plan: Mapping[str, Sequence[str]],
    budget: Budget,
    rng: Rng,
) -> tuple[list[Estimator], Data | None, list[LeftOut]]:
    """The estimators that are predicted to fit into ``budget.seconds`` together, their data, and the others.

    Those that share one pass come first: they get as many examples as fit into half of the budget (or all that the
    others leave), and the dearest of them are left out when none fits. The others have passes and samples of their
    own, so that fewer examples would not make them cheaper: of these the cheapest are taken until the budget is spent.
    Where no estimator shares a pass, the others get as many examples as fit.

    Parameters
    ----------
    plan : the sites of each estimator, by its name.
    """
    assert budget.seconds is not None
    prices = _Prices(subject, data, plan, budget)
    shared = [e for e in chosen if isinstance(e, StreamingEstimator)]
    own = [e for e in chosen if not isinstance(e, StreamingEstimator)]
    if not shared:
        kept, examples, dear = prices.largest(own, budget.seconds)
    else:
        of_own = prices.together(own, prices.total)
        kept, examples, dear = prices.largest(shared, max(_SHARED * budget.seconds, budget.seconds - of_own))
        for one in sorted(own, key=lambda e: prices.of(e, examples).seconds):
            fits = prices.together([*kept, one], examples) <= budget.seconds
            (kept if fits else dear).append(one)
    names = {e.name for e in kept}
    enough = prices.together(chosen, prices.total)
    left_out = []
    for one in dear:
        fewer = examples > _FEWEST_EXAMPLES and prices.together([*kept, one], _FEWEST_EXAMPLES) <= budget.seconds
        left_out.append(_left_out(one, prices.of(one, examples), budget.seconds, enough, fewer=fewer))
    sample = None if data is None else data.sample(examples, rng)
    return [e for e in chosen if e.name in names], sample, left_out


def foretold(one: Estimator, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
    """What ``one`` says that it will cost. Nothing where that breaks: its measurement will fail, and say why."""
    try:
        return one.cost(subject, data, sites, budget)
    except Exception:  # noqa: BLE001 - one broken estimator must not lose the others' results
        return Cost()


class _Prices:
    """Predicted prices of estimators against the number of examples."""

    def __init__(self, subject: Subject, data: Data | None, plan: Mapping[str, Sequence[str]], budget: Budget) -> None:
        self.total = 0 if data is None else len(data)
        self._clock = Clock(subject, data)
        self._subject, self._data, self._plan, self._budget = subject, data, plan, budget

    def of(self, one: Estimator, examples: int) -> Cost:
        budget = replace(self._budget, examples=examples)
        cost = foretold(one, self._subject, self._data, self._plan[one.name], budget)
        return replace(cost, seconds=self._clock.seconds(cost))

    def together(self, several: Sequence[Estimator], examples: int) -> float:
        """Seconds of all, of which those that stream share their forward pass."""
        shared = [self.of(e, examples) for e in several if isinstance(e, StreamingEstimator)]
        own = [self.of(e, examples).seconds for e in several if not isinstance(e, StreamingEstimator)]
        return self._clock.together(shared) + sum(own)

    def largest(self, several: Sequence[Estimator], seconds: float) -> tuple[list[Estimator], int, list[Estimator]]:
        """Fewer examples, then fewer estimators, until they fit: those that do, how many examples, the others."""
        kept: list[Estimator] = list(several)
        dear: list[Estimator] = []
        while kept:
            n = self.total
            while self.together(kept, n) > seconds and n > _FEWEST_EXAMPLES:
                n = max(_FEWEST_EXAMPLES, 3 * n // 4)
            if self.together(kept, n) <= seconds:
                return kept, n, dear
            dearest = max(kept, key=lambda e: self.of(e, n).seconds)
            kept = [e for e in kept if e is not dearest]
            dear.append(dearest)
        return [], self.total, dear


def _left_out(one: Estimator, price: Cost, seconds: float, enough: float, *, fewer: bool) -> LeftOut:
    reason = f"predicted to take {price.seconds:.0f} s, the budget is {seconds:.0f} s for everything"
    mend = f"a budget of {math.ceil(enough):,} s is enough for all"
    if fewer:
        mend += ", and this one is with fewer examples"
    return LeftOut(
        estimator=one.name, quantities=tuple(q.name for q in one.quantities), reason=f"{reason}; {mend}", cost=price
    )
