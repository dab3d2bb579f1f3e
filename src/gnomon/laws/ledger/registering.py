"""Registering predictions: what was measured already is refused, the rest is frozen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gnomon.errors import GnomonError
from gnomon.laws.ledger.book import Book
from gnomon.laws.ledger.entry import Entry
from gnomon.laws.ledger.ledger import Appended, Bodies, Ledger
from gnomon.laws.ledger.measured import Known
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.score import HIT
from gnomon.measurement import Unit
from gnomon.measurement.provenance import code_state, code_version


class MeasuredAlreadyError(GnomonError):
    """A prediction of what is known is none."""


def register(ledger: Ledger, predictions: Sequence[Prediction], *, challenge: str = "", cluster: str = "") -> Appended:
    """Freeze ``predictions`` in ``ledger``, all or none. Their mixtures are compressed, see `Mixture.compressed`.

    Parameters
    ----------
    challenge : what they belong to, if to one.
    cluster : predictions of one cluster depend on each other; default: the challenge, or the law or theory.

    Raises
    ------
    MeasuredAlreadyError : when the store holds a measurement of a target, or the ledger has scored it.
    GnomonError : when a prediction of that name waits for its score, when a unit cannot be read or the distribution
        has no finite interval, and as `Ledger.append` does.
    """
    for one in predictions:
        _check(one)
    commit, dirty = code_state()
    code = {"version": code_version(), "commit": commit, "dirty": dirty}

    def decide(entries: tuple[Entry, ...]) -> Bodies:
        book = Book.read(entries)
        known = Known(ledger.store, book)
        waiting = {r.prediction.name: r.number for r in book.unscored()}
        for one in predictions:
            if one.name in waiting:
                raise GnomonError(
                    f"prediction {one.name!r} is registered already, as number {waiting[one.name]}",
                    mend="score it before another of that name is registered",
                )
            reason = known.of(one.target)
            if reason is not None:
                raise MeasuredAlreadyError(
                    f"{one.name} is measured already: {reason}", mend="predict what nobody has measured"
                )
        return [
            (
                "prediction",
                {
                    **_frozen(one).to_json(),
                    "challenge": challenge,
                    "cluster": cluster or challenge or one.by["hash"],
                    "code": code,
                },
            )
            for one in predictions
        ]

    return ledger.append(decide)


def _check(prediction: Prediction) -> None:
    Unit.parse(prediction.target.unit)
    with np.errstate(over="ignore"):
        ends = prediction.distribution.interval(HIT)
    if not all(map(math.isfinite, ends)):
        raise GnomonError(
            f"prediction {prediction.name!r} has no finite interval", mend="state a distribution that the data bound"
        )


def _frozen(prediction: Prediction) -> Prediction:
    return replace(
        prediction,
        distribution=prediction.distribution.compressed(),
        baselines={name: one.compressed() for name, one in prediction.baselines.items()},
    )
