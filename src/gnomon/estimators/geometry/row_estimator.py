"""What the estimators of this family share: one uniform sample of rows a site, which all of them read."""

from __future__ import annotations

import abc
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, StreamingEstimator
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, RowAccumulator, RowSample, Statistic, Subject

DEFAULT_ROWS = 2048
_RESIDUAL_STREAM = re.compile(r"embed|blocks\.\d+")


def stream_sites(subject: Subject) -> tuple[str, ...]:
    """The sites along the residual stream; all but the logits where there is no stream, and them if alone."""
    stream = tuple(name for name in subject.sites if _RESIDUAL_STREAM.fullmatch(name))
    return stream or tuple(name for name in subject.sites if name != "logits") or tuple(subject.sites)


class RowSampling(StreamingEstimator):
    """An estimator that is a function of a sample of activation rows at each site.

    Parameters
    ----------
    rows : how many rows at most; estimators with the same number share one sample.
    """

    needs = frozenset({"activations"})

    def __init__(self, rows: int = DEFAULT_ROWS) -> None:
        if rows < 1:
            raise GnomonError(f"{self.name}: rows = {rows}", mend="give a positive number of rows")
        self.rows = rows

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: the residual stream."""
        return stream_sites(subject)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """See `StreamingEstimator.statistics`: one row sample a site."""
        del subject, data, budget
        return {site: RowSample(site, self.rows) for site in sites}

    @abc.abstractmethod
    def flops_at(self, rows: int, width: int) -> float:
        """Arithmetic at one site."""

    def bytes_at(self, rows: int, width: int) -> int:
        """Memory that the work at one site takes; by default two float64 copies of the rows."""
        return 16 * rows * width

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        """See `StreamingEstimator.finishing_flops`."""
        rows = self.expected_rows(data, budget)
        return sum(self.flops_at(rows, width_at(subject, data, site)) for site in sites)

    def finishing_bytes(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> int:
        """Memory that `finish` takes beside the samples; by default that of one site at a time."""
        rows = self.expected_rows(data, budget)
        return max((self.bytes_at(rows, width_at(subject, data, site)) for site in sites), default=0)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `StreamingEstimator.cost`; the peak is of the samples and of finishing."""
        found = super().cost(subject, data, sites, budget)
        assert data is not None
        return replace(found, peak_bytes=found.peak_bytes + self.finishing_bytes(subject, data, sites, budget))

    def expected_rows(self, data: Data, budget: Budget) -> int:
        """How many rows the sample will hold."""
        part = 1.0 if budget.examples is None else min(1.0, budget.examples / len(data))
        return min(self.rows, math.ceil(part * float(data.lengths.sum())))


class RowEstimator(RowSampling):
    """An estimator that reads each site by itself."""

    @abc.abstractmethod
    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """The measurements at one site."""

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """See `StreamingEstimator.finish`: `read` at every site."""
        del subject, budget, rng
        return [measurement for site in sites for measurement in self.read(sample(found[site]), site)]


def sample(found: Accumulator) -> RowAccumulator:
    """``found``, which is a row sample."""
    assert isinstance(found, RowAccumulator)
    return found


def suffices(rows: RowAccumulator, growth: float | None) -> dict[str, float]:
    """The budget with ``growth`` times as many independent rows: of the sample, and of examples to draw it from."""
    if growth is None:
        return {}
    examples = len(np.unique(rows.keys[:, 0]))
    return {"rows": math.ceil(growth * len(rows.values)), "examples": math.ceil(growth * examples)}


def width_at(subject: Subject, data: Data, site: str) -> int:
    """Features at a site; where the subject does not know, as many as the widest layer has or the inputs have."""
    if site in subject.widths:
        return subject.widths[site]
    outputs = [p.shape[0] for p in subject.module.parameters() if p.ndim > 1]
    arguments = data.batch([0]).args
    return max(outputs, default=int(arguments[0].shape[-1]) if arguments and arguments[0].ndim > 1 else 1)
