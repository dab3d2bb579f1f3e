"""Does a rate exceed its bound? An anytime-valid test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.control.monitors.online.change_mixture import ChangeMixture
from gnomon.errors import GnomonError
from gnomon.statistics import rate_interval

Array = NDArray[np.float64]
_ODDS = (
    1.25,
    1.6,
    2.0,
    3.0,
    5.0,
    9.0,
    20.0,
    60.0,
)  # of an error under the alternatives, in units of those at the bound
_KIND = "rate monitor"


class RateTest:
    r"""E-process against :math:`H_0: \mathbb E[x_t \mid \text{past}] \le b` for errors x in [0, 1], for B streams.

    A bet on the rate p > b multiplies wealth by

    .. math:: 1 + \lambda (x_t - b), \quad \lambda = \frac{p - b}{b(1-b)},

    which is the likelihood ratio of p against b where x is 0 or 1, and has mean at most 1 under the null for every x in
    [0, 1]. Eight rates, with odds of 1.25 to 60 times those of b, are bet on with equal prior, from a start that is
    unknown (`ChangeMixture`): a long time far below the bound does not use up what a later excess has to be shown by.

    Errors of the past may depend on each other in any way. What is tested is the rate at every time given the past, not
    its average over time.

    Parameters
    ----------
    bound : b, in (0, 1).
    streams : B.

    Raises
    ------
    GnomonError : on a bound outside (0, 1).

    Sources: Waudby-Smith & Ramdas, arXiv:2010.09686 (betting); Shin, Ramdas & Rinaldo, arXiv:2203.03532 (restarts).
    """

    def __init__(self, bound: float, streams: int = 1) -> None:
        if not 0 < bound < 1:
            raise GnomonError(f"a bound of {bound:g} on a rate", mend="give one between 0 and 1, such as 0.05")
        self.bound = bound
        odds = bound / (1 - bound) * np.array(_ODDS)
        self.bets: Array = (odds / (1 + odds) - bound) / (bound * (1 - bound))
        self.mixture = ChangeMixture(streams, np.full(len(odds), 1 / len(odds)))

    def observe(self, errors: Array) -> None:
        """The next error of each stream, ``(B,)``."""
        self.mixture.begin()
        self.mixture.bet((1 + self.bets * (errors[:, None] - self.bound))[:, None, :])


class RateMonitor:
    r"""Alarms when the rate of errors in one stream exceeds ``bound``; ever a false alarm has probability at most δ.

    What an error is, is the caller's: a text that should not have been alarmed on, an alarm, a wrong answer, or a loss
    in [0, 1].

    Raises
    ------
    GnomonError : on a bound or δ outside (0, 1).

    >>> monitor = RateMonitor(0.05, delta=0.05)
    >>> [monitor.observe(error) for error in (0, 0, 1, 1, 1)]
    [False, False, False, False, True]
    >>> monitor.alarmed_at, [round(end, 3) for end in monitor.interval()]
    (5, [0.089, 0.975])
    """

    def __init__(self, bound: float, *, delta: float) -> None:
        if not 0 < delta < 1:
            raise GnomonError(f"a delta of {delta:g}", mend="give one between 0 and 1, such as 0.05")
        self.delta = delta
        self.errors = 0.0
        self.alarmed_at: int | None = None
        self.test = RateTest(bound)

    @property
    def observed(self) -> int:
        """How many errors or non-errors."""
        return self.test.mixture.time

    @property
    def log_e_value(self) -> float:
        """Logarithm of the e-value, in nats."""
        return float(self.test.mixture.log_e_value[0])

    def observe(self, error: float) -> bool:
        """Take the next one; whether there is an alarm, now or before. Raises GnomonError when it is not in [0, 1]."""
        if not 0 <= error <= 1:
            raise GnomonError(f"an error of {error}", mend="give 0, 1 or what is between")
        self.test.observe(np.array([error], dtype=np.float64))
        self.errors += error
        if self.alarmed_at is None and self.log_e_value >= -math.log(self.delta):
            self.alarmed_at = self.observed
        return self.alarmed_at is not None

    def interval(self) -> tuple[float, float]:
        """Where the rate is, if it is constant: `rate_interval` of all errors so far."""
        return rate_interval(self.errors, self.observed, delta=self.delta)

    def to_json(self) -> dict[str, Any]:
        """The whole state, from which `from_json` goes on as if it had not been interrupted, to the bit."""
        return {
            "kind": _KIND,
            "bound": self.test.bound,
            "delta": self.delta,
            "errors": self.errors,
            "alarmed_at": self.alarmed_at,
            "mixture": self.test.mixture.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From what `to_json` gave. Raises GnomonError when it is something else."""
        if data.get("kind") != _KIND:
            raise GnomonError("this is no state of a rate monitor", mend="give one that was saved by one")
        try:
            monitor = cls(data["bound"], delta=data["delta"])
            monitor.errors, monitor.alarmed_at = data["errors"], data["alarmed_at"]
            monitor.test.mixture = ChangeMixture.resumed(monitor.test.mixture.prior, data["mixture"])
        except (KeyError, TypeError, ValueError) as error:
            raise GnomonError(f"the state of a rate monitor is not whole: {error}", mend="start anew") from error
        return monitor
