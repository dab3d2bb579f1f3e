"""What the estimators of the tangent kernel have in common: which predictions, along which scores, at what price."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator
from gnomon.estimators.tangent.gradients import MemoryLimitError
from gnomon.estimators.tangent.predictions import Chosen, choose, running
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, trainable

FEWEST_CLUSTERS = 8
_INVESTIGATED = 6  # examples run to learn about layers and memory


class TangentEstimator(Estimator):
    """An estimator that reads kernels of a sample of the predictions.

    Parameters
    ----------
    predictions : how many are drawn, of as many examples as there are: an example, then a prediction in it.
    outputs : the most scores of a prediction for which the kernel is exact; where there are more, ``probes`` random
        signs along the scores stand in for them.
    probes : how many.
    """

    needs = frozenset({"predictions", "gradients"})

    def __init__(self, *, predictions: int = 32, outputs: int = 16, probes: int = 4) -> None:
        if predictions < FEWEST_CLUSTERS or outputs < 1 or probes < 2:
            raise GnomonError(
                f"no kernel of {predictions} predictions, {outputs} outputs and {probes} probes",
                mend=f"use predictions ≥ {FEWEST_CLUSTERS}, outputs ≥ 1 and probes ≥ 2",
            )
        self.predictions = predictions
        self.outputs = outputs
        self.probes = probes

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
        used = given(data, self.name)
        used = used.sample(self._examples(used, budget), rng)
        clusters = len(np.unique(used.clusters))
        if clusters < FEWEST_CLUSTERS:
            reason = f"{clusters} independent examples; a kernel of fewer than {FEWEST_CLUSTERS} says little"
            return self._refused(reason, suffices={"examples": FEWEST_CLUSTERS})
        each = math.ceil(self.predictions / len(used))
        try:
            with running(subject):
                return self._measure(subject, choose(subject, used, each=each, rng=rng), budget, rng)
        except MemoryLimitError as error:
            return self._refused(error.cause)

    @abc.abstractmethod
    def _measure(self, subject: Subject, chosen: Chosen, budget: Budget, rng: Rng) -> list[Measurement]:
        """The measurements of enough predictions."""

    def _examples(self, data: Data, budget: Budget) -> int:
        most = len(data) if budget.examples is None else min(budget.examples, len(data))
        return min(most, self.predictions)

    def _directions(self, chosen: Chosen, rng: Rng) -> Tensor | None:
        """``(probes, classes)`` random signs; ``None`` where all scores can be taken."""
        if chosen.classes <= self.outputs:
            return None
        signs = rng.child("probes").numpy().integers(0, 2, size=(self.probes, chosen.classes))
        return torch.from_numpy(2.0 * signs - 1.0)

    def _cost_of_kernels(self, subject: Subject, data: Data | None, budget: Budget, kernels: int) -> Cost:
        """The price of so many kernels of the same predictions."""
        used = given(data, self.name)
        examples = self._examples(used, budget)
        rows = examples * math.ceil(self.predictions / examples)
        classes = subject.widths.get("logits", self.outputs)
        outputs = classes if classes <= self.outputs else self.probes
        parameters = sum(p.numel() for p in trainable(subject).values())
        scalars = rows * outputs
        # products of gradients; then a few dozen decompositions for the errors
        flops = kernels * 2.0 * scalars * rows * parameters + 40 * 10.0 * rows**3 + 2.0 * scalars**3
        return Cost(
            forward_passes=examples + kernels * (examples + _INVESTIGATED),
            backward_passes=kernels * (scalars + _INVESTIGATED),
            flops=flops,
            peak_bytes=budget.bytes + 16 * scalars**2,
        )

    def _refused(
        self, reason: str, *, suffices: Mapping[str, float] | None = None, diagnostics: Mapping[str, Any] | None = None
    ) -> list[Measurement]:
        return [
            Measurement.insufficient(q, reason, suffices=suffices, estimator=self.name, diagnostics=diagnostics)
            for q in self.quantities
        ]


def given(data: Data | None, name: str) -> Data:
    """The data. Raises GnomonError when there is none."""
    if data is None:
        raise GnomonError(f"{name} needs data", mend="give --data")
    return data
