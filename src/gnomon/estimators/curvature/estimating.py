"""What the estimators of curvature have in common."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator
from gnomon.estimators.curvature.examples import affordable, clusters_in
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable

_FEWEST_CLUSTERS = 2
# measured on small networks and on a transformer, in units of a backward pass
_BACKWARD_PER_PRODUCT = 2.5
_MEASURED_EXAMPLES = 3  # run beforehand, to learn how many fit into memory


class CurvatureEstimator(Estimator):
    """An estimator that spends products with a curvature matrix on a sample of the examples.

    ``positions`` bounds the sample: examples are drawn until they hold so many.
    """

    needs = frozenset({"predictions", "gradients"})
    positions: int

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """See `Estimator.inapplicable`."""
        if reason := super().inapplicable(subject, data):
            return reason
        return "" if trainable(subject) else f"{subject.name} has no trainable parameters"

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`."""
        del sites
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        if clusters_in(data) < _FEWEST_CLUSTERS:
            reason = "the curvature of a single example or cluster says nothing of a network's"
            return self._refused(reason, suffices={"examples": _FEWEST_CLUSTERS})
        return self._measure(subject, data, budget, rng)

    @abc.abstractmethod
    def _measure(self, subject: Subject, data: Data, budget: Budget, rng: Rng) -> list[Measurement]:
        """The measurements, from data of at least two clusters."""

    def _sample(self, data: Data, budget: Budget, rng: Rng) -> Data:
        return data.sample(affordable(data, self.positions, budget), rng)

    def _refused(
        self, reason: str, *, suffices: Mapping[str, float] | None = None, diagnostics: Mapping[str, Any] | None = None
    ) -> list[Measurement]:
        return [
            Measurement.insufficient(q, reason, suffices=suffices, estimator=self.name, diagnostics=diagnostics)
            for q in self.quantities
        ]


def product_cost(examples: int, *, passes: int, products: int) -> Cost:
    """``products`` products with ``examples`` examples, in ``passes`` passes that each share a forward pass."""
    return Cost(
        forward_passes=passes * examples + _MEASURED_EXAMPLES,
        backward_passes=examples * (passes + _BACKWARD_PER_PRODUCT * products),
    )


def parameters_of(subject: Subject) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in trainable(subject).values())
