"""The contract of an estimator: a pure procedure from a subject and data to measurements."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gnomon.errors import GnomonError
from gnomon.measurement import Cost, Measurement, Quantity, Value
from gnomon.randomness import Rng
from gnomon.subjects import Accumulator, Data, PassReport, ScalarOutput, Statistic, Subject, accumulate

Need = Literal["weights", "activations", "predictions", "probabilities", "gradients"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What an estimator may spend. ``None`` means no limit of that kind.

    ``examples`` is what the results depend on; a limit in ``seconds`` is turned into a number of examples before
    anything is measured, so that the result is a function of its inputs and not of the clock.
    """

    seconds: float | None = None
    examples: int | None = None
    bytes: int = 512 * 2**20


@dataclass(frozen=True, kw_only=True)
class KnownAnswer:
    """A subject whose true value is known in closed form.

    Parameters
    ----------
    name : shown in the calibration table.
    quantity : name of the quantity whose truth is stated.
    make : draws an instance: the subject, its data, and the true value.
    site : where it is measured; ``None`` for the estimator's only measurement of the quantity.
    labels : labels of that measurement, as far as they are needed to tell it from others.
    nominal : coverage that the interval states.
    coverage : range in which the observed coverage must lie (chance at the number of seeds is allowed for on top).
    reads_ok : smallest share of instances in which the status must be ``ok``; 0 where ``insufficient`` is an
        honest answer.
    insufficient_at_least : smallest share of instances in which the status must be ``insufficient``, for known
        answers that an honest instrument declines.
    seeds : number of instances in ``--quick`` and in full calibration.
    """

    name: str
    quantity: str
    make: Callable[[Rng], tuple[Subject, Data | None, Value]]
    site: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    nominal: float = 0.95
    coverage: tuple[float, float] = (0.90, 1.0)
    reads_ok: float = 1.0
    insufficient_at_least: float = 0.0
    seeds: tuple[int, int] = (20, 100)


class Estimator(abc.ABC):
    """A procedure that measures one or more quantities.

    It leaves weights, modes, gradients, hooks and the global random state as it found them, and gives the same
    answer for the same rng whatever the batch size or device. Subclasses are registered with
    `gnomon.estimators.register` and must pass `gnomon.testing.check_estimator`.

    Class attributes
    ----------------
    name : snake_case, unique.
    quantities : what it measures; registered in the catalogue along with it.
    needs : what the subject and data must offer.
    rate : exponent with which the error falls with the number of examples (−0.5 for means); ``None`` where the
        value is exact or the method promises no rate.
    expected_failures : conformance checks that it is known not to pass: name → reason.
    """

    name: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]
    needs: ClassVar[frozenset[Need]] = frozenset()
    rate: ClassVar[float | None] = None
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def inapplicable(self, subject: Subject, data: Data | None) -> str:
        """Why it cannot be used here, or ``""``."""
        if self.needs - {"weights"} and data is None:
            return "needs data"
        if self.needs & {"predictions", "probabilities"} and subject.loss is None:
            return f"{subject.name} has no loss"
        if "probabilities" in self.needs and subject.loss is not None and not subject.loss.categorical:
            return f"the {subject.loss.name} loss gives no probabilities"
        return ""

    def sites(self, subject: Subject) -> tuple[str, ...]:
        """The sites it measures when none are named; ``()`` for quantities of the whole subject."""
        del subject
        return ()

    @abc.abstractmethod
    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """What `measure` will cost, before it is paid (``seconds`` is left at 0 for the caller to predict)."""

    @abc.abstractmethod
    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """One measurement for every quantity and site, in a stable order; provenance is added by the caller."""

    @classmethod
    @abc.abstractmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        """What it is calibrated on."""

    def quantity(self, name: str) -> Quantity:
        """The quantity called ``name`` among those it measures."""
        return next(q for q in self.quantities if q.name == name)


class StreamingEstimator(Estimator):
    """An estimator that is a function of mergeable statistics, so that many share one pass over the data."""

    @abc.abstractmethod
    def statistics(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> Mapping[str, Statistic]:
        """What must be accumulated, by a key of its own choosing."""

    @abc.abstractmethod
    def finish(
        self,
        subject: Subject,
        found: Mapping[str, Accumulator],
        *,
        sites: Sequence[str],
        budget: Budget,
        rng: Rng,
    ) -> list[Measurement]:
        """Measurements from the accumulated statistics. ``found`` has the keys of `statistics`."""

    def finishing_flops(self, subject: Subject, data: Data, sites: Sequence[str], budget: Budget) -> float:
        """Arithmetic of `finish`, for the price."""
        del subject, data, sites, budget
        return 0.0

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        """See `Estimator.cost`: a forward pass, one backward pass a scalar output, and `finishing_flops`."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        n = len(data) if budget.examples is None else min(budget.examples, len(data))
        statistics = set(self.statistics(subject, data, sites, budget).values())
        wanted = {s: n if s.examples is None else min(s.examples, n) for s in statistics}
        backward: dict[ScalarOutput, int] = {}
        for statistic, examples in wanted.items():
            for output in statistic.reads.gradients:
                backward[output] = max(backward.get(output, 0), examples)
        return Cost(
            forward_passes=max(wanted.values(), default=0),
            backward_passes=sum(backward.values()),
            flops=self.finishing_flops(subject, data, sites, budget),
            peak_bytes=sum(s.bytes(subject, data) for s in statistics),
        )

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        """See `Estimator.measure`. Runs a pass of its own; use `measure_together` to share one."""
        if data is None:
            raise GnomonError(f"{self.name} needs data", mend="give --data")
        return measure_together([self], subject, data, {self.name: tuple(sites)}, budget=budget, rng=rng)[self.name]


def measure_together(
    estimators: Sequence[StreamingEstimator],
    subject: Subject,
    data: Data,
    sites: Mapping[str, Sequence[str]],
    *,
    budget: Budget,
    rng: Rng,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Measurement]]:
    """All ``estimators`` in one pass over ``data``; the measurements by estimator name.

    ``sites`` gives each estimator's sites by its name.
    """
    found, _ = accumulate_together(estimators, subject, data, sites, budget=budget, rng=rng, progress=progress)
    return {
        e.name: e.finish(subject, found[e.name], sites=sites[e.name], budget=budget, rng=rng.child(e.name))
        for e in estimators
    }


def accumulate_together(
    estimators: Sequence[StreamingEstimator],
    subject: Subject,
    data: Data,
    sites: Mapping[str, Sequence[str]],
    *,
    budget: Budget,
    rng: Rng,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, dict[str, Accumulator]], PassReport]:
    """The pass of `measure_together`: every distinct statistic once, sorted out by estimator name."""
    if budget.examples is not None:
        data = data.sample(budget.examples, rng)
    plans = {e.name: e.statistics(subject, data, sites[e.name], budget) for e in estimators}
    distinct = list(dict.fromkeys(s for plan in plans.values() for s in plan.values()))
    found, report = accumulate(subject, data, distinct, rng, max_bytes=budget.bytes, progress=progress)
    return {name: {key: found[s] for key, s in plan.items()} for name, plan in plans.items()}, report
