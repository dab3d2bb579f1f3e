"""`gnomon concepts check`: tables, warnings, exit codes and bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gnomon import load
from gnomon.cli.main import run
from gnomon.lab.store import Store
from gnomon.measurement import Measurement


def _write(path: Path, rows: list[tuple[str, object, object]]) -> Path:
    lines = ["text,label,pair", *(f"{text},{label},{pair}" for text, label, pair in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def clean(tmp_path) -> Path:
    """Random words in pairs of equal length: nothing tells the classes apart."""
    rng = np.random.default_rng(4)
    words = ["the", "cat", "dog", "sat", "ran", "on", "under", "a", "mat", "tree"]
    rows = [(" ".join(rng.choice(words, 9)), (i + 1) % 2, i // 2) for i in range(40)]
    return _write(tmp_path / "clean.csv", rows)


@pytest.fixture
def leaky(tmp_path) -> Path:
    """A word that gives the class away, which also makes texts longer."""
    rng = np.random.default_rng(1)
    words = ["the", "cat", "dog", "on", "under", "a", "mat", "tree"]
    rows = [(" ".join([*rng.choice(words, 7), *(["ran"] * (i % 2))]), i % 2, i) for i in range(40)]
    return _write(tmp_path / "leaky.csv", rows)


def _json(capsys, arguments: list[str]) -> tuple[int, dict]:
    code = run([*arguments, "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    return code, json.loads(out)


def test_a_clean_concept_passes(clean, own_store, capsys) -> None:
    code, found = _json(capsys, ["concepts", "check", str(clean)])
    assert (code, found["concerns"]) == (0, [])
    assert found["concept"]["with"] == found["concept"]["without"] == 20
    kept = [Measurement.from_json(m) for m in found["measurements"]]
    assert [(m.quantity, m.status) for m in kept] == [("length_auroc", "ok"), ("surface_auroc", "ok")]
    assert all(m.provenance is not None and m.provenance.data_hash for m in kept)
    with Store.open(own_store) as store:
        assert [m.to_json() for m in store.measurements()] == found["measurements"]
    assert run(["concepts", "check", str(clean)]) == 0
    assert "no warnings" in capsys.readouterr().out


def test_warnings_name_the_mend_and_exit_with_one(leaky, capsys) -> None:
    assert run(["concepts", "check", str(leaky)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "warning: length: texts with the concept are longer" in out
    assert "warning: surface: words alone tell the classes apart" in out
    assert "match the lengths of the classes" in out


def test_copies_across_a_split_are_found(clean, leaky, tmp_path, capsys) -> None:
    both = tmp_path / "test.csv"
    both.write_text(clean.read_text())
    code, found = _json(capsys, ["concepts", "check", str(clean), "--pair", "pair", "--test", str(both)])
    assert code == 1
    assert [c["check"] for c in found["concerns"]] == ["leak"]
    assert found["concerns"][0]["numbers"] == {"copies": 40}
    bare = tmp_path / "bare.csv"  # without the columns of pairs
    bare.write_text("".join(f"{line.rsplit(',', 1)[0]}\n" for line in leaky.read_text().splitlines()))
    assert _json(capsys, ["concepts", "check", str(clean), "--pair", "pair", "--test", str(bare)])[0] == 0


def test_too_few_examples_are_insufficient(tmp_path, capsys) -> None:
    few = _write(
        tmp_path / "few.csv", [("the cat sat", 1, 0), ("a dog ran under", 0, 0), ("a mat", 1, 1), ("tree", 0, 1)]
    )
    code, found = _json(capsys, ["concepts", "check", str(few)])
    assert code == 3
    assert found["measurements"][-1]["status"] == "insufficient"


def test_vectors_inside_a_network_are_checked_too(clean, tiny_model, capsys) -> None:
    rows = [line.split(",") for line in clean.read_text().splitlines()[1:]]
    ended = _write(clean.parent / "ended.csv", [(f"{text} tree", label, pair) for text, label, pair in rows])
    arguments = ["concepts", "check", str(ended), "--subject", str(tiny_model), "--position", "last", "--site"]
    code, found = _json(capsys, [*arguments, "embed,blocks.1"])
    assert code == 1
    assert [(c["check"], c["site"], c["numbers"]["distinct"]) for c in found["concerns"]] == [
        ("identical vectors", "embed", 1)
    ]
    assert [m["labels"].get("unit") for m in found["measurements"]] == ["characters", "tokens", None]
    hashes = [m["provenance"]["weights_hash"] for m in found["measurements"]]
    assert hashes == ["", load(tiny_model).weights_hash(), ""]  # of what depends on the network
    run([*arguments, "embed,embed,blocks.0,blocks.1"])
    assert capsys.readouterr().out.count("warning: identical vectors at embed: only 1 of 40 vectors are distinct") == 1


def test_arrays_are_checked(tmp_path, capsys) -> None:
    inputs = np.random.default_rng(0).normal(size=(40, 20))
    path = tmp_path / "vectors.npz"
    np.savez(path, inputs=inputs, labels=np.resize([1, 0], 40))
    assert run(["concepts", "check", str(path)]) == 0
    assert "40 binary vectors of 20 coordinates, 20 with" in capsys.readouterr().out
    inputs[:, 3] += 500
    np.savez(path, inputs=inputs, labels=np.resize([1, 0], 40))
    code, found = _json(capsys, ["concepts", "check", str(path)])
    assert (code, [c["check"] for c in found["concerns"]]) == (1, ["massive activations"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none.csv"], "no file"),
        (["{clean}", "--column", "txt"], "unknown column of"),
        (["{clean}", "--position", "last"], "--site and --position are of a network; name it: --subject"),
        (["{clean}", "--subject", "nowhere"], "--position is missing; say where in each text"),
        (["{clean}", "--level", "95"], "level 95 is not between 0 and 1"),
        (["{clean}", "--positive", "text"], "one column of the pairs is named, and not the other"),
    ],
    ids=["file", "column", "site", "position", "level", "pairs"],
)
def test_bad_input_is_one_line(clean, capsys, arguments, reason) -> None:
    assert run(["concepts", "check", *(a.format(clean=clean) for a in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gnomon: ")
    assert err.count("\n") == 1
    assert reason in err


def test_options_of_texts_are_refused_for_arrays(tmp_path, capsys) -> None:
    np.savez(tmp_path / "v.npz", inputs=np.eye(4), labels=[1, 0, 1, 0])
    assert run(["concepts", "check", str(tmp_path / "v.npz"), "--label", "labels"]) == 2
    assert "--label is of texts" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.shared
def test_the_real_concepts_read_as_documented(shared_data, capsys) -> None:
    """What docs/structure/concepts.md says of them."""
    files = shared_data / "concepts"
    cities = [str(files / "truth_cities.csv"), "--column", "statement"]
    code, apart = _json(capsys, ["concepts", "check", *cities])
    assert code == 1
    assert "surface" in [c["check"] for c in apart["concerns"]]
    assert apart["measurements"][1]["value"] < 0.4
    code, paired = _json(capsys, ["concepts", "check", *cities, "--pair", "city"])
    (concern,) = paired["concerns"]
    assert concern["numbers"] == {"near copies": 2}
    interval = paired["measurements"][1]["uncertainty"]
    assert interval["low"] < 0.5 < interval["high"]
    code, toxic = _json(capsys, ["concepts", "check", str(files / "toxicity_en.csv")])
    assert [c["check"] for c in toxic["concerns"]] == ["duplicates", "duplicates", "surface"]
    assert toxic["measurements"][1]["value"] > 0.9
