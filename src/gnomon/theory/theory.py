"""The contract of a theory."""

from __future__ import annotations

import abc
import hashlib
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty, Value, hash_json

_LARGEST = 1e50
"""A double holds the sixth power of it."""
_LARGEST_WHOLE = 2**53
"""Up to here doubles count without gaps."""


class OutOfDomainError(GnomonError):
    """A theory is asked about what it does not hold for. Exit code 3."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Theory(abc.ABC):
    """A closed-form predictor with a declared domain of validity.

    A subclass is a frozen dataclass whose fields are the inputs (numbers, text, tuples, or float64 arrays). Its
    ``__post_init__`` first calls that of this class, which sees to it that they are what they are declared to be, and
    then raises `GnomonError` for what has no meaning. What has a meaning, but for which the theory does not hold, is
    told by `outside`.

    Attributes
    ----------
    name : snake_case, unique.
    title : a few words.
    domain : in words, what it holds for and how far it is off there.
    source : papers.
    predicts : the quantity.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    domain: ClassVar[str]
    source: ClassVar[str]
    predicts: ClassVar[Quantity]

    def __post_init__(self) -> None:
        """Raises GnomonError for an input that is not of its declared type, not finite, or beyond 10⁵⁰.

        Whole numbers end at 2⁵³.
        """
        for field in fields(self):
            declared = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
            wrong = _wrong(getattr(self, field.name), declared)
            if wrong is not None:
                raise GnomonError(f"{self.name}: {field.name} {wrong}", mend=f"take another {field.name}")

    @abc.abstractmethod
    def value(self) -> Value:
        """The closed form at the inputs, inside the domain or not."""

    @abc.abstractmethod
    def outside(self) -> tuple[str, ...]:
        """Why the inputs are outside the domain, a sentence a reason; nothing where they are inside."""

    @classmethod
    @abc.abstractmethod
    def examples(cls) -> Mapping[Literal["inside", "outside"], Sequence[Self]]:
        """Instances inside and outside the domain, cheap to evaluate; conformance is checked on them."""

    def systematic(self) -> float | None:
        """Bound on the distance from the expectation of what is measured, in the quantity's unit; ``None``: unknown."""
        return None

    def predict(self, *, anyway: bool = False) -> Measurement:
        """The value as a measurement, exact but for its systematic bound.

        Raises `OutOfDomainError` outside the domain; with ``anyway`` the reasons stand in the diagnostics instead.
        Raises GnomonError where a double does not hold the numbers that lead to the value.
        """
        try:
            with np.errstate(all="ignore"):
                return self._predicted(anyway)
        except ArithmeticError as error:
            raise GnomonError(
                f"{self.name} is not computed here: numbers on the way leave the range of a double",
                mend="take inputs less extreme",
            ) from error

    def _predicted(self, anyway: bool) -> Measurement:
        reasons = self.outside()
        if reasons and not anyway:
            raise OutOfDomainError(
                f"{self.name} does not hold here: {'; '.join(reasons)}", mend=f"domain: {self.domain}"
            )
        value = self.value()
        if not reasons and np.isnan(value).any():
            raise GnomonError(
                f"{self.name} is not computed here: the value is no number", mend="take inputs less extreme"
            )
        return Measurement.ok(
            self.predicts,
            value,
            Uncertainty.exact(systematic=None if reasons else self.systematic(), systematic_source=self.domain),
            estimator=self.name,
            diagnostics={"outside": list(reasons), "inputs": self.inputs()},
        )

    def inputs(self) -> dict[str, Any]:
        """The inputs as a JSON object; an array is named by its shape and hash."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @property
    def hash(self) -> str:
        """SHA-256 of the name and the inputs."""
        return hash_json({"theory": self.name, "inputs": self.inputs()})


def _wrong(value: Any, declared: str) -> str | None:
    """What keeps ``value`` from being what is ``declared``: whole numbers, numbers, tuples or arrays of them."""
    if value is None and "None" in declared:
        return None
    if isinstance(value, np.ndarray):
        sound = value.dtype.kind in "iuf" and bool((np.abs(value) <= _LARGEST).all())
        return None if sound else "has an entry that is not finite, or is no number"
    if declared.startswith("tuple["):
        if not isinstance(value, tuple):
            return f"= {value!r} is no tuple"
        size = declared.count(",") + 1 if "..." not in declared else len(value)
        if len(value) != size:
            return f"= {value!r} is not of {size} numbers"
        return next((f"= {value!r}: {wrong}" for one in value if (wrong := _wrong(one, _entry(declared)))), None)
    if declared.startswith(("int", "float")):
        whole = declared.startswith("int")
        if isinstance(value, bool) or not isinstance(value, numbers.Integral if whole else numbers.Real):
            return f"= {value!r} is no {'whole ' if whole else ''}number"
        limit: Any = _LARGEST_WHOLE if whole else _LARGEST
        return None if -limit <= value <= limit else f"= {value!r} is too large, or none"
    if declared == "bool" and not isinstance(value, bool | np.bool_):
        return f"= {value!r} is neither true nor false"
    if "Array" in declared:
        return "is no array"
    return None


def _entry(declared: str) -> str:
    found = re.match(r"tuple\[(\w+)", declared)
    return "" if found is None else found[1]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "sha256": digest}
    return list(value) if isinstance(value, tuple) else value
