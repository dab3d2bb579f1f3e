"""Every method of directions keeps the contract, and the checks notice one that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from gnomon.randomness import Rng
from gnomon.structure.directions import Method, method, methods
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace
from gnomon.testing import ConformanceError, check_method, method_checks

NULL = "it is the null: what it draws does not depend on the examples"
EXPECTED_FAILURES = {("random", "check_frame"): NULL, ("random", "check_recovery"): NULL}


@pytest.mark.parametrize("check", method_checks())
@pytest.mark.parametrize("name", methods())
def test_every_method_keeps_the_contract(name: str, check: str) -> None:
    if (name, check) in EXPECTED_FAILURES:
        with pytest.raises(AssertionError):
            method_checks()[check](method(name))
    else:
        method_checks()[check](method(name))


@dataclass(frozen=True, kw_only=True)
class First(Method):
    """The first axis, whatever the examples, at length 1 but for a global draw."""

    name: ClassVar[str] = "The first axis"
    source: ClassVar[str] = ""
    most: ClassVar[int | None] = 1

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        torch.rand(1)
        return Subspace.line(torch.eye(examples.inputs.shape[1], dtype=torch.float64)[0])


def test_a_method_that_breaks_the_contract_is_noticed() -> None:
    with pytest.raises(ConformanceError) as refused:
        check_method(First)
    said = str(refused.value)
    for check in ("words", "subspace", "sign", "frame", "purity", "ranks", "recovery"):
        assert f"check_{check}" in said
    for check in ("scale", "share", "hard_input", "draws"):
        assert f"check_{check}" not in said


@dataclass(frozen=True, kw_only=True)
class SilentlyDrawn(First):
    """A drawn direction, without saying so."""

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        drawn = torch.randn(examples.inputs.shape[1], generator=rng.torch(), dtype=torch.float64)
        return Subspace.line(drawn)


class SaidToDraw(First):
    """The first axis, said to be drawn."""

    draws: ClassVar[bool] = True


@pytest.mark.parametrize("kind", [SilentlyDrawn, SaidToDraw])
def test_what_a_method_says_of_its_draws_is_checked(kind: type[Method]) -> None:
    with pytest.raises(AssertionError, match="another rng"):
        method_checks()["check_draws"](kind)
