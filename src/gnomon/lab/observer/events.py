r"""What may happen to the training loss, and how it is told from noise."""

from __future__ import annotations

import abc
import math
from collections import deque

import numpy as np
from scipy import stats

from gnomon.errors import GnomonError

_BLOCKS = 16


class Event(abc.ABC):
    """Something that happens to the training loss.

    Attributes
    ----------
    name : the label of the measurements taken when it happens.
    """

    name: str

    @abc.abstractmethod
    def happened(self, step: int, loss: float) -> bool:
        """Take in the loss at ``step``, and whether the event happens at it."""


class LossBelow(Event):
    """The mean of the latest ``window`` losses falls below ``value``, for the first time.

    Raises GnomonError when ``window`` is below 1.

    >>> event = LossBelow(1.0, window=2)
    >>> [event.happened(step, loss) for step, loss in enumerate([3.0, 0.5, 1.2, 0.1, 0.1])]
    [False, False, True, False, False]
    """

    def __init__(self, value: float, *, window: int = 1) -> None:
        if window < 1:
            raise GnomonError(f"no window of {window} losses", mend="use at least 1")
        self.value = value
        self.window = window
        self.name = f"loss below {value:g}"
        self._latest: deque[float] = deque(maxlen=window)
        self._done = False

    def happened(self, step: int, loss: float) -> bool:
        """See `Event.happened`."""
        del step
        self._latest.append(loss)
        if self._done or len(self._latest) < self.window:
            return False
        self._done = float(np.mean(self._latest)) < self.value
        return self._done


class LossPlateau(Event):
    r"""The loss has stopped falling: over a window it falls by less than a given share, beyond reasonable doubt.

    The losses of a window of :math:`w` calls are averaged in :math:`b = 16` blocks, which makes neighbouring ones
    nearly independent, and a line is fitted to the block means :math:`y_i`:

    .. math::
        \hat s = \frac{\sum_i (i - \bar i)\, y_i}{\sum_i (i - \bar i)^2}, \qquad
        \hat\sigma_s^2 = \frac{\sum_i (y_i - \hat y_i)^2}{(b - 2) \sum_i (i - \bar i)^2} .

    The plateau is reached when the upper end of the one-sided interval for what the loss falls by in the window is
    below the tolerance: :math:`b\,(-\hat s + t_{b-2,\,\text{level}}\, \hat\sigma_s) < \tau\, |\bar y|`. So noise that
    could hide a fall delays it. It is looked at once a window, each window apart from the next, and happens again
    only after the loss has left the plateau, that is, after a window in which it fell by more than the tolerance,
    beyond the same doubt.

    While the loss keeps falling by the tolerance or more a window, each look is a false alarm with a probability of
    at most ``1 - level`` (less, the faster it falls; more, where the noise is correlated over more than a block).
    A plateau is noticed one to two windows after it has begun, if the noise of single losses is below about
    :math:`0.16 \tau \sqrt w` of the loss (7 % by default); noise beyond that hides it.

    Parameters
    ----------
    window : number of losses, at least 32. Where a mean over several steps is handed over at a time, as by Hugging
        Face, each of these means is one.
    tolerance : τ, share of the loss by which it still falls in a window on a plateau.
    level : of the interval.

    Raises
    ------
    GnomonError : when the window is too short, or tolerance or level are out of range.

    Source: equivalence test on a regression slope, after Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657; batch
    means after Law & Kelton, Simulation Modeling and Analysis (1991).

    >>> event = LossPlateau(window=32)
    >>> losses = [max(1.0, 3.0 - 0.02 * step) for step in range(200)]
    >>> [step for step, loss in enumerate(losses) if event.happened(step, loss)]
    [159]
    """

    name = "loss plateau"

    def __init__(self, *, window: int = 500, tolerance: float = 0.02, level: float = 0.95) -> None:
        if window < 2 * _BLOCKS:
            raise GnomonError(f"a plateau cannot be told in {window} losses", mend=f"use at least {2 * _BLOCKS}")
        if not (tolerance > 0 and 0.5 < level < 1):
            raise GnomonError(
                f"no plateau of tolerance {tolerance} at level {level}",
                mend="use a positive tolerance, 0.5 < level < 1",
            )
        self.window = window
        self.tolerance = tolerance
        self.level = level
        self._quantile = float(stats.t.ppf(level, _BLOCKS - 2))
        self._losses: list[float] = []
        self._on_plateau = False

    def happened(self, step: int, loss: float) -> bool:
        """See `Event.happened`."""
        del step
        self._losses.append(loss)
        if len(self._losses) < self.window:
            return False
        fall, doubt, mean = self._fall()
        self._losses.clear()
        allowed = self.tolerance * abs(mean)
        if self._on_plateau:
            self._on_plateau = fall - doubt <= allowed
            return False
        self._on_plateau = fall + doubt < allowed
        return self._on_plateau

    def _fall(self) -> tuple[float, float, float]:
        """What the loss falls by in the window, the half-width of its interval, and the mean loss."""
        blocks = np.array([block.mean() for block in np.array_split(np.array(self._losses), _BLOCKS)])
        at = np.arange(_BLOCKS) - (_BLOCKS - 1) / 2
        spread = float((at**2).sum())
        slope = float((at * blocks).sum()) / spread
        residual = blocks - blocks.mean() - slope * at
        error = math.sqrt(float((residual**2).sum()) / (_BLOCKS - 2) / spread)
        return -_BLOCKS * slope, _BLOCKS * self._quantile * error, float(blocks.mean())
