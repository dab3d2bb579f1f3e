"""A ledger as one JSON document: every prediction, misses first, and the totals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gnomon.laws.ledger.book import Book, Record
from gnomon.laws.ledger.score import HIT
from gnomon.laws.ledger.totals import INTERVAL, totals

NOTE = (
    "Totals take predictions as independent across clusters only: those of one challenge, and of challenges that share "
    "points, are a cluster, and count for less where they are covered or missed together."
)


def summary(book: Book, *, path: str, head: str) -> dict[str, Any]:
    """What `gnomon ledger list --json` prints."""
    records = list(book.records.values())
    return {
        "ledger": path,
        "head": head,
        "counts": {
            "inside": _counts(r for r in records if not r.outside),
            "outside": _counts(r for r in records if r.outside),
        },
        "predictions": [described(record) for record in book.listed()],
        "totals": {
            "inside": totals(r for r in records if not r.outside).to_json(),
            "outside": totals(r for r in records if r.outside).to_json(),
            "level": INTERVAL,
            "note": NOTE,
        },
    }


def described(record: Record) -> dict[str, Any]:
    """One prediction and what became of it, without its components."""
    registered, scored = record.registered, record.scored
    prediction = registered.prediction
    if record.score is None:
        low, high = prediction.distribution.interval(HIT)
        median = prediction.distribution.median
    else:
        low, median, high = record.score.low, record.score.median, record.score.high
    found: dict[str, Any] = {
        "number": registered.number,
        "name": prediction.name,
        "challenge": registered.challenge,
        "registered_at": registered.time,
        "code": dict(registered.code),
        "by": {key: prediction.by[key] for key in ("kind", "name", "hash")},
        "domain": prediction.domain,
        "outside": list(prediction.outside),
        "quantity": prediction.target.quantity,
        "unit": prediction.target.unit,
        "predicted": {"median": median, "low": low, "high": high, "level": HIT},
        "state": record.state,
        "cluster": registered.cluster,
        "scored": None if scored is None else {"number": scored.number, "time": scored.time},
        "measured_at": None if scored is None else scored.measured_at,
        "measured": None,
        "score": None if record.score is None else record.score.to_json(),
    }
    if scored is not None:
        written = scored.measurement.to_json()
        kept = ("value", "status", "reason", "symbol", "estimator", "uncertainty")
        found["measured"] = {key: written[key] for key in kept}
    return found


def _counts(records: Iterable[Record]) -> dict[str, int]:
    states = [record.state for record in records]
    return {state: states.count(state) for state in ("miss", "hit", "not measurable", "unscored")}
