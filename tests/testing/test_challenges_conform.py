"""Every challenge keeps the contract, and the checks notice one that does not."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from gnomon.lab.sweep import Point, Results
from gnomon.laws.ledger.measured import point_hashes
from gnomon.laws.ledger.prediction import Prediction
from gnomon.measurement import Measurement, Uncertainty
from gnomon.predictions import Challenge, challenges
from gnomon.testing import ConformanceError, challenge_checks, check_challenge
from gnomon.testing.challenges import check_predictions
from toy_challenge import HEADS, Coins


@pytest.mark.parametrize("check", challenge_checks())
@pytest.mark.parametrize("name", challenges())
def test_every_challenge_keeps_the_contract(name: str, check: str) -> None:
    challenge_checks()[check](challenges()[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", challenges())
def test_every_challenge_is_pure_and_measures_nothing_where_points_are_lost(name: str) -> None:
    check_predictions(challenges()[name])


def test_no_two_challenges_predict_the_same_point() -> None:
    """One could otherwise be scored before the other is registered."""
    targets = {n: frozenset().union(*map(point_hashes, kind().targets().values())) for n, kind in challenges().items()}
    for one, other in itertools.combinations(targets, 2):
        assert not targets[one] & targets[other], f"{one} and {other} predict the same point"


def test_a_sound_challenge_passes_every_check() -> None:
    check_challenge(Coins)


_counter = itertools.count()


class Wordless(Coins):
    question = " "


class Knowing(Coins):
    unseen: ClassVar[Mapping[str, float]] = {"known": 0.4}


class Wavering(Coins):
    def targets(self) -> dict[str, list[Point]]:
        return {f"{name}{next(_counter)}": points for name, points in super().targets().items()}


class Guessing(Coins):
    def predict(self, known: Results) -> dict[str, Prediction]:
        found = super().predict(known)
        np.random.random()  # noqa: NPY002 - which it must not
        return found


class Fickle(Coins):
    def predict(self, known: Results) -> dict[str, Prediction]:
        return {k: replace(p, domain=f"{next(_counter)}") for k, p in super().predict(known).items()}


class Lazy(Coins):
    def predict(self, known: Results) -> dict[str, Prediction]:
        return {"fair": super().predict(known)["fair"]}


class Inventing(Coins):
    def measure(self, target: str, results: Results) -> Measurement:
        return Measurement.ok(HEADS, 0.5, Uncertainty.unknown())


class Failing(Coins):
    trouble: ClassVar[str] = "fell off the table"


def _local() -> type[Challenge]:
    class Local(Coins):
        pass

    return Local


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Wordless, "check_words: .*it has no question"),
        (Knowing, "check_points: .*points of 'known' are known"),
        (Wavering, "check_points: .*its targets change"),
        (_local(), "check_pickles: "),
        (Guessing, "check_predictions: .*draws from the global random state"),
        (Fickle, "check_predictions: .*predicts something else each time"),
        (Lazy, "check_predictions: .*its targets are"),
        (Inventing, "check_predictions: .*although every point failed"),
        (Failing, "check_predictions: .*a point failed: the coin fell"),
    ],
    ids=["wordless", "knowing", "wavering", "local", "guessing", "fickle", "lazy", "inventing", "failing"],
)
def test_what_breaks_the_contract_is_named(kind: Any, said: str) -> None:
    with pytest.raises(ConformanceError, match=said):
        check_challenge(kind)
