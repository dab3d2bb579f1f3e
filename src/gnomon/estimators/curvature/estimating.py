"""What the estimators of curvature have in common."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator
from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.examples import affordable, clusters_in
from gnomon.estimators.curvature.footprint import MemoryLimitError
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable

_FEWEST_CLUSTERS = 2
# a matrix whose products are less symmetric than this share of it is not what was meant to be measured
_ASYMMETRIC = 0.1
_TRIALS = Cost(forward_passes=3, backward_passes=9)  # to learn how many examples fit into memory


class CurvatureEstimator(Estimator):
    """An estimator that spends products with a curvature matrix on a sample of the examples.

    ``positions`` bounds the sample: examples are drawn until they hold so many. ``operator`` is the matrix.
    """

    needs = frozenset({"predictions", "gradients"})
    operator: ClassVar[type[CurvatureOperator]]
    positions: int

    @abc.abstractmethod
    def _vectors(self, dimension: int) -> int:
        """How many vectors of the size of the parameters are held at once."""

    @abc.abstractmethod
    def _measure(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> list[Measurement]:
        """The measurements, from data of at least two clusters, when the vectors fit into memory."""

    @abc.abstractmethod
    def _price(self, matrix: CurvatureOperator, data: Data, budget: Budget) -> Cost:
        """What `_measure` costs beyond the memory of its vectors and of products."""

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        if reason := super().inapplicable(subject, data):
            return reason
        return "" if trainable(subject) else f"{subject.name} has no trainable parameters"

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`."""
        del sites
        data = self._given(data)
        held = self._bytes(subject)
        if held > budget.bytes:
            return Cost()
        try:
            matrix = self.operator(subject, data, max_bytes=budget.bytes)
        except MemoryLimitError:
            return _TRIALS
        return _TRIALS + Cost(peak_bytes=budget.bytes + held) + self._price(matrix, data, budget)

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        del sites
        data = self._given(data)
        most = len(data) if budget.examples is None else budget.examples
        if min(clusters_in(data), most) < _FEWEST_CLUSTERS:
            reason = "the curvature of a single example or cluster says nothing of a network's"
            return self._refused(reason, suffices={"examples": _FEWEST_CLUSTERS})
        held = self._bytes(subject)
        if held > budget.bytes:
            reason = f"its vectors need {held / 2**20:.0f} MiB, the limit is {budget.bytes / 2**20:.0f} MiB"
            return self._refused(reason, suffices={"bytes": held})
        try:
            return self._measure(subject, data, budget, rng)
        except MemoryLimitError as error:
            return self._refused(error.cause)

    def _given(self, data: Data | None) -> Data:
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        return data

    def _bytes(self, subject: Subject) -> int:
        dimension = sum(p.numel() for p in trainable(subject).values())
        return 8 * dimension * self._vectors(dimension)

    def _sample(self, data: Data, budget: Budget, rng: Rng) -> Data:
        return data.sample(affordable(data, self.positions, budget), rng)

    def _refused(
        self, reason: str, *, suffices: Mapping[str, float] | None = None, diagnostics: Mapping[str, Any] | None = None
    ) -> list[Measurement]:
        return [
            Measurement.insufficient(q, reason, suffices=suffices, estimator=self.name, diagnostics=diagnostics)
            for q in self.quantities
        ]


def asymmetry(rounding: float, size: float) -> str:
    """Why nothing is read of a matrix of this ``size`` whose products show so much ``rounding``; else nothing."""
    if rounding <= _ASYMMETRIC * size:
        return ""
    return (
        f"its products are not those of a symmetric matrix (± {rounding:.2g} of {size:.2g}): the network's precision "
        "is too low, or a second derivative of one of its operations is wrong, as of torch's weight_norm"
    )


def product_cost(matrix: CurvatureOperator, examples: int, data: Data, *, passes: int, products: int) -> Cost:
    """``products`` products with ``examples`` of ``data``, in ``passes`` passes.

    Each pass takes a forward and a backward pass, but for the examples whose graphs can be kept from the first on.
    """
    kept = matrix.share_kept(examples * float(data.lengths.mean()))
    built = examples * (kept + (1 - kept) * passes)
    return Cost(forward_passes=built, backward_passes=built + examples * matrix.backward_per_product * products)
