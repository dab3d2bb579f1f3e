"""Each conformance check can fail: a sound estimator passes it, one broken in just that way does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from broken_estimators import BROKEN, Sound
from gnomon.errors import UnknownNameError
from gnomon.testing import ConformanceError, check_estimator, checks


def test_every_check_has_a_broken_estimator() -> None:
    assert set(BROKEN) == set(checks())


def test_the_sound_estimator_passes_every_check() -> None:
    check_estimator(Sound)


@pytest.mark.parametrize("check", BROKEN)
def test_the_check_fails_for_the_estimator_that_breaks_it(check: str) -> None:
    with pytest.raises(ConformanceError, match=check):
        check_estimator(BROKEN[check], only=[check])


def test_a_declared_failure_is_forgiven_and_an_idle_declaration_is_not() -> None:
    class Declared(BROKEN["check_cost"]):  # type: ignore[misc]
        expected_failures: ClassVar[Mapping[str, str]] = {"check_cost": "the price is made up"}

    check_estimator(Declared, only=["check_cost"])

    class Idle(Sound):
        expected_failures: ClassVar[Mapping[str, str]] = {"check_cost": "no longer true"}

    with pytest.raises(ConformanceError, match="remove the declaration"):
        check_estimator(Idle, only=["check_cost"])


def test_an_unknown_check_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="check_cost"):
        check_estimator(Sound, only=["check_costs"])
