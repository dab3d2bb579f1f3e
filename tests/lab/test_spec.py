"""Specs: frozen, hashed by content, changed by name, refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import Spec, read_toml


class Inner(Spec):
    rate: float = Field(default=0.1, gt=0)
    name: str = "adam"


class Outer(Spec):
    steps: int = 10
    optimizer: Inner = Inner()
    widths: tuple[int, ...] = (8, 16)


def test_equal_specs_have_one_hash_whatever_they_were_made_from() -> None:
    assert Outer(steps=3).hash == Outer.model_validate({"widths": [8, 16], "steps": "3"}).hash
    assert Outer(optimizer=Inner(rate=1)).hash == Outer().changed({"optimizer.rate": "1.0"}).hash
    assert Outer(steps=3).hash != Outer(steps=4).hash


@given(st.integers(-(10**9), 10**9), st.floats(1e-9, 1e9), st.text(min_size=1))
def test_a_spec_survives_its_json(steps: int, rate: float, name: str) -> None:
    spec = Outer(steps=steps, optimizer=Inner(rate=rate, name=name))
    again = Outer.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.hash == spec.hash


def test_changes_are_read_as_toml_and_else_as_text() -> None:
    changed = Outer().changed({"steps": "20", "optimizer.name": "sgd", "widths": "[1, 2, 3]"})
    assert (changed.steps, changed.optimizer.name, changed.widths) == (20, "sgd", (1, 2, 3))


@pytest.mark.parametrize("name", ["step", "optimizer.rat", "optimizer", "optimizer.rate.deep", "widths.0", ""])
def test_a_name_that_is_no_field_is_refused(name: str) -> None:
    if name == "optimizer":
        with pytest.raises(GnomonError, match="bad Inner"):
            Outer().changed({name: "3"})
    else:
        with pytest.raises(UnknownNameError, match="unknown field of Outer"):
            Outer().changed({name: "3"})


@pytest.mark.parametrize(
    "values", [{"steps": "many"}, {"unknown": 1}, {"optimizer": {"rate": -1}}, {"optimizer": {"rate": float("nan")}}]
)
def test_a_bad_value_is_one_line_that_names_the_field(values: dict[str, object]) -> None:
    with pytest.raises(GnomonError) as caught:
        Outer.model_validate(values)
    name = next(iter(values))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "rate" in str(caught.value)


def test_a_spec_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().steps = 3  # type: ignore[misc]


def test_toml_that_is_absent_or_broken_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="no file"):
        read_toml(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = = 3")
    with pytest.raises(GnomonError, match="is not TOML"):
        read_toml(broken)
