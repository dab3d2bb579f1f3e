"""Tokens predicted from an exact number of others: the losses of one pass over windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.estimators import Budget
from gnomon.estimators.information.token_losses import LossAccumulator, TokenLosses
from gnomon.estimators.information.windows import Texts, Windows
from gnomon.randomness import Rng
from gnomon.subjects import Subject, accumulate


@dataclass(frozen=True)
class Targets:
    """Predicted tokens, one an entry.

    Parameters
    ----------
    token : which token of the texts.
    context : how many tokens were shown before it.
    losses : in nats.
    groups : cluster of its text.
    classes : how many tokens the network chooses from.
    """

    token: NDArray[np.int64]
    context: NDArray[np.int64]
    losses: NDArray[np.float64]
    groups: NDArray[np.int64]
    classes: int


def measured_targets(
    subject: Subject, texts: Texts, windows: Windows, longest: int, budget: Budget, rng: Rng
) -> Targets:
    """One pass over ``windows``; targets are tokens with at least ``longest`` before them in their text."""
    statistic = TokenLosses()
    passed, _ = accumulate(subject, windows.data(texts), [statistic], rng.child("windows"), max_bytes=budget.bytes)
    losses = passed[statistic]
    assert isinstance(losses, LossAccumulator)
    window = losses.examples
    context = losses.positions - (texts.begin is not None)
    place = windows.start[window] + context
    # what stands first in a window is predicted from nothing, and has no loss unless a begin token stands before it
    wanted = (context >= windows.contexts[window, 0]) & (place >= longest)
    text = windows.text[window[wanted]]
    return Targets(
        texts.starts[text] + place[wanted],
        context[wanted],
        losses.losses[wanted].astype(np.float64),
        texts.clusters[text],
        losses.classes,
    )
