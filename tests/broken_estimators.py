"""One sound estimator, and for every conformance check one that breaks just that promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gnomon.estimators import Budget, KnownAnswer, StreamingEstimator
from gnomon.measurement import Cost, Measurement, Quantity, Uncertainty, Unit, cluster_mean
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, ArrayData, Captured, Data, Reads, RowSample, Statistic, Subject

MEAN = Quantity(
    name="first_feature_mean",
    symbol=r"\mu_1",
    unit=Unit.parse("activation"),
    dims=("site",),
    definition=r"\mu_1 = \mathbb{E}[h_1]",
    source="made for this test",
    invariances=("example_permutation",),
)


def normal_points(rng: Rng) -> tuple[Subject, Data, float]:
    points = rng.numpy().normal(3.0, 1.0, size=(256, 2))
    return Subject(torch.nn.Identity()), ArrayData(points), 3.0


class Sound(StreamingEstimator):
    r"""Mean of the first feature, :math:`\mu_1 = \mathbb{E}[h_1]`.

    Source: made for this test.

    >>> Sound().name
    'sound'
    """

    name = "sound"
    quantities = (MEAN,)
    needs = frozenset({"activations"})
    rate = -0.5

    def sites(self, subject: Subject) -> tuple[str, ...]:
        return tuple(subject.sites)

    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        return {site: RowSample(site) for site in sites}

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        return float(len(data) * len(sites))

    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Any],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        return [self.read(site, found[site].values[:, 0].astype(np.float64), rng) for site in sites]

    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        if len(values) < 2:
            return Measurement.insufficient(
                MEAN, "one example has no spread", suffices={"examples": 2}, site=site, estimator=self.name
            )
        mean, uncertainty = cluster_mean(values, np.ones(len(values)))
        return Measurement.ok(MEAN, mean, uncertainty, site=site, estimator=self.name)

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return (KnownAnswer(name="normal points", quantity=MEAN.name, make=normal_points, seeds=(40, 100)),)


class Biased(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        return super().read(site, values + 5, rng)


class Overconfident(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        honest = super().read(site, values, rng)
        if honest.uncertainty.error is None or honest.value is None:
            return honest
        narrow = Uncertainty.stderr(honest.value, honest.uncertainty.error / 5, covers={"data"})
        return replace(honest, uncertainty=narrow)


class PromisesTooMuch(Sound):
    rate = -1.0


class ReadsFromOneExample(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        if len(values) < 2:
            guess = Uncertainty.stderr(float(values[0]), 0.1, covers={"data"})
            return Measurement.ok(MEAN, values[0], guess, site=site, estimator=self.name)
        return super().read(site, values, rng)


class DrawsFromTheWorld(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        return super().read(site, np.random.default_rng().permutation(values)[:200], rng)


@dataclass(frozen=True)
class FirstBatch(Statistic):
    site: str

    @property
    def reads(self) -> Reads:
        return Reads(sites=frozenset({self.site}))

    def empty(self, subject: Subject, data: Data, rng: Rng) -> FirstBatchAccumulator:
        return FirstBatchAccumulator(self.site)


class FirstBatchAccumulator(Accumulator):
    def __init__(self, site: str) -> None:
        self.site = site
        self.values = np.empty((0, 2))

    def update(self, captured: Captured) -> None:
        if not len(self.values):
            self.values = captured.activations[self.site][:, 0].numpy()

    def merge(self, other: Any) -> None:
        raise AssertionError("not merged here")


class DependsOnBatching(Sound):
    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        return {site: FirstBatch(site) for site in sites}


class LeavesEvaluationMode(Sound):
    def finish(self, subject: Subject, found: Mapping[str, Any], **others: Any) -> list[Measurement]:
        subject.module.eval()
        return super().finish(subject, found, **others)


def unpicklable() -> type[Sound]:
    class Local(Sound):
        pass

    return Local


class ClaimsToBeScaleFree(Sound):
    quantities = (replace(MEAN, invariances=("scaling",)),)


class WrongUnit(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        return replace(super().read(site, values, rng), unit=Unit.parse("nat"))


class NotJson(Sound):
    def read(self, site: str, values: np.ndarray, rng: Rng) -> Measurement:
        return replace(super().read(site, values, rng), diagnostics={"a set": {1, 2}})


class Undocumented(Sound):
    __doc__ = None


class Underpriced(Sound):
    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        return Cost(forward_passes=1, flops=1)


BROKEN: dict[str, type[Sound]] = {
    "check_known_answers": Biased,
    "check_coverage": Overconfident,
    "check_rate": PromisesTooMuch,
    "check_too_little_data": ReadsFromOneExample,
    "check_same_rng_same_result": DrawsFromTheWorld,
    "check_batching": DependsOnBatching,
    "check_subject_untouched": LeavesEvaluationMode,
    "check_spawn": unpicklable(),
    "check_invariances": ClaimsToBeScaleFree,
    "check_units_and_dims": WrongUnit,
    "check_json_round_trip": NotJson,
    "check_store_round_trip": NotJson,
    "check_docstring": Undocumented,
    "check_cost": Underpriced,
}
