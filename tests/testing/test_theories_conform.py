"""Every theory keeps the contract, and the checks notice one that does not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.measurement import Quantity, Value
from gnomon.testing import ConformanceError, check_theory, theory_checks
from gnomon.theory.registry import theories
from gnomon.theory.theory import Theory


@pytest.mark.parametrize("check", theory_checks())
@pytest.mark.parametrize("name", theories())
def test_every_theory_keeps_the_contract(name: str, check: str) -> None:
    theory_checks()[check](theories()[name])


@dataclass(frozen=True, kw_only=True, eq=False)
class Pendulum(Theory):
    r"""The period :math:`T = 2\pi\sqrt{l/g}` of a small swing.

    >>> round(Pendulum(length=1.0, amplitude=0.1).value(), 2)
    2.01
    """

    name: ClassVar[str] = "toy_pendulum"
    title: ClassVar[str] = "A pendulum"
    domain: ClassVar[str] = "amplitudes of at most 0.2 rad, within 0.25 %"
    source: ClassVar[str] = "Huygens, Horologium Oscillatorium (1673)"
    predicts: ClassVar[Quantity] = Quantity(
        name="toy_period", symbol="T", definition=r"T = 2\pi\sqrt{l/g}", source="Huygens 1673"
    )

    length: float
    amplitude: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length <= 0:
            raise GnomonError(f"a pendulum of length {self.length}", mend="give a positive length")

    def value(self) -> Value:
        return float(2 * np.pi * np.sqrt(self.length / 9.81))

    def outside(self) -> tuple[str, ...]:
        return () if self.amplitude <= 0.2 else (f"an amplitude of {self.amplitude} is above 0.2",)

    def systematic(self) -> float | None:
        return 0.0025 * float(self.value())

    @classmethod
    def examples(cls) -> Mapping[Any, Sequence[Any]]:
        return {
            "inside": (cls(length=1.0, amplitude=0.1), cls(length=2.0, amplitude=0.0)),
            "outside": (cls(length=1.0, amplitude=1.0),),
        }


def test_what_a_double_does_not_hold_is_one_line() -> None:
    class Overflowing(Pendulum):
        def value(self) -> Value:
            return self.length**40

    class Undefined(Pendulum):
        def value(self) -> Value:
            return float("nan")

    for kind, says in ((Overflowing, "leave the range"), (Undefined, "the value is no number")):
        with pytest.raises(GnomonError, match=f"toy_pendulum is not computed here: .*{says}"):
            kind(length=1e20, amplitude=0.1).predict()
    with pytest.raises(GnomonError, match=r"toy_pendulum: length = 1e\+60 is too large"):
        Pendulum(length=1e60, amplitude=0.1)


def test_a_sound_theory_passes_every_check() -> None:
    check_theory(Pendulum)


_counter = itertools.count()


class Everywhere(Pendulum):
    """No :math:`x`."""

    @classmethod
    def examples(cls) -> Mapping[Any, Sequence[Any]]:
        return {"inside": (cls(length=1.0, amplitude=0.1),), "outside": ()}


class Mute(Pendulum):
    def outside(self) -> tuple[str, ...]:
        return ()


class Strict(Pendulum):
    def outside(self) -> tuple[str, ...]:
        return ("never",)


class Lenient(Pendulum):
    def predict(self, *, anyway: bool = False) -> Any:
        return super().predict(anyway=True)


class Infinite(Pendulum):
    def value(self) -> Value:
        return float("inf")


class Unsteady(Pendulum):
    def value(self) -> Value:
        return float(next(_counter))


class Blind(Pendulum):
    def inputs(self) -> dict[str, Any]:
        return {**super().inputs(), "amplitude": 0.0}


class Stirring(Pendulum):
    def value(self) -> Value:
        return float(np.random.random())  # noqa: NPY002 - what it is found out for


class Gullible(Pendulum):
    def __post_init__(self) -> None:
        """Without that of `Theory`."""


class Unsourced(Pendulum):
    source = " "


class Undocumented(Pendulum):
    """A pendulum."""


class Wrong(Pendulum):
    r""":math:`T`.

    >>> 1 + 1
    3
    """


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Everywhere, "no example outside the domain"),
        (Mute, "no reason is given"),
        (Strict, "is said to be inside the domain, but"),
        (Lenient, "is outside the domain, and is predicted"),
        (Infinite, "the value is not finite"),
        (Unsteady, "has two values"),
        (Blind, "amplitude does not change the hash"),
        (Stirring, "has two values"),
        (Gullible, "length = nan is taken"),
        (Unsourced, "it has no source"),
        (Undocumented, "no definition in LaTeX"),
        (Wrong, "its example fails"),
    ],
)
def test_a_broken_theory_is_found_out(kind: type[Theory], says: str) -> None:
    with pytest.raises(ConformanceError, match=says):
        check_theory(kind)
