"""Every phenomenon keeps the contract, and the checks notice one that does not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, Point, Results, experiment
from gnomon.phenomena import Claim, Finding, phenomena
from gnomon.phenomena.evidence import share_of_seeds
from gnomon.testing import ConformanceError, check_phenomenon, phenomenon_checks
from toy_phenomenon import HEADS, BiasedCoin, Coins, toss


@pytest.mark.parametrize("check", phenomenon_checks())
@pytest.mark.parametrize("name", phenomena())
def test_every_phenomenon_keeps_the_contract(name: str, check: str) -> None:
    phenomenon_checks()[check](phenomena()[name])


def test_a_sound_phenomenon_passes_every_check() -> None:
    check_phenomenon(BiasedCoin, {"tosses": 50})


_counter = itertools.count()


class Loaded(Spec):
    seed: int = 0


@experiment("toy_unsteady")
def unsteady(spec: Loaded) -> Outcome:
    return {"heads": float(next(_counter)), "running": []}


@experiment("toy_unequal", together=lambda specs: [{"heads": 0.0, "running": []} for _ in specs])
def unequal(spec: Loaded) -> Outcome:
    return {"heads": 1.0, "running": []}


class _Other(BiasedCoin):
    experiment = ""

    def _point(self, settings: Coins, bias: float, seed: int) -> Point:
        return Point(self.experiment, Loaded(seed=2 * seed + (bias == 0.5)))


class Unsteady(_Other):
    experiment = "toy_unsteady"


class Unequal(_Other):
    experiment = "toy_unequal"


class Nameless(BiasedCoin):
    name = "Coin"


class OnePreset(BiasedCoin):
    presets = {"quick": Coins()}  # noqa: RUF012


class FewSeeds(BiasedCoin):
    seeds = {"quick": 3, "full": 8}  # noqa: RUF012


class OneSeed(BiasedCoin):
    def points(self, settings: Coins, seeds: Sequence[int]) -> list[Point]:
        return super().points(settings, [0])


class NoControl(BiasedCoin):
    def judge(self, settings: Coins, seeds: Sequence[int], results: Results) -> Finding:
        found = super().judge(settings, seeds, results)
        return Finding(claims=found.claims, controls={})


class SureOfIt(BiasedCoin):
    def judge(self, settings: Any, seeds: Sequence[int], results: Results) -> Finding:
        tosses = {self._point(settings, b, s): toss for b in (0.9, 0.5) for s in seeds}
        made = Results(record for p in tosses for record in _run(p))
        return super().judge(settings, seeds, made)


class Survivors(BiasedCoin):
    def judge(self, settings: Coins, seeds: Sequence[int], results: Results) -> Finding:
        found = results.all([self._point(settings, 0.9, s) for s in seeds])
        measured = share_of_seeds(HEADS, [f["heads"] > 0.6 for f in found])
        claim = Claim(name="heads", statement="Heads.", measurement=measured, least=0.1)
        return replace(super().judge(settings, seeds, results), claims=(claim,))


def _run(point: Point) -> list[Any]:
    from gnomon.lab.sweep.work import Job, work

    return work(Job.of([point]))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Unsteady, "gave two outcomes"),
        (Unequal, "together is not what each is alone"),
        (Nameless, "is not snake_case"),
        (OnePreset, r"its presets are \['quick'\]"),
        (FewSeeds, "3 seeds in quick bound no median"),
        (OneSeed, "another seed brings no new point"),
        (NoControl, "it has no control"),
        (SureOfIt, "although every point failed"),
        (Survivors, "leaves out a seed"),
    ],
)
def test_a_broken_phenomenon_is_found_out(kind: type[BiasedCoin], says: str) -> None:
    with pytest.raises(ConformanceError, match=says):
        check_phenomenon(kind, {"tosses": 50})
