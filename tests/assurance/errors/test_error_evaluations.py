"""The evaluations of errors, on answers that were graded already."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from gnomon.assurance import Deployment, evaluation
from gnomon.assurance.errors.material import lacking
from gnomon.cli.main import run
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.subjects import Subject


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """1200 answers in 300 clusters: one topic is weak and sure of itself, in the other what is unseen is weaker."""
    place = tmp_path_factory.mktemp("answers")
    generator = np.random.default_rng(0)
    with (place / "answers.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "correct", "confidence", "cluster", "topic", "split"])
        for number in range(1200):
            topic, split = ("law", "chess")[number % 2], ("seen", "longer")[number // 2 % 2]
            risk = 0.5 if topic == "law" else 0.05 + 0.2 * (split == "longer")
            sure = 0.95 if topic == "law" else generator.uniform(0.5, 1.0)
            text = f"about {topic} number {generator.choice(['one', 'two', 'three'])}"
            writer.writerow([text, int(generator.random() >= risk), round(sure, 4), number // 4, topic, split])
    return place


def deployment(folder) -> Deployment:
    return Deployment(subject=Subject(torch.nn.Identity()), folder=folder)


def asked(folder, name: str, **options) -> list[Measurement]:
    return evaluation(name)(**options).run(deployment(folder), Rng(0))


def at(found: list[Measurement], quantity: str, **labels: str) -> Measurement:
    (one,) = (m for m in found if m.quantity == quantity and labels.items() <= m.labels.items())
    return one


def test_the_weak_slice_is_measured(folder):
    found = asked(folder, "error_slices", activations=False)
    rate = at(found, "slice_error_rate", slice="topic = law")
    assert rate.labels["confirmed"] == "yes"
    assert rate.uncertainty.contains(rate.value, 0.5)
    excess = at(found, "slice_excess_error", slice="topic = law")
    assert excess.uncertainty.contains(excess.value, 0.5 - 0.15)
    assert excess.uncertainty.low > 0
    worst = at(found, "worst_slice_error")
    assert worst.value == rate.value
    assert found == asked(folder, "error_slices", activations=False)


def test_confident_errors_are_counted(folder):
    found = asked(folder, "hallucination")
    law = at(found, "hallucination_rate", slice="topic = law")
    assert law.uncertainty.contains(law.value, 0.5)
    assert at(found, "confident_error_rate", slice="topic = law").value == law.value
    gap = at(found, "calibration_error", slice="topic = law")
    assert gap.uncertainty.contains(gap.value, 0.45)
    assert at(found, "guaranteed_coverage").status == "insufficient"


def test_gaps_are_to_the_seen_questions_of_the_topic(folder):
    found = asked(folder, "generalisation")
    assert at(found, "generalisation_gap", topic="chess").uncertainty.contains(0.0, 0.2)
    law = at(found, "generalisation_gap", topic="law")
    assert law.uncertainty.contains(0.0, 0.0)
    assert len([m for m in found if m.quantity == "error_rate"]) == 4
    (missing,) = asked(folder, "generalisation", split="era")
    assert missing.status == "insufficient"


def test_gaps_cover_also_where_clusters_are_in_both_parts():
    """All intervals at once, of 100 draws with answers that depend on each other inside clusters."""
    from gnomon.assurance.errors.graded import Graded

    kind, held = evaluation("generalisation")(), 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        split = np.tile(["seen", "seen", "longer", "noise"], 60)
        risk = np.where(split == "seen", 0.1, np.where(split == "longer", 0.3, 0.1))
        causes = np.where(generator.random(240) < 0.5, np.repeat(generator.random(60), 4), generator.random(240))
        graded = Graded(
            texts=("",) * 240,
            errors=(causes < risk).astype(float),
            clusters=np.repeat(np.arange(60), 4),
            columns={"split": tuple(split.tolist())},
        )
        found = kind.gaps(graded, level=0.9)
        truth = {"longer": 0.2, "noise": 0.0}
        gaps = [m for m in found if m.quantity == "generalisation_gap"]
        held += all(m.uncertainty.contains(m.value, truth[m.labels["split"]]) for m in gaps)
    assert held >= 81  # binomial 0.001 quantile of 100 at 0.9


def test_without_material_it_says_so(tmp_path):
    assert "answers" in lacking(deployment(tmp_path))
    assert evaluation("hallucination")().inapplicable(deployment(tmp_path))


def test_what_is_too_little_says_so(tmp_path):
    """One cluster, no confidences, and a network that reads no text."""
    (tmp_path / "answers.csv").write_text("text,correct,cluster\na,1,x\nb,0,x\n", encoding="utf-8")
    found = asked(tmp_path, "error_slices")
    assert at(found, "worst_slice_error").status == "insufficient"
    assert at(found, "error_rate").status == "ok"
    assert {m.status for m in asked(tmp_path, "hallucination")} == {"insufficient"}


def test_the_command_prints_slices_and_exits_with_one(folder, tmp_path, capsys):
    line = ["slices", str(folder / "answers.csv"), "--store", str(tmp_path / "store"), "--json"]
    assert run(line) == 1
    printed = json.loads(capsys.readouterr().out)
    assert {m["quantity"] for m in printed["measurements"]} >= {"error_rate", "worst_slice_error", "slice_error_rate"}
    assert run([*line, "--columns", "topik"]) == 2
    assert "topic" in capsys.readouterr().err
    assert run(["slices", str(tmp_path / "none.csv")]) == 2


@pytest.mark.slow
def test_the_page_shows_slices_and_the_curve(folder, tmp_path, capsys):
    line = ["slices", str(folder / "answers.csv"), "--store", str(tmp_path / "store"), "--page", str(tmp_path / "page")]
    assert run(line) == 1
    capsys.readouterr()
    page = (tmp_path / "page" / "slices.html").read_text(encoding="utf-8")
    assert "topic = law" in page
    assert {f.stem for f in (tmp_path / "page" / "figures").glob("*.svg")} == {"slices-slices", "slices-risk-coverage"}
