"""What a budget in seconds buys, with prices that are known exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from broken_estimators import Sound
from gnomon.estimators import Budget, Estimator, KnownAnswer
from gnomon.lab import affordable as module
from gnomon.lab.affordable import affordable
from gnomon.measurement import Cost, Measurement
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Data, Subject


class Streams(Sound):
    """Shares the pass; takes ``flops`` seconds an example besides."""

    def __init__(self, name: str, flops: float) -> None:
        self.name = name  # type: ignore[misc]
        self.flops = flops

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        assert budget.examples is not None
        return Cost(flops=self.flops * budget.examples)


class OfItsOwn(Estimator):
    """Takes ``seconds`` whatever the number of examples, or so many an example."""

    quantities = Sound.quantities

    def __init__(self, name: str, seconds: float, *, each: bool = False) -> None:
        self.name = name  # type: ignore[misc]
        self.seconds = seconds
        self.each = each

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        assert budget.examples is not None
        return Cost(flops=self.seconds * (budget.examples if self.each else 1))

    def measure(self, *arguments: Any, **options: Any) -> list[Measurement]:
        raise AssertionError("a price is asked before anything is measured")

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return ()


class ClockOfFlops:
    def __init__(self, *_: object) -> None: ...

    def seconds(self, cost: Cost) -> float:
        return cost.flops

    def together(self, costs: Sequence[Cost]) -> float:
        return sum(c.flops for c in costs)


@pytest.fixture
def bought(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "Clock", ClockOfFlops)

    def buy(*wanted: Estimator, seconds: float, n: int = 1000) -> tuple[list[str], int, dict[str, float]]:
        subject, data = Subject(torch.nn.Identity()), ArrayData(torch.zeros(n, 2))
        plan: dict[str, Sequence[str]] = {e.name: () for e in wanted}
        kept, sample, dear = affordable(wanted, subject, data, plan, Budget(seconds=seconds), Rng(0))
        assert sample is not None
        prices = {x.estimator: x.cost.seconds for x in dear if x.cost is not None}
        return [e.name for e in kept], len(sample), prices

    return buy


def test_all_is_bought_where_all_fits(bought: Any) -> None:
    wanted = (Streams("a", 0.01), OfItsOwn("b", 5.0), Streams("c", 0.01))
    assert bought(*wanted, seconds=25) == (["a", "b", "c"], 1000, {})


def test_dear_instruments_with_samples_of_their_own_do_not_thin_the_shared_pass(bought: Any) -> None:
    wanted = (Streams("a", 0.01), OfItsOwn("dear", 1000.0), OfItsOwn("cheap", 9.0))
    assert bought(*wanted, seconds=20) == (["a", "cheap"], 1000, {"dear": 1000.0})


def test_the_cheapest_are_bought_first(bought: Any) -> None:
    wanted = (Streams("a", 0.001), *(OfItsOwn(f"takes {s}", s) for s in (8.0, 2.0, 4.0)))
    assert bought(*wanted, seconds=10) == (["a", "takes 2.0", "takes 4.0"], 1000, {"takes 8.0": 8.0})


def test_the_shared_pass_gets_half_and_whatever_the_others_leave(bought: Any) -> None:
    kept, examples, dear = bought(Streams("a", 0.1), OfItsOwn("b", 49.0), seconds=100)
    assert (kept, dear) == (["a", "b"], {})
    assert 0.75 * 510 <= examples <= 510
    _, examples, _ = bought(Streams("a", 0.1), OfItsOwn("b", 1.0), seconds=100)
    assert 0.75 * 990 <= examples <= 990


def test_what_does_not_fit_with_the_fewest_examples_is_left_out_with_its_price(bought: Any) -> None:
    kept, examples, dear = bought(Streams("a", 0.01), Streams("endless", 10.0), seconds=15)
    assert (kept, examples) == (["a"], 1000)
    assert dear == {"endless": 10_000.0}


def test_what_is_left_out_names_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Clock", ClockOfFlops)

    def reason(*wanted: Estimator, seconds: float) -> str:
        plan: dict[str, Sequence[str]] = {e.name: () for e in wanted}
        data = ArrayData(torch.zeros(1000, 2))
        (left,) = affordable(wanted, Subject(torch.nn.Identity()), data, plan, Budget(seconds=seconds), Rng(0))[2]
        return left.reason

    told = reason(Streams("a", 0.01), OfItsOwn("dear", 100.0), seconds=20)
    assert told == ("predicted to take 100 s, the budget is 20 s for everything; a budget of 110 s is enough for all")
    told = reason(Streams("a", 0.01), OfItsOwn("each", 0.1, each=True), seconds=20)
    assert told.endswith("a budget of 110 s is enough for all, and this one is with fewer examples")
    enough = affordable(
        [Streams("a", 0.01), OfItsOwn("dear", 100.0)],
        Subject(torch.nn.Identity()),
        ArrayData(torch.zeros(1000, 2)),
        {"a": (), "dear": ()},
        Budget(seconds=110),
        Rng(0),
    )
    assert not enough[2]


def test_alone_an_instrument_gets_as_many_examples_as_fit(bought: Any) -> None:
    kept, examples, _ = bought(OfItsOwn("each", 0.1, each=True), seconds=50)
    assert kept == ["each"]
    assert 0.75 * 500 <= examples <= 500
