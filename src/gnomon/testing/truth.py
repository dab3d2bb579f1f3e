"""Checks of truth: the right answer, an honest interval, the declared rate, and silence when data is short."""

from __future__ import annotations

import numpy as np

from gnomon.estimators import Estimator
from gnomon.lab.calibration import certify, read, reading_of
from gnomon.randomness import Rng
from gnomon.testing.instances import draw, instances

_FAR = 4.0
_RATE_TOLERANCE = 0.2


def check_known_answers(kind: type[Estimator]) -> None:
    """One reading of each known answer lies within a few half-widths (plus the systematic bound) of the truth."""
    for instance in instances(kind):
        reading = reading_of(instance.answer, instance.measure(kind))
        if reading.status == "insufficient" and instance.answer.reads_ok < 1:
            continue
        assert reading.status == "ok", f"{instance.answer.name}: {reading.status}: {reading.reason}"
        assert reading.value is not None
        error = np.abs(np.asarray(reading.value) - np.asarray(instance.truth))
        rounding = 1e-9 * np.abs(np.asarray(instance.truth))
        allowed = _FAR * np.asarray(reading.uncertainty.half_width) + (reading.uncertainty.systematic or 0.0) + rounding
        assert (error <= allowed).all(), (
            f"{instance.answer.name}: reads {reading.value}, truth {instance.truth}, allowed error {allowed}"
        )


def check_coverage(kind: type[Estimator]) -> None:
    """Over the seeds of a quick calibration, every interval covers the truth about as often as it states."""
    assert kind.known_answers(), f"{kind.__name__} has no known answers"
    for answer in kind.known_answers():
        trials = [read(kind(), answer, Rng(1).child(answer.name, i)) for i in range(answer.seeds[0])]
        certificate = certify(kind.name, answer, trials)
        assert certificate.passed, f"{answer.name}: {certificate.reason}"


def check_rate(kind: type[Estimator]) -> None:
    """Where a rate is declared, the interval's half-width falls with it from a quarter of the data to all of it."""
    if kind.rate is None:
        return
    exponents = []
    for answer in kind.known_answers():
        slopes = [s for seed in range(5) if (s := _slope(kind, answer.name, seed)) is not None]
        exponents += [float(np.median(slopes))] if len(slopes) >= 3 else []
    assert exponents, "no known answer can be read at a quarter of its data, so the declared rate cannot be tested"
    typical = float(np.median(exponents))
    assert abs(typical - kind.rate) <= _RATE_TOLERANCE, f"half-width falls as n^{typical:.2f}, declared {kind.rate}"


def _slope(kind: type[Estimator], answer_name: str, seed: int) -> float | None:
    """Log-slope of the half-width between a quarter of the data and all of it; ``None`` if either is not read."""
    answer = next(a for a in kind.known_answers() if a.name == answer_name)
    instance = draw(kind, answer, seed)
    if instance.data is None or len(instance.data) < 64:
        return None
    n = len(instance.data)
    widths = []
    for part in (n // 4, n):
        data = instance.data.take(np.sort(Rng(seed).child("part").numpy().permutation(n)[:part]))
        reading = reading_of(answer, instance.measure(kind, data=data, seed=seed))
        if reading.status != "ok" or reading.uncertainty.kind not in ("stderr", "interval"):
            return None
        widths.append(float(np.mean(reading.uncertainty.half_width)))
    return None if min(widths) <= 0 else float(np.log(widths[1] / widths[0]) / np.log(n / (n // 4)))


def check_too_little_data(kind: type[Estimator]) -> None:
    """From a single example nothing is read that claims to know its error over data."""
    for instance in instances(kind):
        if instance.data is None:
            continue
        single = instance.data.take(np.array([0]))
        for reading in instance.measure(kind, data=single):
            assert reading.status == "insufficient", (
                f"{instance.answer.name}: {reading.quantity} is {reading.status} from one example "
                f"({reading.value} ± {reading.uncertainty.kind})"
            )
            assert reading.reason, f"{reading.quantity}: no reason is given"
