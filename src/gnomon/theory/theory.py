"""The contract of a theory."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty, Value, hash_json


class OutOfDomainError(GnomonError):
    """A theory is asked about what it does not hold for. Exit code 3."""

    exit_code = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Theory(abc.ABC):
    """A closed-form predictor with a declared domain of validity.

    A subclass is a frozen dataclass whose fields are the inputs (numbers, text, tuples, or float64 arrays), checked in
    ``__post_init__`` with a `GnomonError` for what has no meaning. What has a meaning, but for which the theory does
    not hold, is told by `outside`.

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
        """
        reasons = self.outside()
        if reasons and not anyway:
            raise OutOfDomainError(
                f"{self.name} does not hold here: {'; '.join(reasons)}", mend=f"domain: {self.domain}"
            )
        return Measurement.ok(
            self.predicts,
            self.value(),
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


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "sha256": digest}
    return list(value) if isinstance(value, tuple) else value
