"""The contract of a challenge: to predict measurements that do not exist yet, and then to make them."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import ClassVar

from gnomon.lab.sweep import Point, Results
from gnomon.laws.ledger.prediction import Prediction
from gnomon.measurement import Measurement


class Challenge(abc.ABC):
    """What may be seen, what is predicted from it by a law or a theory, and what is measured afterwards.

    The points of `known` are run first; `predict` sees their outcomes only. Its predictions are frozen in the ledger,
    which refuses those whose points are in the store already. Then the points of `targets` are run and `measure`
    makes the measurement that each prediction is scored against. All methods are pure.

    Attributes
    ----------
    name : snake_case.
    title : a few words.
    question : one or two sentences: what is predicted, from what, and by which law or theory.
    source : papers.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    source: ClassVar[str]

    @abc.abstractmethod
    def known(self) -> Sequence[Point]:
        """The points that may be seen; none where a theory needs no data."""

    @abc.abstractmethod
    def targets(self) -> Mapping[str, Sequence[Point]]:
        """The points of each target, by the name of the target. None of them is among those of `known`."""

    @abc.abstractmethod
    def predict(self, known: Results) -> Mapping[str, Prediction]:
        """A prediction for each target; its name is ``challenge/target``."""

    @abc.abstractmethod
    def measure(self, target: str, results: Results) -> Measurement:
        """What the outcomes of the points of ``target`` come to, over seeds."""
