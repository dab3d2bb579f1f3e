"""`gnomon run`: what there is, one phenomenon or all of them, and what is said when points fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from gnomon.cli.main import run
from gnomon.lab.sweep import Point
from gnomon.phenomena import Phenomenon, Preset, phenomena
from gnomon.phenomena.registry import registry
from toy_phenomenon import BiasedCoin, Coins, Tosses

Only = Callable[[Sequence[type[Phenomenon]]], None]
_COMMON = ["--workers", "1", "--seeds", "6"]


class UntossedCoin(BiasedCoin):
    """All its points fail."""

    name: ClassVar[str] = "toy_untossed_coin"
    presets: ClassVar[dict[Preset, Coins]] = {"quick": Coins(tosses=0)}


class HalfTossedCoin(BiasedCoin):
    """The points of two of its seeds fail."""

    name: ClassVar[str] = "toy_half_tossed_coin"

    def _point(self, settings: Coins, bias: float, seed: int) -> Point:
        tosses = 0 if seed < 2 and bias == 0.9 else settings.tosses
        return Point("toy_tosses", Tosses(bias=bias, tosses=tosses, seed=seed))


@pytest.fixture
def there_are(monkeypatch: pytest.MonkeyPatch) -> Only:
    """A function that leaves no phenomena but those given."""
    phenomena()

    def only(kinds: Sequence[type[Phenomenon]]) -> None:
        monkeypatch.setattr(registry, "_registered", {kind.name: kind for kind in kinds})

    return only


def test_all_go_on_when_nothing_can_be_said_of_one(
    there_are: Only, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there_are([UntossedCoin, BiasedCoin])
    assert run(["run", "all", *_COMMON, "--out", str(tmp_path), "--json"]) == 2
    said = capsys.readouterr()
    (document,) = json.loads(said.out)
    assert (document["phenomenon"], document["verdict"], document["control"]["verdict"]) == (
        "toy_biased_coin",
        "shown",
        "not shown",
    )
    assert said.err.splitlines() == [
        "gnomon: every point of toy_untossed_coin failed: a coin that is never tossed; toss it"
    ]
    assert "A biased coin shows heads" in (tmp_path / "phenomena.html").read_text()


def test_when_nothing_can_be_said_of_any_there_is_no_page(
    there_are: Only, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there_are([UntossedCoin])
    for name in ("all", "toy_untossed_coin"):
        assert run(["run", name, *_COMMON, "--out", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        assert line.startswith("gnomon: every point of toy_untossed_coin failed")
    assert not (tmp_path / "phenomena.html").exists()


def test_points_that_failed_are_said(there_are: Only, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there_are([HalfTossedCoin])
    run(["run", "toy_half_tossed_coin", *_COMMON, "--out", str(tmp_path)])
    assert capsys.readouterr().err.splitlines() == [
        "toy_half_tossed_coin: 2 of 12 points failed",
        "failed 2 times: a coin that is never tossed; toss it",
    ]


def test_without_a_name_they_are_listed(there_are: Only, own_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there_are([BiasedCoin])
    assert run(["run"]) == 0
    table = capsys.readouterr().out
    assert "toy_biased_coin" in table
    assert "more than 60 % of all tosses" in table
    assert run(["run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "toy_biased_coin",
            "title": "A biased coin",
            "claim": "A biased coin shows heads in more than 60 % of all tosses.",
            "control": "A fair coin does not.",
            "source": "J. Bernoulli, Ars Conjectandi (1713)",
        }
    ]
    assert not own_store.exists()
