"""Figures hold what was measured, say what was refused, and are legible to all."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import altair as alt
import numpy as np
import pytest
import specimen

import gnomon.report
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.report.content import Examination
from gnomon.report.figures import figure as look
from gnomon.report.figures.curves import depth_colours
from gnomon.report.figures.figure import Figure
from gnomon.report.figures.selection import figures, training_figures
from gnomon.report.places import OUTPUT, depth

STYLE = (Path(gnomon.report.__file__).parent / "templates" / "style.css").read_text()
DARK_PAPER, LIGHT_PAPER = "#12161b", "#ffffff"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    examination = specimen.examination(with_history=True)
    found = [*figures(examination, specimen.QUANTITIES), *training_figures(examination)]
    assert len({f.key for f in found}) == len(found)
    return {f.key: f for f in found}


def only(*measurements: Measurement) -> Examination:
    return replace(specimen.examination(), measurements=measurements)


def rows(figure: Figure) -> list[dict[str, object]]:
    return list(figure.spec["data"]["values"])


def readings_of(*quantities: str) -> list[Measurement]:
    return [m for m in specimen.examination().measurements if m.quantity in quantities]


def test_every_specification_is_valid_vega_lite(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        alt.LayerChart.from_dict({**figure.spec, "data": {"values": rows(figure)[:2]}}, validate=True)


def test_every_figure_has_a_title_a_unit_and_words(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        assert figure.spec["title"]["text"] == figure.title
        assert figure.caption
        assert figure.alt.startswith("Chart. ")
        titles = re.findall(r"'title': '([^']*)'", str(figure.spec["layer"]))
        assert any(title.endswith(")") for title in titles), (figure.key, titles)


def test_a_curve_over_depth_holds_every_reading(drawn: dict[str, Figure]) -> None:
    measured = {m.site: m for m in readings_of("participation_ratio")}
    shown = {str(row["site"]): row for row in rows(drawn["participation-ratio"])}
    assert shown.keys() == measured.keys()
    for site, m in measured.items():
        ends = (shown[site]["value"], shown[site]["low"], shown[site]["high"])
        assert ends == (m.value, m.uncertainty.low, m.uncertainty.high)


def test_a_refused_reading_keeps_its_place_without_a_value(drawn: dict[str, Figure]) -> None:
    refused = [row for row in rows(drawn["intrinsic-dimension-mlp"]) if row["refused"]]
    assert [(row["site"], row["series"], row["value"]) for row in refused] == [("blocks.2.mlp", "TwoNN", None)]
    assert "insufficient: the estimate still rises" in str(refused[0]["reading"])
    assert "× marks a reading that was refused" in drawn["intrinsic-dimension-mlp"].caption


def test_one_chart_compares_the_methods(drawn: dict[str, Figure]) -> None:
    names = {row["series"] for row in rows(drawn["intrinsic-dimension-block-output"])}
    assert names == {"TwoNN", "maximum likelihood", "GRIDE"}


def test_unknown_and_exact_uncertainty_draw_no_bar(drawn: dict[str, Figure]) -> None:
    for key, words in (("nfa-correlation", "unknown uncertainty"), ("frobenius-norm", "no error bars")):
        assert all(row["low"] is None and row["high"] is None for row in rows(drawn[key]))
        assert words in drawn[key].caption
        assert "'low:Q'" not in str(drawn[key].spec["layer"])


def test_pairs_fill_both_halves(drawn: dict[str, Figure]) -> None:
    shown = {(row["one"], row["other"]): row["value"] for row in rows(drawn["cka"])}
    n = len(specimen.SITES)
    assert len(shown) == n * (n - 1)
    assert all(shown[a, b] == shown[b, a] for a, b in shown)


def test_pairs_with_another_subject_are_not_mirrored() -> None:
    labels = {"other_subject": "twin"}
    measured = [
        Measurement.ok(
            specimen.QUANTITIES["cka"], value, Uncertainty.unknown(), site=a, labels={"other_site": b, **labels}
        )
        for a, b, value in (("embed", "embed", 1.0), ("embed", "logits", 0.4), ("logits", "embed", 0.1))
    ]
    (figure,) = figures(only(*measured), specimen.QUANTITIES)
    shown = {(row["one"], row["other"]): row["value"] for row in rows(figure)}
    assert shown == {("embed", "embed"): 1.0, ("embed", "logits"): 0.4, ("logits", "embed"): 0.1}


def test_a_numeric_label_becomes_an_axis(drawn: dict[str, Figure]) -> None:
    shown = rows(drawn["gride-scale-by-scale"])
    assert {row["position"] for row in shown} == {1, 2, 4, 8, 16, 32, 64, 128}
    assert {row["series"] for row in shown} == {f"blocks.{i}" for i in range(specimen.BLOCKS)}


def test_positions_that_an_estimator_states_are_used(drawn: dict[str, Figure]) -> None:
    assert {row["position"] for row in rows(drawn["gride-curve"])} == {1, 2, 4, 8, 16, 32}
    profile = specimen.QUANTITIES["mystery_profile"]
    values = [3.0, 2.0, 1.0]
    for stated, positions in (([0.5, 5, 50], [0.5, 5, 50]), ([1, 2], [1, 2, 3]), (["a", "b", "c"], [1, 2, 3])):
        m = Measurement.ok(
            profile, values, Uncertainty.unknown(), site="embed", estimator="e", diagnostics={"lag": stated}
        )
        (figure,) = figures(only(m), specimen.QUANTITIES)
        assert [row["position"] for row in rows(figure)] == positions


def test_a_plug_in_gets_figures_without_being_known(drawn: dict[str, Figure]) -> None:
    assert len(rows(drawn["agop-mystery"])) == len(specimen.SITES)
    assert [row["position"] for row in rows(drawn["mystery-profile"])] == list(range(1, 31))
    assert "'title': 'lag'" in str(drawn["mystery-profile"].spec["layer"])


def test_contexts_are_shown_as_a_distribution(drawn: dict[str, Figure]) -> None:
    measured = {m.site: m for m in readings_of("local_relevant_dimension")}
    shown = rows(drawn["local-relevant-dimension"])
    assert [row["site"] for row in shown] == [f"blocks.{i}" for i in range(specimen.BLOCKS)]
    for row in shown:
        m = measured[str(row["site"])]
        assert [row[q] for q in ("q10", "q25", "q50", "q75", "q90")] == list(np.asarray(m.value))
        assert (row["low"], row["high"]) == (np.asarray(m.uncertainty.low)[2], np.asarray(m.uncertainty.high)[2])


def test_five_numbers_that_are_no_quantiles_are_a_spectrum() -> None:
    five = [replace(m, quantity="agop_spectrum") for m in readings_of("local_relevant_dimension")]
    (figure,) = figures(only(*five), specimen.QUANTITIES)
    assert len(rows(figure)) == 5 * len(five)


def test_step_zero_is_on_the_logarithmic_axis(drawn: dict[str, Figure]) -> None:
    shown = [row for row in rows(drawn["training-accuracy"]) if row["series"] == "test"]
    assert [row["at"] for row in shown] == sorted((row["at"] for row in shown), key=lambda s: int(s.replace(",", "")))
    assert shown[0]["at"] == "0"
    assert 0 < float(str(shown[0]["step"])) < 1


def test_a_spectrum_of_many_components_is_thinned_and_says_so() -> None:
    spectrum = specimen.QUANTITIES["agop_spectrum"]
    values = 1.0 / np.arange(1, 5001)
    wide = Measurement.ok(spectrum, values, Uncertainty.exact(), site="embed", estimator="agop")
    (figure,) = figures(only(wide), specimen.QUANTITIES)
    positions = [int(str(row["position"])) for row in rows(figure)]
    assert len(positions) <= 96
    assert (positions[0], positions[-1]) == (1, 5000)
    assert "Drawn at 96 of 5,000 components" in figure.caption


def test_a_band_that_reaches_zero_is_cut_on_a_logarithmic_axis() -> None:
    norm = specimen.QUANTITIES["activation_norm"]
    measured = [
        Measurement.ok(norm, v, Uncertainty.interval(v - 1, v + 1, covers={"data"}), site=f"blocks.{i}", estimator="e")
        for i, v in enumerate((0.5, 40.0, 90.0))
    ]
    (figure,) = figures(only(*measured), specimen.QUANTITIES)
    assert [row["low"] for row in rows(figure)] == [None, 39.0, 89.0]
    assert "'type': 'log'" in str(figure.spec["layer"])


def test_infinite_numbers_are_left_out_of_the_drawing() -> None:
    gap = Quantity(name="a_gap", symbol="g", definition="g", source="me")
    measured = [
        Measurement.ok(
            gap, v, Uncertainty.interval(1.0, float("inf"), covers={"data"}), site=f"blocks.{i}", estimator="e"
        )
        for i, v in enumerate((2.0, 3.0, float("inf")))
    ]
    (figure,) = figures(only(*measured), {})
    assert [row["value"] for row in rows(figure)] == [2.0, 3.0, None]
    assert all(row["high"] is None for row in rows(figure))


TWO_SITES = [m for m in readings_of("participation_ratio") if m.site in ("embed", "blocks.0")]


@pytest.mark.parametrize("measurements", [[], readings_of("nll"), TWO_SITES], ids=["none", "one", "two"])
def test_no_figure_where_there_is_nothing_to_compare(measurements: list[Measurement]) -> None:
    assert figures(only(*measurements), specimen.QUANTITIES) == []


def test_all_refused_draws_nothing() -> None:
    refused = [
        Measurement.insufficient(specimen.QUANTITIES["twonn_dimension"], "too few rows", site=s, estimator="twonn")
        for s in specimen.SITES
    ]
    assert figures(only(*refused), specimen.QUANTITIES) == []


def test_readings_that_differ_by_a_word_get_charts_of_their_own() -> None:
    norm = specimen.QUANTITIES["activation_norm"]
    measured = [
        Measurement.ok(norm, 1.0 + i, Uncertainty.exact(), site=f"blocks.{i}", labels={"of": of}, estimator="e")
        for of in ("keys", "values")
        for i in range(3)
    ]
    found = figures(only(*measured), specimen.QUANTITIES)
    assert [f.title for f in found] == [f"Activation norm (e, of {of}) across depth" for of in ("keys", "values")]
    assert len({f.key for f in found}) == 2


def test_places_follow_the_forward_order() -> None:
    laid = depth(reversed(specimen.SITES), specimen.SITES)
    assert laid.stages == ("embed", "0", "1", "2", "3", "4", "logits")
    assert laid.parts == (OUTPUT, "attention", "mlp", "logits")
    weights = depth(specimen.MATRICES, specimen.SITES)
    assert weights.stages == ("embed", "0", "1", "2", "3", "4")
    assert weights.places["blocks.3.mlp:up_proj.weight"].part == "mlp up_proj"
    assert weights.places["embed:weight"].part == "embed"
    plain = depth(["embed:weight", "unembed.weight", "gru:weight_hh"], ["embed", "gru", "logits"])
    assert [(p.stage, p.part) for p in plain.places.values()] == [
        ("embed", OUTPUT),
        ("gru", "weight_hh"),
        ("unembed", OUTPUT),
    ]
    other = depth(["conv2", "conv1", "logits"], ["conv1", "conv2", "logits"])
    assert (other.stages, other.parts, other.in_blocks) == (("conv1", "conv2", "logits"), (OUTPUT,), False)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def in_the_dark(colour: str) -> str:
    """What the style sheet makes of ``colour`` in the dark."""
    found = re.search(rf'\[fill="{colour}"\] {{ fill: (#[0-9a-f]{{6}})', STYLE)
    return found[1] if found else colour


def variables(scheme: str) -> dict[str, str]:
    block = STYLE.split("prefers-color-scheme: dark")[1] if scheme == "dark" else STYLE
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block.split("}")[0]))


@pytest.mark.parametrize("colour", [*look.SERIES, *depth_colours(12)])
def test_series_stand_out_on_both_papers(colour: str) -> None:
    assert contrast(colour, LIGHT_PAPER) >= 3
    assert contrast(in_the_dark(colour), DARK_PAPER) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_on_both_papers(scheme: str) -> None:
    named = variables(scheme)
    for ink in ("ink", "muted", "link", "good", "warn", "bad"):
        for paper in ("paper", "soft"):
            assert contrast(named[ink], named[paper]) >= 4.5, (ink, paper)


# Machado, Oliveira & Fernandes, IEEE TVCG 15 (2009) 1291, severity 1.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: str, blindness: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(BLINDNESS[blindness]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratios = (to_xyz @ seen) / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_first_colours_are_told_apart_by_every_eye(blindness: str) -> None:
    """The first six by colour alone (a difference of 2 is just noticeable); all of them by shape as well."""
    for scheme in (look.SERIES[:6], [in_the_dark(c) for c in look.SERIES[:6]]):
        for a, b in itertools.combinations(scheme, 2):
            assert np.linalg.norm(lab(a, blindness) - lab(b, blindness)) > 12, (a, b)
    assert len(set(look.SHAPES)) == len(look.SHAPES) == len(look.SERIES)


def test_the_style_sheet_recolours_what_the_figures_use() -> None:
    for colour in (look.INK, look.MUTED):
        assert f'.chart [fill="{colour}"]' in STYLE
    for colour in (look.MUTED, look.GRID):
        assert f'.chart [stroke="{colour}"]' in STYLE
