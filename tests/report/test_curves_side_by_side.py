"""The network and the n-grams stand in one chart, with context 0 on it."""

from __future__ import annotations

from dataclasses import replace

import specimen

from gnomon.estimators.information.context_entropy import ENTROPY, NGRAM_ENTROPY
from gnomon.measurement import Measurement, Uncertainty
from gnomon.report.figures.figure import Figure
from gnomon.report.figures.selection import figures

DEFINITIONS = {q.name: q for q in (ENTROPY, NGRAM_ENTROPY)}


def _measured(values: list[float], contexts: list[float], *, ngrams: bool = False) -> Measurement:
    low, high = ([v + d for v in values] for d in (-0.1, 0.1))
    return Measurement.ok(
        NGRAM_ENTROPY if ngrams else ENTROPY,
        values,
        Uncertainty.interval(low, high, covers={"data"}),
        estimator="context_entropy",
        diagnostics={"context": contexts},
    )


def _drawn(*measured: Measurement) -> list[Figure]:
    return figures(replace(specimen.examination(), measurements=measured), DEFINITIONS)


NETWORK = _measured([4.0, 3.0, 2.0, 1.5], [1, 2, 16, 64])
COUNTED = _measured([5.0, 3.5, 2.5], [0, 1, 2], ngrams=True)


def test_both_are_drawn_in_one_chart_by_name() -> None:
    (figure,) = _drawn(NETWORK, COUNTED)
    assert figure.quantities == ("conditional_entropy", "ngram_cross_entropy")
    rows = figure.spec["data"]["values"]
    shown = {(row["series"], row["position"], row["value"]) for row in rows}
    assert ("Conditional entropy", 16, 2.0) in shown
    assert ("n-grams counted on the data", 0, 5.0) in shown
    assert len(rows) == 7


def test_no_context_has_its_place_on_the_axis() -> None:
    (figure,) = _drawn(NETWORK, COUNTED)
    scales = {layer["encoding"]["x"]["scale"]["type"] for layer in figure.spec["layer"]}
    assert scales == {"symlog"}
    (without,) = _drawn(NETWORK)
    assert {layer["encoding"]["x"]["scale"]["type"] for layer in without.spec["layer"]} == {"log"}


def test_either_alone_has_a_chart_of_its_own() -> None:
    assert [f.quantities for f in _drawn(NETWORK)] == [("conditional_entropy",)]
    assert [f.quantities for f in _drawn(COUNTED)] == [("ngram_cross_entropy",)]
    assert _drawn(COUNTED)[0].title == "n-grams counted on the data"
