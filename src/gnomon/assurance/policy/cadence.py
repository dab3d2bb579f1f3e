"""When the next test is due, and whether what was tested is still what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.policy.policy import Cadence, Policy
from gnomon.assurance.safeguards import safeguards_hash
from gnomon.errors import GnomonError

_PARTS = ("weights", "safeguards", "policy")


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What was tested, and when.

    Parameters
    ----------
    number : of the test among the repeated ones, from 1.
    day : in UTC.
    compute : effective compute, in FLOP; ``None`` where nobody says.
    weights, safeguards, policy : hashes.
    """

    number: int
    day: date
    compute: float | None
    weights: str
    safeguards: str
    policy: str

    @classmethod
    def of(cls, deployment: Deployment, policy: Policy, *, now: datetime, earlier: Sequence[Occasion] = ()) -> Self:
        """The occasion of a test made ``now``, after ``earlier`` ones.

        The k-th of them was made after k - 1 others, told here or not; several with one number did not know of each
        other, and each counts.
        """
        told = Counter(one.number for one in earlier)
        before = sum(max(1, told[number]) for number in range(1, max(told, default=0) + 1))
        return cls(
            number=before + 1,
            day=now.astimezone(UTC).date(),
            compute=deployment.compute,
            weights=deployment.subject.weights_hash(),
            safeguards=safeguards_hash(deployment),
            policy=policy.hash,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        return {**asdict(self), "day": self.day.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises GnomonError when it is something else."""
        try:
            return cls(**{**data, "day": date.fromisoformat(data["day"])})
        except (KeyError, TypeError, ValueError) as error:
            raise GnomonError(f"this tells no test: {error}", mend="give what gnomon assure wrote") from None


@dataclass(frozen=True, kw_only=True)
class NextTest:
    """When to test again.

    Parameters
    ----------
    day : at the latest; ``None`` where time sets no date.
    compute : effective compute at which at the latest, in FLOP; ``None`` where it sets nothing or is not known.
    changes : what must not change without a test, with its hash now.
    overdue : why this test was due before it was made, given the one before it; empty where it was not.
    """

    day: date | None
    compute: float | None
    changes: Mapping[str, str]
    overdue: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "date": None if self.day is None else self.day.isoformat(),
            "effective_compute": self.compute,
            "on_change": dict(self.changes),
            "overdue": list(self.overdue),
        }


def next_test(cadence: Cadence, occasion: Occasion, earlier: Sequence[Occasion] = ()) -> NextTest:
    """When to test again after ``occasion``, and why ``occasion`` was overdue after the latest of ``earlier``."""
    last = max(earlier, key=lambda one: (one.day, one.number), default=None)
    return NextTest(
        day=None if cadence.days is None else occasion.day + timedelta(days=cadence.days),
        compute=None
        if cadence.effective_compute is None or occasion.compute is None
        else cadence.effective_compute * occasion.compute,
        changes={part: getattr(occasion, part) for part in _PARTS if part in cadence.on_change},
        overdue=() if last is None else tuple(_due(cadence, last, occasion)),
    )


def _due(cadence: Cadence, last: Occasion, now: Occasion) -> list[str]:
    told = []
    if cadence.days is not None and now.day > last.day + timedelta(days=cadence.days):
        told.append(f"it was due on {last.day + timedelta(days=cadence.days)}")
    if cadence.effective_compute is not None and last.compute and now.compute:
        factor = now.compute / last.compute
        if factor > cadence.effective_compute:
            told.append(
                f"effective compute has grown {factor:.3g} times, and {cadence.effective_compute:g} was allowed"
            )
    changed = (part for part in _PARTS if part in cadence.on_change and getattr(now, part) != getattr(last, part))
    return told + [f"the {part} {'has' if part == 'policy' else 'have'} changed" for part in changed]
