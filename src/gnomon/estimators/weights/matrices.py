"""What the estimators of the family share: a reading of one matrix at a time."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from gnomon.estimators import Budget, Estimator
from gnomon.estimators.weights import spectrum
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, WeightMatrix


@dataclass(frozen=True, eq=False)
class Matrix:
    """One weight matrix to be read.

    Parameters
    ----------
    site : its label.
    values : ``(outputs, inputs)``.
    family : number of matrices of the whole subject, among which false alarms are to be rare.
    rng : randomness that belongs to this matrix, whichever others are read along with it.
    """

    site: str
    values: Tensor
    family: int
    rng: Rng


class MatrixEstimator(Estimator):
    """An estimator that reads each weight matrix by itself.

    A matrix is read when its label is named, or a site that it belongs to or lies below; with no names, all are. A
    matrix whose decomposition would take more memory than the budget allows is ``insufficient``.
    """

    needs = frozenset({"weights"})

    @abc.abstractmethod
    def read(self, matrix: Matrix) -> list[Measurement]:
        """One measurement for every quantity."""

    def flops(self, rows: int, columns: int) -> float:
        """Arithmetic for one matrix: its decomposition, which is done once for the whole family."""
        return spectrum.flops(rows, columns)

    def peak_bytes(self, rows: int, columns: int) -> int:
        """Memory for one matrix."""
        return spectrum.peak_bytes(rows, columns)

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """See `Estimator.sites`: every weight matrix."""
        return tuple(m.site for m in _matrices(subject))

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del data, budget
        shapes = [m.values.shape for m in _matrices(subject) if _named(m.site, sites)]
        return Cost(
            flops=sum(self.flops(*shape) for shape in shapes),
            peak_bytes=max((self.peak_bytes(*shape) for shape in shapes), default=0),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        del data
        everything = _matrices(subject)
        found: list[Measurement] = []
        for one in everything:
            if _named(one.site, sites):
                found += self._within(budget, Matrix(one.site, one.values, len(everything), rng.child(one.site)))
        return found

    def _within(self, budget: Budget, matrix: Matrix) -> list[Measurement]:
        needed = self.peak_bytes(*matrix.values.shape)
        if needed <= budget.bytes:
            return self.read(matrix)
        reason = f"its decomposition needs {needed / 2**20:.0f} MiB, the limit is {budget.bytes / 2**20:.0f} MiB"
        return [
            Measurement.insufficient(q, reason, suffices={"bytes": needed}, site=matrix.site, estimator=self.name)
            for q in self.quantities
        ]


def _matrices(subject: Subject) -> list[WeightMatrix]:
    """Those that hold real numbers (packed integers are not weights) and at least one of them."""
    return [m for m in subject.matrices() if m.values.is_floating_point() and m.values.numel()]


def _named(label: str, sites: Sequence[str]) -> bool:
    owner = label.partition(":")[0]
    return not sites or any(label == s or owner == s or owner.startswith(s + ".") for s in sites)
