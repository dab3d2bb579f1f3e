"""Scoring: a measurement that was made after its prediction meets it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.laws.ledger.book import Book, Registered
from gnomon.laws.ledger.entry import Entry, moment
from gnomon.laws.ledger.ledger import Appended, Bodies, Ledger
from gnomon.laws.ledger.measured import in_store, made_at
from gnomon.laws.ledger.score import score
from gnomon.measurement import Measurement, Uncertainty, Unit
from gnomon.measurement.provenance import code_version

LEAST_POINTS = 3
"""So many points give a mean with an error bar."""


def enter(
    ledger: Ledger,
    registered: Registered,
    measurement: Measurement,
    *,
    measured_at: str,
    origin: Mapping[str, Any],
) -> Appended:
    """Score ``registered`` against ``measurement``, and append that to ``ledger``.

    Parameters
    ----------
    measured_at : when it was made; of several parts, the first. See `made_at`.
    origin : what was measured, as JSON.

    Raises
    ------
    InsufficientEvidenceError : when it was measured before the prediction was registered, or something else was.
    GnomonError : when the prediction has a score already, and as `Ledger.append` does.
    """
    if measured_at < registered.time:
        raise InsufficientEvidenceError(
            f"prediction {registered.number} was registered at {registered.time}, but measured at {measured_at}",
            mend="a measurement made before scores nothing",
        )
    found = score(registered.prediction, measurement)
    body = {
        "prediction": registered.number,
        "name": registered.prediction.name,
        "measured_at": measured_at,
        "measurement": measurement.to_json(),
        "origin": {**origin, "code": code_version()},
        "score": None if found is None else found.to_json(),
    }

    def decide(entries: tuple[Entry, ...]) -> Bodies:
        record = Book.read(entries).records.get(registered.number)
        if record is None or record.scored is not None:
            raise GnomonError(f"prediction {registered.number} has a score already", mend="see `gnomon ledger list`")
        return [("score", body)]

    return ledger.append(decide)


def score_by_hand(ledger: Ledger, registered: Registered, value: float, error: float | None) -> Appended:
    """Score ``registered`` against a number that was measured elsewhere, just now, with its standard error."""
    uncertainty = Uncertainty.unknown() if error is None else Uncertainty.stderr(value, error, covers={"data", "seed"})
    return enter(
        ledger,
        registered,
        _measurement(registered, value, uncertainty, "by hand"),
        measured_at=moment(datetime.now(UTC)),
        origin={"by_hand": True},
    )


def score_from_store(ledger: Ledger, registered: Registered) -> Appended:
    """Score ``registered`` against what the store holds of its target.

    Of measurements, the first that was made counts, whatever came later; where that was made before the prediction
    was registered, the prediction has no score. Of points, their mean: with a standard error
    where there are `LEAST_POINTS`, of unknown error otherwise.

    Raises InsufficientEvidenceError where the store holds nothing of it that says when it was made, else as `enter`.
    """
    target = registered.prediction.target
    found = list(in_store(target, ledger.store))
    if not found:
        conditions = ", ".join(f"{name}={value}" for name, value in target.conditions.items())
        raise InsufficientEvidenceError(
            f"the store holds no {target.quantity} at {conditions or 'any condition'}",
            mend=f"measure it, or give --measured {registered.number}=VALUE±ERROR",
        )
    first = min(found, key=lambda one: one.created)
    numbers = [one.value for one in found if isinstance(one.value, float)]
    if isinstance(first.value, Measurement):
        measurement = first.value
    else:
        measurement = _measurement(registered, float(np.mean(numbers)), _of_mean(numbers), "mean over points")
    said = [first.said] if isinstance(first.value, Measurement) else [one.said for one in found]
    return enter(ledger, registered, measurement, measured_at=made_at(first.created), origin={"store": said})


def _of_mean(numbers: list[float]) -> Uncertainty:
    n = len(numbers)
    if n < LEAST_POINTS:
        return Uncertainty.unknown()
    error = float(np.std(numbers, ddof=1) / np.sqrt(n))
    return Uncertainty.stderr(
        float(np.mean(numbers)), error, covers={"seed"}, degrees_of_freedom=n - 1, effective_samples=float(n)
    )


def _measurement(registered: Registered, value: float, uncertainty: Uncertainty, estimator: str) -> Measurement:
    target = registered.prediction.target
    return Measurement(
        quantity=target.quantity,
        symbol=target.quantity,
        unit=Unit.parse(target.unit),
        value=value,
        uncertainty=uncertainty,
        estimator=estimator,
    )
