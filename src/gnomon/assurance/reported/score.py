"""What a log states of one metric of one task, and the samples that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """What a scorer gave, observation by observation.

    Parameters
    ----------
    values : ``(n,)``; NaN where an observation was to be scored and was not.
    samples : ``(n,)``, the question of each: the same in another log of the same questions.
    clusters : ``(n,)``, what each belongs to; the sample, or what the log itself clusters by.
    within : bounds that no value can be outside of, where the scorer has any.
    """

    values: Array
    samples: tuple[str, ...]
    clusters: tuple[str, ...]
    within: tuple[float, float] | None = None

    @property
    def binary(self) -> bool:
        """Whether every value is 0 or 1."""
        return bool(np.isin(self.values[~np.isnan(self.values)], (0.0, 1.0)).all())

    @property
    def bounds(self) -> tuple[float, float] | None:
        """0 and 1 for what is 0 or 1, else those of the scorer."""
        return (0.0, 1.0) if self.binary and self.within is None else self.within


@dataclass(frozen=True, kw_only=True, eq=False)
class Score:
    """A number that a log states.

    Parameters
    ----------
    log : the file.
    task, metric, scorer : what it is of; ``scorer`` is the filter in a log of lm-evaluation-harness.
    model : as the log names it.
    stated, error : the log's own value and standard error; ``None`` for an error that it does not state.
    points : what it is the mean of; ``None`` where the log does not hold that, or where it is no mean of it.
    count : number of observations, where it is known without them.
    hits : how many of them are 1, where all others are known to be 0.
    share : whether it is a mean of points from 0 to 1, by the name of the metric.
    """

    log: Path
    task: str
    metric: str
    scorer: str
    model: str
    stated: float
    error: float | None = None
    points: Points | None = None
    count: int | None = None
    hits: int | None = None
    share: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Task, scorer and metric: what two logs can be compared by."""
        return self.task, self.scorer, self.metric

    @property
    def labels(self) -> dict[str, str]:
        """For measurements."""
        return {"task": self.task, "metric": self.metric, "scorer": self.scorer}
