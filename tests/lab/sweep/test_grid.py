"""A sweep as a document: its product, and what is wrong with it, in one line."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec, read_toml
from gnomon.lab.store import Outcome
from gnomon.lab.sweep import experiment
from gnomon.lab.sweep.grid import MOST_POINTS, Sweep


class Inner(Spec):
    rate: float = 0.1
    momentum: float = 0.0


class Outer(Spec):
    width: int
    optimizer: Inner = Inner()
    sizes: tuple[int, ...] = ()
    seed: int = 0


@experiment("nested_for_grids")
def nested(spec: Outer) -> Outcome:
    """Nothing."""
    return {}


def _sweep(**document: Any) -> Sweep:
    return Sweep(experiment="nested_for_grids", **document)


def test_the_product_is_every_combination_once() -> None:
    grid = {"width": [1, 2], "optimizer.rate": [0.1, 0.2, 0.3]}
    specs = [p.spec for p in _sweep(grid=grid, spec={"sizes": [3, 4]}, seeds=4).points()]
    expected = [
        Outer(width=w, optimizer=Inner(rate=r), sizes=(3, 4), seed=s)
        for w, r, s in itertools.product([1, 2], [0.1, 0.2, 0.3], range(4))
    ]
    assert specs == expected


def test_nested_and_dotted_names_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(
        'experiment = "nested_for_grids"\n[spec.optimizer]\nmomentum = 0.9\n'
        '[grid]\nwidth = [1]\n"optimizer.rate" = [1e-3]\n'
    )
    dotted = Sweep.model_validate(read_toml(file))
    nested_too = _sweep(spec={"optimizer.momentum": 0.9}, grid={"width": [1], "optimizer": {"rate": [1e-3]}})
    (first,), (second,) = dotted.points(), nested_too.points()
    assert first.key == second.key
    assert first.spec == Outer(width=1, optimizer=Inner(rate=1e-3, momentum=0.9))


def test_a_field_may_be_held() -> None:
    sweep = _sweep(grid={"width": [1, 2], "optimizer.rate": [0.1, 0.2]}, seeds=3)
    held = sweep.holding({"optimizer.rate": "0.5", "seed": "7"})
    assert [p.spec for p in held.points()] == [Outer(width=w, optimizer=Inner(rate=0.5), seed=7) for w in (1, 2)]
    assert len(sweep.points()) == 12


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"grid": {"width": []}}, "grid.width is empty"),
        ({"grid": {"width": 3}}, "grid.width is not a list (got 3)"),
        ({"grid": {"width": [1], "optimiser.rate": [1]}}, "unknown field of Outer 'optimiser.rate'"),
        ({"spec": {"width": 1, "optimizer": {"rats": 1}}}, "did you mean 'optimizer.rate'"),
        ({"spec": {"width": 1}, "grid": {"width": [1]}}, "width is both in [spec] and in [grid]"),
        ({"spec": {"width": 1}, "grid": {"seed": [1]}, "seeds": 2}, "seed is given besides seeds"),
        ({"grid": {"width": ["wide"]}}, "bad Outer: width: Input should be a valid integer"),
        ({"grid": {"sizes": [[1]]}}, "bad Outer: width: Field required"),
        ({"spec": {"width": 1, "optimizer": 1, "optimizer.rate": 2}}, "optimizer.rate is given, and so is optimizer"),
        ({"grid": {"width": list(range(101)), "seed": list(range(1000))}}, f"give at most {MOST_POINTS:,}"),
        ({"seeds": 0}, "bad Sweep: seeds: Input should be greater than or equal to 1"),
        ({"gird": {}}, "bad Sweep: gird: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(document: dict[str, Any], said: str) -> None:
    with pytest.raises(GnomonError) as caught:
        _sweep(**document).points()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


class Holder(Spec):
    inside: Outer


@experiment("holder_for_grids")
def holder(spec: Holder) -> Outcome:
    """Nothing."""
    return {}


def test_seeds_of_an_experiment_whose_seed_is_nested() -> None:
    with pytest.raises(GnomonError, match=r"Holder has no field seed of its own; give the seeds in \[grid\]"):
        Sweep(experiment="holder_for_grids", seeds=2).points()
    points = Sweep(experiment="holder_for_grids", spec={"inside.width": 1}, grid={"inside.seed": [0, 1]}).points()
    assert [p.spec.inside.seed for p in points] == [0, 1]  # type: ignore[attr-defined]


def test_an_unknown_experiment() -> None:
    with pytest.raises(GnomonError, match="unknown experiment 'nested_for_grid'; did you mean 'nested_for_grids'"):
        Sweep(experiment="nested_for_grid").points()
