"""The governor: which instruments may read at this step, so that observing keeps within its share of training."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_PACES = 101
_FEW_PACES = 5
_LATEST = 5
_ONCE = 10  # how many times dearer a first reading may be than the next
_SLACK = 1e-9


@dataclass(frozen=True)
class Thinned:
    """An instrument that did not read at a step when it was due: its price then, and what was left of its share."""

    step: int
    estimator: str
    seconds: float
    left: float


class Governor:
    """Keeps the time spent on observing within ``limit`` times that of training.

    What may be spent is ``limit`` times the training time so far plus, where the last step is known, that of the
    steps to come at the pace so far. Over the whole run every instrument gets an equal share of it; what a cheap one
    does not need goes to the others. Each then reads at as many of its remaining steps as its share pays for, evenly
    spaced. Its first and its last reading are always made; the last one's price is set aside. Where these two alone
    are more than its share, the limit is exceeded by the difference, and the others keep theirs.

    The pace is the median time of the latest steps, the least where few were timed. The first step is left out: in it
    kernels are compiled and workers started. Until a second one has been timed, only time that has passed counts.

    Parameters
    ----------
    limit : share of the training time; ``None`` for none.
    names : the instruments.
    """

    def __init__(self, limit: float | None, names: Collection[str]) -> None:
        self.limit = limit
        self.training = 0.0
        self.readings = dict.fromkeys(names, 0)
        self._spent = dict.fromkeys(names, 0.0)
        self._prices = {name: _Price() for name in names}
        self._credit = dict.fromkeys(names, 0.0)
        self._paces: deque[float] = deque(maxlen=_PACES)
        self._last: tuple[int, float] | None = None
        self._timed = 0

    @property
    def spent(self) -> float:
        """Seconds spent on observing."""
        return sum(self._spent.values())

    def trained(self, step: int, seconds: float) -> None:
        """Note that training, without observing, has taken ``seconds`` in all when it reached ``step``."""
        self.training = seconds
        if self._last is not None and step > self._last[0]:
            self._timed += 1
            if self._timed > 1:
                self._paces.append((seconds - self._last[1]) / (step - self._last[0]))
        if self._last is None or step != self._last[0]:
            self._last = (step, seconds)

    def estimated(self, prices: Mapping[str, float]) -> None:
        """Take predicted ``prices`` into account until an instrument has been timed a second time."""
        for name, seconds in prices.items():
            self._prices[name].predicted = seconds

    def paid(self, seconds: Mapping[str, float]) -> None:
        """Note what each instrument that read has taken."""
        for name, taken in seconds.items():
            self.readings[name] += 1
            self._prices[name].add(taken)
            self._spent[name] += taken

    def too_dear(self) -> dict[str, tuple[float, float]]:
        """Instruments that took more than their share of what training has paid for: what they took, and the share."""
        if self.limit is None:
            return {}
        shares = even_shares(self._spent, self.limit * self.training)
        return {n: (self._spent[n], shares[n]) for n in shares if self._spent[n] > shares[n] + _SLACK}

    def thinned(self, step: int, *, left: int | None, horizon: int | None, extra: bool = False) -> dict[str, Thinned]:
        """The instruments that must not read at ``step``, by name.

        Parameters
        ----------
        left : scheduled steps from this one on, ``None`` where nobody knows.
        horizon : last step of training, where it is known.
        extra : whether the step is not a scheduled one (an event), and so comes on top.
        """
        if self.limit is None:
            return {}
        to_come = 0.0 if horizon is None else max(0, horizon - step) * self._pace()
        allowed = self.limit * (self.training + to_come)
        prices = {name: self._prices[name].seconds for name, count in self.readings.items() if count}
        if left is None or extra:
            reserved = sum(prices.values()) if left else 0.0
            mine = self._left(prices, allowed - reserved)
            refused = {name for name, price in prices.items() if mine[name] < price - _SLACK}
        elif left <= 1:
            return {}
        else:
            mine = self._left({name: price * left for name, price in prices.items()}, allowed)
            refused = {name for name, price in prices.items() if not self._in_turn(name, mine[name], price, left)}
        return {name: Thinned(step, name, prices[name], mine[name]) for name in sorted(refused)}

    def _left(self, needs: Mapping[str, float], allowed: float) -> dict[str, float]:
        """What each instrument may still spend of its share of ``allowed``, the whole run's."""
        shares = even_shares({name: self._spent[name] + need for name, need in needs.items()}, allowed)
        return {name: max(0.0, shares[name] - self._spent[name]) for name in needs}

    def _in_turn(self, name: str, share: float, price: float, left: int) -> bool:
        """Whether it is the turn of ``name``, which can pay ``share`` for ``left`` readings with the last one.

        It earns credit at each step and reads when that makes up a whole reading. By the last but one step it has
        earned all the readings that it can pay, less the last one.
        """
        payable = min(left, share / max(price, _SLACK))
        self._credit[name] += max(0.0, payable - 1 - self._credit[name]) / (left - 1)
        if self._credit[name] < 1 - _SLACK:
            return False
        self._credit[name] -= 1
        return True

    def _pace(self) -> float:
        if not self._paces:
            return 0.0
        return min(self._paces) if len(self._paces) < _FEW_PACES else statistics.median(self._paces)


class _Price:
    """What a reading of one instrument takes: the median of the latest.

    The first reading also pays for what is done once, and is left out as soon as there is a second; until then the
    price is what was predicted, if that is less, but no less than a tenth of the first reading.
    """

    def __init__(self) -> None:
        self.predicted = float("inf")
        self._first: float | None = None
        self._latest: deque[float] = deque(maxlen=_LATEST)

    def add(self, seconds: float) -> None:
        if self._first is None:
            self._first = seconds
        else:
            self._latest.append(seconds)

    @property
    def seconds(self) -> float:
        if self._latest:
            return statistics.median(self._latest)
        first = self._first or 0.0
        return min(first, max(self.predicted, first / _ONCE))


def even_shares(needs: Mapping[str, float], total: float) -> dict[str, float]:
    """``total`` in equal shares, where nobody gets more than he needs, and what is over goes to the others.

    >>> even_shares({"a": 1.0, "b": 5.0, "c": 9.0}, 9.0)
    {'a': 1.0, 'b': 4.0, 'c': 4.0}
    """
    shares: dict[str, float] = {}
    remaining = max(0.0, total)
    for done, name in enumerate(sorted(needs, key=lambda n: needs[n])):
        shares[name] = min(needs[name], remaining / (len(needs) - done))
        remaining -= shares[name]
    return shares
