"""`gnomon directions` on arrays and on the stories model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.cli.main import run
from gnomon.lab.store import Store
from gnomon.structure.directions.result import Directions


@pytest.fixture
def arrays(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    labels = np.tile([1, 0], 30)
    inputs = draw.normal(size=(60, 5))
    inputs[:, 0] += 2 * labels
    np.savez(tmp_path / "vectors.npz", inputs=inputs, labels=labels)
    return tmp_path / "vectors.npz"


def test_arrays_are_analysed_kept_and_saved(arrays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["directions", str(arrays), "--method", "mean_difference,logistic", "--test", str(arrays), "--json"]
    code = run([*line, "--store", str(tmp_path / "store"), "--out", str(tmp_path / "kept")])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {one["method"] for one in document["found"]} == {"mean_difference", "logistic"}
    saved = Directions.load(tmp_path / "kept")
    assert saved.to_json() == document
    with Store.open(tmp_path / "store", create=False) as store:
        (kept,) = store.runs(kind="directions")
        assert kept.finished
        assert len(store.measurements(run=kept.id)) == len(document["measurements"])


def test_nothing_to_be_found_is_exit_code_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = np.random.default_rng(1)
    np.savez(tmp_path / "noise.npz", inputs=draw.normal(size=(40, 5)), labels=np.tile([1, 0], 20))
    line = [
        "directions",
        str(tmp_path / "noise.npz"),
        "--method",
        "mean_difference",
        "--store",
        str(tmp_path / "store"),
    ]
    assert run([*line, "--page", str(tmp_path / "page")]) == 3
    out = capsys.readouterr().out
    assert "no forecast: the direction is not told from a random one" in " ".join(out.split())
    page = (tmp_path / "page" / "directions.html").read_text()
    assert "Detection by method" in page
    assert "<script>" in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--concept", "x.csv"], "does not go with arrays"),
        (["--method", "nothing"], "unknown method"),
        (["--level", "2"], "a level of 2"),
        (["--method", "network_agop"], "gradients"),
        (["--out", __file__], "exists and holds something else"),
    ],
    ids=["concept", "method", "level", "gradients", "out"],
)
def test_bad_input_is_one_line(
    arguments: list[str], says: str, arrays: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["directions", str(arrays), *arguments, "--store", str(tmp_path / "store")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.shared
def test_a_concept_in_the_stories_model(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences about girls and about boys, which differ in a name and a pronoun."""
    girls = ("Lily", "Mia", "Sue", "Anna", "Lucy", "Amy", "Sara", "Jane", "Mary", "Emma")
    boys = ("Tim", "Tom", "Ben", "Max", "Sam", "Jack", "Bob", "John", "Jim", "Fred")
    told = ((girls, "She", "girl"), (boys, "He", "boy"))
    ends = ("was happy", "saw a big dog", "had a red ball")
    rows = [f"{a} went to the park. {b} {end}.,{kind}" for names, b, kind in told for a in names for end in ends]
    (tmp_path / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    line = ["directions", str(shared_data / "stories260K"), "--concept", str(tmp_path / "names.csv")]
    line += ["--present", "girl", "--sites", "blocks.1,blocks.3", "--method", "mean_difference", "--position", "mean"]
    code = run([*line, "--store", str(tmp_path / "store"), "--page", str(tmp_path / "page"), "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert code == 0
    assert document["about"]["position"] == "mean"
    assert document["provenance"]["weights_hash"]
    words = [m for m in document["measurements"] if m["quantity"] == "surface_auroc"]
    assert [m["labels"]["on"] for m in words] == ["left out"]
    assert (tmp_path / "page" / "directions.html").is_file()
    assert run([*line, "--sites", "nowhere", "--store", str(tmp_path / "store")]) == 2
    assert "unknown site 'nowhere'" in capsys.readouterr().err
