"""Instances of an estimator's known answers, as the checks use them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gnomon.estimators import Budget, Estimator, KnownAnswer
from gnomon.measurement import Measurement, Value
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject


@dataclass(frozen=True, eq=False)
class Instance:
    """One drawn known answer."""

    answer: KnownAnswer
    subject: Subject
    data: Data | None
    truth: Value
    sites: tuple[str, ...]

    def measure(self, kind: type[Estimator], *, data: Data | None = None, seed: int = 0) -> list[Measurement]:
        """What a fresh estimator reads; ``data`` replaces the instance's own."""
        return kind().measure(
            self.subject,
            self.data if data is None else data,
            sites=self.sites,
            budget=Budget(),
            rng=Rng(seed).child("measure"),
        )


def draw(kind: type[Estimator], answer: KnownAnswer, seed: int = 0) -> Instance:
    """The instance of ``answer`` that belongs to ``seed``."""
    subject, data, truth = answer.make(Rng(seed).child(answer.name, "make"))
    sites = (answer.site,) if answer.site is not None else tuple(kind().sites(subject))
    return Instance(answer, subject, data, truth, sites)


def instances(kind: type[Estimator]) -> Iterator[Instance]:
    """One instance of each known answer. Raises AssertionError when the estimator has none."""
    answers = kind.known_answers()
    assert answers, f"{kind.__name__} has no known answers"
    for answer in answers:
        yield draw(kind, answer)


@functools.lru_cache(maxsize=1)
def readings(kind: type[Estimator]) -> tuple[tuple[Instance, tuple[Measurement, ...]], ...]:
    """Each of `instances` with what is read there; kept, as several checks look at the same."""
    return tuple((instance, tuple(instance.measure(kind))) for instance in instances(kind))


def agree(a: Measurement, b: Measurement, *, relative: float, of_half_width: float = 0.0) -> bool:
    """Same status and, where there is a value, equal to ``relative`` or to a part of the interval's half-width."""
    if (a.quantity, a.site, a.status, dict(a.labels)) != (b.quantity, b.site, b.status, dict(b.labels)):
        return False
    if a.value is None or b.value is None:
        return True
    if np.shape(a.value) != np.shape(b.value):
        return False
    scale = np.maximum(np.abs(np.asarray(a.value)).max(initial=0.0), 1e-30)
    allowed = relative * scale
    if of_half_width and a.uncertainty.kind in ("stderr", "interval"):
        allowed = allowed + of_half_width * np.asarray(a.uncertainty.half_width)
    return bool((np.abs(np.asarray(a.value) - np.asarray(b.value)) <= allowed).all())
