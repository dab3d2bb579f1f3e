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


class RowEstimator(StreamingEstimator):
    """An estimator that reads a sample of activation rows at each site.

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
        measurements: list[Measurement] = []
        for site in sites:
            rows = found[site]
            assert isinstance(rows, RowAccumulator)
            measurements += self.read(rows, site)
        return measurements

    @abc.abstractmethod
    def read(self, rows: RowAccumulator, site: str) -> list[Measurement]:
        """The measurements at one site."""

    @abc.abstractmethod
    def flops_at(self, rows: int, width: int) -> float:
        """Arithmetic of `read`."""

    def bytes_at(self, rows: int, width: int) -> int:
        """Memory that `read` works in; by default a float64 copy of the rows."""
        return 8 * rows * width

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        """See `StreamingEstimator.finishing_flops`."""
        rows = self._rows(data, budget)
        return sum(self.flops_at(rows, _width(subject, data, site)) for site in sites)

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `StreamingEstimator.cost`; the peak is of the samples and of the work at one site."""
        found = super().cost(subject, data, sites, budget)
        assert data is not None
        rows = self._rows(data, budget)
        work = max((self.bytes_at(rows, _width(subject, data, site)) for site in sites), default=0)
        return replace(found, peak_bytes=found.peak_bytes + work)

    def _rows(self, data: Data, budget: Budget) -> int:
        part = 1.0 if budget.examples is None else min(1.0, budget.examples / len(data))
        return min(self.rows, math.ceil(part * float(data.lengths.sum())))


def suffices(rows: RowAccumulator, growth: float | None) -> dict[str, float]:
    """The budget with ``growth`` times as many independent rows: of the sample, and of examples to draw it from."""
    if growth is None:
        return {}
    examples = len(np.unique(rows.keys[:, 0]))
    return {"rows": math.ceil(growth * len(rows.values)), "examples": math.ceil(growth * examples)}


def _width(subject: Subject, data: Data, site: str) -> int:
    """Features at a site; where the subject does not know, as many as the widest layer has or the inputs have."""
    if site in subject.widths:
        return subject.widths[site]
    outputs = [p.shape[0] for p in subject.module.parameters() if p.ndim > 1]
    arguments = data.batch([0]).args
    return max(outputs, default=int(arguments[0].shape[-1]) if arguments and arguments[0].ndim > 1 else 1)
