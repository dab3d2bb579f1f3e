"""Figures of symmetry: every share is drawn, from zero, and told apart by matrix, site and operand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import altair as alt
import numpy as np
import pytest
import specimen

from gnomon.estimators.groups import readings
from gnomon.estimators.groups.activation_irreps import ACTIVATION_ELEMENT_SHARE
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.report.figures.figure import Figure
from gnomon.report.figures.selection import figures

POWER, ACTIVATION_POWER = readings.IRREP_POWER, readings.ACTIVATION_IRREP_POWER
DEFINITIONS = {q.name: q for q in (POWER, ACTIVATION_POWER, ACTIVATION_ELEMENT_SHARE, readings.LEADING_IRREP_SHARE)}


def measured(quantity: Quantity, value: Any, site: str, elements: str, **told: Any) -> Measurement:
    labels = {"elements": elements}
    return Measurement.ok(quantity, value, Uncertainty.exact(), site=site, labels=labels, diagnostics=told)


def drawn(*found: Measurement) -> list[Figure]:
    return figures(replace(specimen.examination(), measurements=found), DEFINITIONS)


def rows(figure: Figure) -> list[dict[str, Any]]:
    alt.LayerChart.from_dict(dict(figure.spec), validate=True)
    return list(figure.spec["data"]["values"])


@pytest.mark.parametrize(("irreps", "mark"), [(4, "bar"), (26, "rule")])
def test_all_shares_of_all_matrices_stand_in_one_figure(irreps: int, mark: str) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(irreps))
    names = [f"irrep {i}" for i in range(irreps)]
    [figure] = drawn(
        measured(POWER, shares, "embed:weight", "a", irreps=names),
        measured(POWER, shares[::-1], "logits:weight", "answer", irreps=names),
    )
    kept = {(row["series"], row["irrep"]): row["value"] for row in rows(figure)}
    assert kept["embed:weight · a", "irrep 1"] == shares[1]
    assert kept["logits:weight · answer", "irrep 1"] == shares[irreps - 2]
    assert len(kept) == 2 * irreps
    assert figure.spec["layer"][0]["mark"]["type"] == mark
    assert all(layer["encoding"]["y"]["scale"]["zero"] for layer in figure.spec["layer"])


def test_activations_get_a_figure_for_each_operand() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(20))
    found = drawn(
        *(
            measured(ACTIVATION_POWER, shares, site, elements, irreps=[])
            for site in ("blocks.0", "blocks.1", "logits")
            for elements in ("operand 1", "composition")
        )
    )
    assert len(found) == 2
    for figure in found:
        assert {row["series"] for row in rows(figure)} == {"blocks.0", "blocks.1", "logits"}


def test_shares_by_operand_and_composition_run_over_the_sites_in_one_figure() -> None:
    values = {"embed": (0.5, 0.0), "blocks.0": (0.25, 0.5), "logits": (0.0, 1.0)}
    [figure] = drawn(
        *(
            measured(ACTIVATION_ELEMENT_SHARE, value, site, elements)
            for site, pair in reversed(values.items())
            for elements, value in zip(("operand 1", "composition"), pair, strict=True)
        )
    )
    kept = {(row["stage"], row["series"]): row["value"] for row in rows(figure)}
    assert kept == {(s, e): v for s, p in values.items() for e, v in zip(("operand 1", "composition"), p, strict=True)}
    assert figure.spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == list(values)


def test_a_refused_share_keeps_its_place() -> None:
    refused = Measurement.insufficient(
        ACTIVATION_ELEMENT_SHARE, "it is the same for all inputs", site="embed", labels={"elements": "composition"}
    )
    [figure] = drawn(refused, measured(ACTIVATION_ELEMENT_SHARE, 0.9, "logits", "composition"))
    assert [(row["site"], row["refused"]) for row in rows(figure)] == [("embed", True), ("logits", False)]
    assert any(layer["mark"].get("text") == "×" for layer in figure.spec["layer"])


def test_scalars_of_weights_are_for_the_table() -> None:
    found = [measured(readings.LEADING_IRREP_SHARE, 0.9, site, e) for site in ("embed:weight",) for e in ("a", "b")]
    assert drawn(*found, measured(readings.LEADING_IRREP_SHARE, 0.5, "logits:weight", "answer")) == []
