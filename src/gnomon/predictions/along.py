"""A statistic along one setting of an experiment: seen at some of its values, foretold at others."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from gnomon.errors import GnomonError
from gnomon.lab.sweep import Outcome, Point, Results
from gnomon.laws.ledger.prediction import Target
from gnomon.laws.table import Table
from gnomon.measurement import Measurement, Quantity
from gnomon.predictions.challenge import Challenge

At = TypeVar("At")
Outcomes = Sequence[Outcome | None]
"""One a seed; ``None`` where its point failed."""


class Along(Challenge, Generic[At]):
    r"""What follows when every measurement, seen or foretold, is the same statistic over equally many seeds.

    A row of the table that a law is fitted to is then of the same kind as the target. Its residuals hold the scatter
    over seeds as well as what the law does not get right, so that neither has to be guessed. No two settings share a
    seed, so that rows are independent, unless they are `paired`.

    Attributes
    ----------
    columns : names of what `inputs` gives.
    quantity : what the statistic estimates.
    statistic : how outcomes become one number, in words.
    seen, unseen : the settings; those to be foretold by the name of the target.
    seeds : how many at each setting.
    paired : whether all settings have the same seeds. What differs from seed to seed, and not from setting to setting,
        is then the same in all rows and in the target.
    domain : where the law or theory claims to hold.
    """

    columns: ClassVar[tuple[str, ...]]
    quantity: ClassVar[Quantity]
    statistic: ClassVar[str]
    seen: ClassVar[Sequence[Any]]
    unseen: ClassVar[Mapping[str, Any]]
    seeds: ClassVar[int]
    paired: ClassVar[bool] = False
    domain: ClassVar[str]

    @abc.abstractmethod
    def point(self, at: At, seed: int) -> Point:
        """One run at a setting."""

    @abc.abstractmethod
    def summary(self, outcomes: Outcomes) -> Measurement:
        """The statistic."""

    def inputs(self, at: At) -> tuple[float, ...]:
        """The setting as a row of `columns`; here of one number, ``at`` itself."""
        assert isinstance(at, int | float)
        return (float(at),)

    def points(self, at: At) -> list[Point]:
        """One a seed."""
        settings = [*self.seen, *self.unseen.values()]
        first = 0 if self.paired else self.seeds * settings.index(at)
        return [self.point(at, seed) for seed in range(first, first + self.seeds)]

    def known(self) -> list[Point]:
        """See `Challenge.known`."""
        return [point for at in self.seen for point in self.points(at)]

    def targets(self) -> dict[str, list[Point]]:
        """See `Challenge.targets`."""
        return {name: self.points(at) for name, at in self.unseen.items()}

    def measure(self, target: str, results: Results) -> Measurement:
        """See `Challenge.measure`."""
        return self.measured(self.unseen[target], results)

    def measured(self, at: At, results: Results) -> Measurement:
        """The statistic at one setting."""
        return self.summary([results.of(point) for point in self.points(at)])

    def rows(self, known: Results) -> list[tuple[At, float]]:
        """The settings that were seen, with the statistic, where one could be measured.

        Raises GnomonError where that leaves fewer than three.
        """
        rows = [(at, self.measured(at, known)) for at in self.seen]
        kept = [(at, float(found.value)) for at, found in rows if found.value is not None]
        if len(kept) < 3:
            reasons = "; ".join(sorted({found.reason for _, found in rows if found.value is None}))
            raise GnomonError(
                f"{self.name}: only {len(kept)} of {len(rows)} known settings were measured ({reasons})",
                mend="look at the points that failed",
            )
        return kept

    def table(self, rows: Sequence[tuple[At, float]]) -> Table:
        """What a law or a baseline is fitted to."""
        return Table(
            x=np.array([self.inputs(at) for at, _ in rows], dtype=np.float64),
            y=np.array([y for _, y in rows], dtype=np.float64),
            columns=self.columns,
            target=self.quantity.name,
        )

    def target(self, name: str) -> Target:
        """What is to be measured, as the ledger keeps it."""
        return Target.of_points(self.quantity, self.points(self.unseen[name]), self.statistic)
