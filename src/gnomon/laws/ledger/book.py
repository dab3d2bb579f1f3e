"""What the ledger says: which predictions were registered, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from gnomon.errors import GnomonError
from gnomon.laws.ledger.entry import Entry
from gnomon.laws.ledger.prediction import Prediction
from gnomon.laws.ledger.score import Score
from gnomon.measurement import Measurement


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A prediction in the ledger.

    Parameters
    ----------
    number, time : of its entry.
    challenge : the name of its challenge; ``""`` where a user registered it.
    cluster : predictions of one cluster depend on each other: of challenges that share points, or of one law or theory.
    code : ``version``, ``commit`` and ``dirty`` of the code that made it.
    """

    number: int
    time: str
    prediction: Prediction
    challenge: str
    cluster: str
    code: Mapping[str, Any]

    @property
    def target(self) -> str:
        """Its name within its challenge."""
        return self.prediction.name.removeprefix(f"{self.challenge}/")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The score of a prediction in the ledger.

    Parameters
    ----------
    number, time : of its entry.
    measured_at : when the first of what was measured was.
    origin : what was measured: keys of points, or where a number came from, and the code's version.
    score : ``None`` where the measurement gave no number.
    """

    number: int
    time: str
    measured_at: str
    measurement: Measurement
    origin: Mapping[str, Any]
    score: Score | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """A prediction with its score, if it has one."""

    registered: Registered
    scored: Scored | None

    @property
    def score(self) -> Score | None:
        """Its score as numbers; ``None`` where it has none, or nothing could be measured."""
        return None if self.scored is None else self.scored.score

    @property
    def outside(self) -> bool:
        """Whether its target is outside the domain of its law or theory."""
        return bool(self.registered.prediction.outside)

    @property
    def state(self) -> str:
        """``unscored``, ``not measurable``, ``miss`` (outside the 90 % interval) or ``hit``."""
        if self.scored is None:
            return "unscored"
        return "not measurable" if self.score is None else "miss" if self.score.missed else "hit"


class Book:
    """The records of a ledger, by the number of the prediction."""

    def __init__(self, records: Mapping[int, Record]) -> None:
        self.records = dict(records)

    @classmethod
    def read(cls, entries: Iterable[Entry]) -> Self:
        """The records in ``entries`` of a ledger that is as it was written.

        Raises GnomonError for an entry that this gnomon cannot read.
        """
        found: dict[int, Record] = {}
        for entry in entries:
            try:
                if entry.kind == "prediction":
                    found[entry.number] = Record(registered=_registered(entry), scored=None)
                else:
                    of = int(entry.body["prediction"])
                    found[of] = Record(registered=found[of].registered, scored=_scored(entry))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                raise GnomonError(
                    f"entry {entry.number} of the ledger cannot be read: {why}", mend="use the gnomon that wrote it"
                ) from error
        return cls(found)

    def unscored(self) -> list[Registered]:
        """Predictions without a score, in the order in which they were registered."""
        return [r.registered for r in self.records.values() if r.scored is None]

    def listed(self) -> list[Record]:
        """All records: misses first, then hits, what could not be measured, and what was not yet.

        Misses and hits are each in the order of how far off they are; those outside their domain come last in theirs.
        """
        order = {"miss": 0, "hit": 1, "not measurable": 2, "unscored": 3}

        def key(record: Record) -> tuple[int, bool, float, int]:
            off = 0.0 if record.score is None else -abs(record.score.pit - 0.5)
            return order[record.state], record.outside, off, record.registered.number

        return sorted(self.records.values(), key=key)


def _registered(entry: Entry) -> Registered:
    return Registered(
        number=entry.number,
        time=entry.time,
        prediction=Prediction.from_json(entry.body),
        challenge=str(entry.body["challenge"]),
        cluster=str(entry.body["cluster"]),
        code=entry.body["code"],
    )


def _scored(entry: Entry) -> Scored:
    given = entry.body["score"]
    return Scored(
        number=entry.number,
        time=entry.time,
        measured_at=str(entry.body["measured_at"]),
        measurement=Measurement.from_json(entry.body["measurement"]),
        origin=entry.body["origin"],
        score=None if given is None else Score.from_json(given),
    )
