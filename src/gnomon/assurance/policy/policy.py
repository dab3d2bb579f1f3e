"""A policy: thresholds of capability and harm, the level each leads to, and the safeguards that a level requires."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from gnomon.assurance.registry import evaluation
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import Spec
from gnomon.measurement import Quantity

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Part = Literal["controller", "monitor"]


class Limit(Spec):
    r"""What is measured, and the line that it is held against.

    With limit L and buffer b the line is :math:`\ell = L - b` where above is worse, :math:`\ell = L + b` where below.
    A quantity :math:`\theta` is bad from the line on: :math:`\theta \ge \ell`, or :math:`\theta \le \ell`. What is
    inside the buffer is treated as past the limit: that is what a buffer is for.

    Parameters
    ----------
    id : snake_case, unique in the policy.
    title : the question, for people.
    evaluation, options : which evaluation measures it, and with what options.
    quantity : which of the evaluation's quantities; left out where it has only one.
    labels : labels that the measurement has, where the evaluation returns several.
    each : whether every measurement that fits has to clear the line; otherwise just one may fit.
    present : by label, values of which a measurement that fits must have one. ``each`` is about what was measured; this
        keeps the line open where what it is about was not, such as a request with any phrase.
    limit, buffer : L and b.
    worse : on which side of the limit the bad values are.

    Raises GnomonError, naming the field, for an unknown evaluation, option or quantity, for a limit outside the
    quantity's range, and for a buffer that leaves no value on the good side.
    """

    id: Name
    title: str = ""
    evaluation: str
    options: dict[str, Any] = Field(default_factory=dict)
    quantity: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    each: bool = False
    present: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    limit: float
    buffer: Annotated[float, Field(ge=0)] = 0.0
    worse: Literal["above", "below"] = "above"

    @property
    def line(self) -> float:
        """Where bad begins: the sum of the two numbers as they are written, 0.15 for 0.2 less 0.05."""
        limit, buffer = Decimal(repr(self.limit)), Decimal(repr(self.buffer))
        return float(limit - buffer if self.worse == "above" else limit + buffer)

    @property
    def measures(self) -> str:
        """Name of the quantity: the evaluation's only one where none is stated."""
        return self.quantity or evaluation(self.evaluation).quantities[0].name

    def clears(self, low: float, high: float) -> bool:
        """Whether everything between ``low`` and ``high`` is on the good side of the line."""
        return high < self.line if self.worse == "above" else low > self.line

    def fails(self, low: float, high: float) -> bool:
        """Whether everything between ``low`` and ``high`` is on the line or on its bad side."""
        return low >= self.line if self.worse == "above" else high <= self.line

    def check(self) -> None:
        """Raise GnomonError for what the registries know to be wrong."""
        where = f"{type(self).__name__.lower()} {self.id!r}"
        try:
            kind = evaluation(self.evaluation)
        except UnknownNameError as error:
            raise GnomonError(f"{where}, field evaluation: {error.cause}", mend=error.mend) from None
        try:
            kind.model_validate(self.options)
        except GnomonError as error:
            raise GnomonError(f"{where}, field options: {error.cause}", mend=error.mend) from None
        quantity = self._quantity(where, kind.quantities)
        if quantity.axes:
            raise GnomonError(
                f"{where}, field quantity: {quantity.name} is not one number", mend="choose a quantity without axes"
            )
        if not quantity.lowest <= self.limit <= quantity.highest:
            raise GnomonError(
                f"{where}, field limit: {self.limit:g} is outside [{quantity.lowest:g}, {quantity.highest:g}], where"
                f" {quantity.name} is",
                mend="give a limit that can be crossed",
            )
        end = quantity.lowest if self.worse == "above" else quantity.highest
        if not (self.line > end if self.worse == "above" else self.line < end):
            raise GnomonError(
                f"{where}, field buffer: {self.buffer:g} leaves no value of {quantity.name} on the good side of"
                f" {self.line:g}",
                mend="lower the buffer or move the limit",
            )

    def _quantity(self, where: str, known: tuple[Quantity, ...]) -> Quantity:
        if not self.quantity and len(known) == 1:
            return known[0]
        names = {q.name: q for q in known}
        if not self.quantity:
            raise GnomonError(
                f"{where} names no quantity, and {self.evaluation} has {len(known)}",
                mend=f"add quantity = one of {', '.join(names)}",
            )
        if self.quantity not in names:
            error = UnknownNameError(f"quantity of {self.evaluation}", self.quantity, names)
            raise GnomonError(f"{where}, field quantity: {error.cause}", mend=error.mend)
        return names[self.quantity]


