"""An evaluation that answers what it is told to, for tests of policies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch

from gnomon.assurance import Deployment, Evaluation
from gnomon.assurance.registry import registry
from gnomon.measurement import Measurement, Quantity, Uncertainty, clopper_pearson
from gnomon.randomness import Rng
from gnomon.subjects import Subject

RATE = Quantity(name="toy_rate", symbol="r", definition="r = k / n", source="tests", lowest=0.0, highest=1.0)
SPECTRUM = Quantity(name="toy_spectrum", symbol="s", definition="s = r", source="tests", axes=("part",))


class ToyRates(Evaluation):
    """``hits`` of ``asked`` for each label, or what ``manner`` says."""

    name: ClassVar[str] = "toy_rates"
    quantities: ClassVar[tuple[Quantity, ...]] = (RATE, SPECTRUM)
    materials: ClassVar[tuple[str, ...]] = ()
    calls: ClassVar[list[tuple[str, float]]] = []

    of: str = "harm"
    hits: dict[str, int] = {"all": 0}  # noqa: RUF012 - pydantic copies it
    asked: int = 100
    manner: str = "counts"

    def inapplicable(self, deployment: Deployment) -> str:
        return "no material 'toy'" if self.manner == "inapplicable" else ""

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        type(self).calls.append((self.of, level))
        if self.manner == "breaks":
            raise ZeroDivisionError("by zero")
        if self.manner == "interrupted":
            raise KeyboardInterrupt
        return [self._one(on, hits, level) for on, hits in self.hits.items()]

    def _one(self, on: str, hits: int, level: float) -> Measurement:
        share = hits / self.asked
        if self.manner == "insufficient":
            return Measurement.insufficient(RATE, "too few", suffices={"examples": 59.0}, labels={"on": on})
        known = {
            "counts": clopper_pearson(hits, self.asked, level=level),
            "exact": Uncertainty.exact(),
            "bounded": Uncertainty.exact(systematic=0.05, systematic_source="truncation"),
            "unknown": Uncertainty.unknown(),
            "lower level": clopper_pearson(hits, self.asked, level=0.8),
        }
        return Measurement.ok(RATE, share, known[self.manner], labels={"on": on})


@contextmanager
def registered() -> Iterator[None]:
    """`ToyRates` among the evaluations, without the others."""
    registry.load()  # or what is imported meanwhile would be registered among the toys only
    kept = registry._registered, registry._loaded
    registry._registered, registry._loaded = {ToyRates.name: ToyRates}, True
    ToyRates.calls.clear()
    try:
        yield
    finally:
        registry._registered, registry._loaded = kept


def deployment(**parts: Any) -> Deployment:
    torch.manual_seed(0)
    return Deployment(subject=Subject(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))), **parts)


def document(**changes: Any) -> dict[str, Any]:
    """A sound policy with one threshold on two levels."""
    return {
        "policy": {"name": "toy", "title": "Toy policy", "source": "tests", "version": "1"},
        "level": [{"number": 1, "title": "low"}, {"number": 2, "title": "high"}],
        "threshold": [threshold()],
        **changes,
    }


def threshold(name: str = "harm", **changes: Any) -> dict[str, Any]:
    line = {"evaluation": "toy_rates", "quantity": "toy_rate", "limit": 0.2, "buffer": 0.05}
    return {"id": name, "kind": "harm", "level": 2, **line, **changes}


def safeguard(name: str, **changes: Any) -> dict[str, Any]:
    line = {"evaluation": "toy_rates", "quantity": "toy_rate", "limit": 0.9, "worse": "below"}
    return {"id": name, **line, **changes}
