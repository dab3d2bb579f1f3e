"""Fit documents: what is read is what was written, and what is no document is refused in one line."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.laws import Table, form
from gnomon.laws.comparison import Comparison, compare
from gnomon.laws.document import from_document, read_document, to_document
from gnomon.laws.forecast import forecast
from gnomon.randomness import Rng


@pytest.fixture(scope="module")
def found() -> Comparison:
    x = np.geomspace(1.0, 1e4, 24)
    y = 1.5 + 3.0 * x**-0.5 + 0.01 * Rng(1).numpy().normal(size=24)
    table = Table(x=x[:, None], y=y, columns=("N",), target="loss", groups=np.repeat(np.arange(12), 2))
    return compare(table, [form("power_law"), form("log_linear")], noise="normal", draws=40, rng=Rng(0))


def test_what_is_read_is_what_was_written(found: Comparison, tmp_path: Path) -> None:
    text = json.dumps(to_document(found), allow_nan=False)
    (tmp_path / "fit.json").write_text(text)
    again = read_document(tmp_path / "fit.json")
    assert json.dumps(to_document(again)) == text
    for one, other in zip(found.fits, again.fits, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        np.testing.assert_array_equal(one.draws, other.draws)
        assert (one.noise, one.parameters) == (other.noise, other.parameters)
    at = {"N": 1e5}
    assert forecast(found, at).distribution.quantile(0.9) == forecast(again, at).distribution.quantile(0.9)


def test_the_keys_that_others_rely_on(found: Comparison) -> None:
    document = to_document(found)
    assert {"fits", "best", "weights"} <= set(document)
    first = document["fits"][0]
    assert {"form", "parameters", "objective", "heldout", "aic", "bic", "identifiable"} <= set(first)
    assert {"value", "low", "high"} <= set(first["parameters"]["E"])
    assert document["best"] == "power_law"
    assert set(document["weights"]) == {"power_law", "log_linear"}


def test_an_end_that_is_infinite_survives(found: Comparison) -> None:
    document = to_document(found)
    document["fits"][0]["parameters"]["E"]["low"] = None
    document["fits"][0]["parameters"]["E"]["profile"] = [None, None]
    one = from_document(document)["power_law"].parameters["E"]
    assert one.low == -math.inf
    assert one.profile == (-math.inf, math.inf)
    assert to_document(from_document(document))["fits"][0] == document["fits"][0]


def _without(*path: str | int) -> Any:
    def change(document: dict[str, Any]) -> None:
        holder: Any = document
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]

    return change


def _with(value: Any, *path: str | int) -> Any:
    def change(document: dict[str, Any]) -> None:
        holder: Any = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("table"), "'table' is missing"),
        (_without("weights", "power_law"), "'power_law' is missing"),
        (_without("fits", 0, "draws"), "'draws' is missing"),
        (_with("none", "best"), "the best form 'none' is not among the fits"),
        (_with("no_such_law", "fits", 0, "form"), "unknown form 'no_such_law'"),
        (_with("log_linear", "fits", 0, "form"), "form 'log_linear' has the parameters a, b, the fit has E, A, alpha"),
        (_with("?", "fits", 0, "draws", "float64"), "no document of fits"),
        (_with([1.0], "fits", 0, "theta"), "no document of fits"),
        (_with([["x"]], "table", "x"), "no document of fits"),
        (_with([], "fits"), "is not among the fits"),
        (_with(3, "fits"), "no document of fits"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_document(found: Comparison, tmp_path: Path, change: Any, said: str) -> None:
    document = copy.deepcopy(to_document(found))
    change(document)
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(document))
    with pytest.raises(GnomonError, match=said) as refused:
        read_document(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "NaN", '{"fits": null}', "[" * 100_000])
def test_what_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "fit.json").write_text(text)
    with pytest.raises(GnomonError, match=r"gnomon fit"):
        read_document(tmp_path / "fit.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="no file"):
        read_document(tmp_path / "fit.json")