class Safeguard(Limit):
    """A measure against harm, and the measurement that proves that it works, on the deployment as it is used.

    Parameters
    ----------
    needs : parts that the deployment must have; without one of them the safeguard is absent, which fails it.
    """

    needs: tuple[Part, ...] = ()


class Threshold(Limit):
    """A capability or harm, and how much of it is too much without safeguards.

    Parameters
    ----------
    kind : a capability is what the network can do, measured without safeguards; a harm is what the deployment does,
        measured as it is used.
    level : the level of a network that is past it.
    safeguards : ids of those that it requires, beside those of the levels.
    """

    kind: Literal["capability", "harm"]
    level: int
    safeguards: tuple[str, ...] = ()


class Level(Spec):
    """A rung: ``safeguards`` are required on it and on every higher one."""

    number: Annotated[int, Field(ge=0)]
    title: str = ""
    safeguards: tuple[str, ...] = ()


class Cadence(Spec):
    """When to test again.

    Parameters
    ----------
    effective_compute : at the latest when effective compute has grown by this factor.
    days : at the latest after so many days.
    on_change : whenever one of these is not what was tested.
    """

    effective_compute: Annotated[float, Field(gt=1)] | None = None
    days: Annotated[int, Field(ge=1, le=36500)] | None = None
    on_change: tuple[Literal["weights", "safeguards", "policy"], ...] = ("weights", "safeguards", "policy")


class Policy(Spec):
    """Thresholds, levels, safeguards and cadence.

    Parameters
    ----------
    name, title : of the policy.
    source, version : the document that it is in the shape of; ``note`` says what it leaves out or adds.
    confidence : of every decision: a wrong pass has probability at most one minus this.
    tests : how many tests the confidence holds for together; ``unlimited`` for any number.
    levels : by rising number; the lowest is that of a network past no threshold.

    Raises GnomonError, naming the field, for ids that stand twice, for names of levels or safeguards that do not
    exist, and for a threshold that leads to the lowest level.
    """

    name: Name
    title: str
    source: str
    version: str
    note: str = ""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    tests: Annotated[int, Field(ge=1)] | Literal["unlimited"] = 1
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1)]
    safeguards: tuple[Safeguard, ...] = ()
    cadence: Cadence = Cadence()

    @model_validator(mode="wrap")
    @classmethod
    def _consistent(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        policy: Self = handler(values)
        policy._check_names()
        return policy

    def _check_names(self) -> None:
        _once("threshold or safeguard", [one.id for one in (*self.thresholds, *self.safeguards)])
        _once("level", [level.number for level in self.levels])
        known = [one.id for one in self.safeguards]
        asking = [(f"threshold {t.id!r}", t.safeguards) for t in self.thresholds]
        asking += [(f"level {level.number}", level.safeguards) for level in self.levels]
        for where, names in asking:
            for name in names:
                if name not in known:
                    error = UnknownNameError("safeguard", name, known)
                    raise GnomonError(f"{where}, field safeguards: {error.cause}", mend=error.mend)
        numbers = [level.number for level in self.levels]
        for threshold in self.thresholds:
            if threshold.level not in numbers or threshold.level == min(numbers):
                above = ", ".join(str(n) for n in sorted(numbers) if n != min(numbers)) or "none: add a [[level]]"
                raise GnomonError(
                    f"threshold {threshold.id!r}, field level: {threshold.level} is no level above the lowest",
                    mend=f"levels above it: {above}",
                )

    def check(self) -> None:
        """Raise GnomonError for evaluations, options, quantities and limits that cannot be: see `Limit.check`."""
        for one in (*self.thresholds, *self.safeguards):
            one.check()

    @property
    def alpha(self) -> float:
        """Largest probability of a wrong pass, over all its tests."""
        return float(1 - Decimal(repr(self.confidence)))

    @property
    def base(self) -> Level:
        """The lowest level."""
        return min(self.levels, key=lambda level: level.number)

    def level(self, number: int) -> Level:
        """The level with this number."""
        return next(level for level in self.levels if level.number == number)

    def required(self, threshold: Threshold) -> list[Safeguard]:
        """What has to work before a network past ``threshold`` may be used: its own, and of every level up to its.

        None where only the lowest level names any: every network needs those, so that they excuse no threshold.
        """
        levels = [level for level in self.levels if level.number <= threshold.level]
        above = {name for level in levels if level != self.base for name in level.safeguards} | set(
            threshold.safeguards
        )
        names = above | set(self.base.safeguards) if above else set()
        return [one for one in self.safeguards if one.id in names]

    def always(self) -> list[Safeguard]:
        """What the lowest level requires, so that every network needs it."""
        return [one for one in self.safeguards if one.id in self.base.safeguards]


def _once(what: str, names: Iterable[str | int]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise GnomonError(f"{what} {name!r} stands {count} times in the policy", mend="give each a name of its own")
