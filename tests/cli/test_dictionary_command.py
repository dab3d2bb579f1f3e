"""`gnomon dictionary`: train, evaluate and browse on a tiny model; Ctrl-C and --resume; bad input in one line."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gnomon.cli.main import run
from gnomon.lab.store import Store
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import Progress, training

_FEW = ["--latents", "48", "--active", "4", "--rows", "6400", "--batch", "128"]


def _line(model: Path, texts: Path, out: Path, *more: str) -> list[str]:
    return ["dictionary", "train", str(model), "--data", str(texts), "--site", "blocks.0", "--out", str(out), *more]


@pytest.fixture(scope="module")
def trained(tiny_model: Path, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dictionaries") / "first"
    assert run([*_line(tiny_model, texts, out, *_FEW)]) == 0
    return out


@pytest.fixture(scope="module")
def concept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whether somebody sat or ran."""
    path = tmp_path_factory.mktemp("concepts") / "sat.csv"
    rows = [
        f"the {a} {v} {p} the {b},{v == 'sat'}"
        for a in ("cat", "dog")
        for v in ("sat", "ran")
        for p in ("on", "under")
        for b in ("mat", "tree", "a")
    ]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


def _refused(line: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    capsys.readouterr()
    assert run(line) == code
    said = capsys.readouterr()
    assert said.out == ""
    (only,) = said.err.splitlines()
    return only


def test_training_writes_a_dictionary_and_what_it_was(
    tiny_model: Path, texts: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = tmp_path / "again"
    assert run([*_line(tiny_model, texts, out, *_FEW), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    document = json.loads(printed.out)
    assert (document["site"], document["target_site"], document["dictionary"]) == ("blocks.0", None, str(out))
    assert document["last"]["rows"] == 6400
    assert document["last"]["explained"] > 0.5
    assert document["provenance"]["seed"] == 0
    assert not out.with_name("again.checkpoints").exists()
    one, two = (load_file(path / "tensors.safetensors") for path in (trained, out))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_transcoder_and_its_page(tiny_model: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "transcoder"
    few = ["--kind", "relu", "--latents", "32", "--set", "penalty=0.01", "--rows", "2560", "--batch", "128"]
    assert run([*_line(tiny_model, texts, out, *few), "--target-site", "blocks.1"]) == 0
    assert json.loads((out / "artefact.json").read_text())["target_site"] == "blocks.1"
    assert json.loads((out / "artefact.json").read_text())["architecture"]["penalty"] == 0.01
    line = ["dictionary", "browse", str(out), "--subject", str(tiny_model), "--data", str(texts)]
    assert run([*line, "--examples", "40", "--out", str(tmp_path / "page")]) == 0
    assert "blocks.0 to blocks.1" in (tmp_path / "page" / "index.html").read_text()


def test_evaluation_is_stored_and_printed(
    tiny_model: Path, texts: Path, trained: Path, concept: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["dictionary", "evaluate", str(trained), "--subject", str(tiny_model), "--data", str(texts)]
    line += ["--examples", "60", "--concept", str(concept), "--position", "mean", "--other", str(trained)]
    capsys.readouterr()
    code = run([*line, "--json"])
    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    measured = json.loads(printed.out)["measurements"]
    quantities = {m["quantity"] for m in measured}
    assert quantities >= {
        "dictionary_explained_variance",
        "dictionary_loss_recovered",
        "dictionary_dead_share",
        "dictionary_stability",
        "dictionary_probe_auroc",
        "direction_share_of_latents",
        "latent_auroc",
        "latent_ablation_loss_change",
        "latent_ablation_divergence",
        "latent_ablation_contrast_removed",
    }
    assert all(m["provenance"]["subject"] == "tiny" and m["provenance"]["data_hash"] for m in measured)
    with Store.open(own_store) as store:
        assert len(store.measurements()) == len(measured)


def test_browsing_makes_a_page(
    tiny_model: Path, texts: Path, trained: Path, concept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["dictionary", "browse", str(trained), "--subject", str(tiny_model), "--data", str(texts)]
    line += ["--examples", "60", "--concept", str(concept), "--position", "mean", "--out", str(tmp_path / "page")]
    capsys.readouterr()
    assert run([*line, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    document = json.loads(printed.out)
    assert Path(document["page"]) == tmp_path / "page" / "index.html"
    assert len(document["rates"]) == 48
    assert document["dead"] == sum(rate == 0 for rate in document["rates"])
    index, cards = ((tmp_path / "page" / name).read_text() for name in ("index.html", "latents/0.html"))
    assert "Latents that carry sat" in index
    assert cards.count('class="card"') == 48
    assert '<mark class="l9 peak">' in cards


def test_rows_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rng(0).numpy().normal(size=(3000, 12)).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    line = ["--activations", str(tmp_path / "rows.npy")]
    out = tmp_path / "of_rows"
    assert run(["dictionary", "train", *line, "--out", str(out), *_FEW]) == 0
    capsys.readouterr()
    assert run(["dictionary", "evaluate", str(out), *line, "--json"]) == 0
    measured = {m["quantity"]: m for m in json.loads(capsys.readouterr().out)["measurements"]}
    assert run(["dictionary", "evaluate", str(out), *line]) == 0
    assert "of_rows on of_rows" in capsys.readouterr().out
    assert measured["dictionary_l0"]["value"] <= 4
    assert "loss" not in " ".join(measured)
    page = ["dictionary", "browse", str(out), "--subject", "nowhere", "--data", "none.txt"]
    assert "nowhere" in _refused(page, capsys)


def test_ctrl_c_leaves_a_checkpoint_that_resume_takes_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", Rng(0).numpy().normal(size=(4000, 16)).astype(np.float32))
    options = ["--activations", str(tmp_path / "rows.npy"), "--latents", "256", "--active", "4", "--batch", "64"]
    options += ["--rows", "6400"]
    out = tmp_path / "stopped"
    line = ["dictionary", "train", *options, "--out", str(out)]
    advance = training._Run.advance

    def pressed(self: training._Run) -> Progress:
        if self.step == 20:
            signal.raise_signal(signal.SIGINT)
        return advance(self)

    monkeypatch.setattr(training._Run, "advance", pressed)
    assert "interrupted; the same command with --resume goes on from" in _refused(line, capsys)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert not out.exists()
    assert "add --resume, or remove it" in _refused(line, capsys)
    assert run([*line, "--resume"]) == 0
    assert run(["dictionary", "train", *options, "--out", str(tmp_path / "whole")]) == 0
    one, two = (load_file(path / "tensors.safetensors") for path in (out, tmp_path / "whole"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert "leave out --resume" in _refused([*line, "--resume"], capsys)


@pytest.mark.parametrize("position", ["last", "span"])
def test_pairs_and_spans_are_read_as_elsewhere(
    position: str, tiny_model: Path, texts: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two columns of pairs for the last token; a column that names the verb for its vector."""
    ends = [f"{p} the {b}" for p in ("on", "under") for b in ("mat", "tree", "a", "cat", "dog")]
    if position == "last":
        lines = ["sat,ran", *(f"{end} the cat sat,{end} the cat ran" for end in ends)]
        how = ["--positive", "sat", "--negative", "ran"]
    else:
        lines = ["text,label,verb", *(f"{end} {v} on a mat,{v == 'sat'},{v}" for end in ends for v in ("sat", "ran"))]
        how = ["--span", "verb"]
    file = tmp_path / "verbs.csv"
    file.write_text("\n".join(lines) + "\n")
    line = [
        "dictionary",
        "browse",
        str(trained),
        "--subject",
        str(tiny_model),
        "--data",
        str(texts),
        "--examples",
        "30",
    ]
    line += ["--concept", str(file), "--position", position, "--out", str(tmp_path / "page")]
    capsys.readouterr()
    assert run([*line, *how, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["measurements"]
    assert {m["labels"]["concept"] for m in measured} == {"verbs"}
    shares = [m for m in measured if m["quantity"] == "direction_share_of_latents"]
    assert shares[0]["diagnostics"]["halves"] > 0.5  # the two verbs are told apart there
    if position == "span":
        assert "--span" in _refused([*line], capsys)  # nothing names the span


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train", "give SUBJECT or --activations"),
        ("train MODEL", "--site is missing; say where the vectors are read, such as embed"),
        ("train MODEL --site blocks.0", "--data is missing"),
        ("train MODEL --data TEXTS --site blocks.9", "unknown site 'blocks.9'"),
        ("train MODEL --data TEXTS --site blocks.0 --kind topk", "did you mean 'top_k'"),
        ("train MODEL --data TEXTS --site blocks.0 --kind relu --active 3", "--active does not go with relu"),
        ("train MODEL --data TEXTS --site blocks.0 --set momentun=1", "did you mean 'momentum'"),
        ("train MODEL --data TEXTS --site blocks.0 --set momentum=2", "momentum"),
        ("train MODEL --data TEXTS --site blocks.0 --latents 8 --active 9", "k = 9 of 8 latents"),
        ("train --activations none.npy", "no file 'none.npy'"),
        ("train --activations none.npy --site blocks.0", "leave it out with --activations"),
        ("evaluate DICTIONARY", "give --subject or --activations"),
        ("evaluate none --activations none.npy", "none holds no artefact"),
        ("evaluate DICTIONARY --subject MODEL", "--data is missing"),
        ("evaluate DICTIONARY --subject MODEL --data TEXTS --site logits", "has width 13, the dictionary 16"),
        ("evaluate DICTIONARY --subject MODEL --data TEXTS --concept none.csv", "--position is missing"),
        ("evaluate DICTIONARY --subject MODEL --data TEXTS --concept none.csv --position last", "no file"),
        ("evaluate DICTIONARY --subject MODEL --data TEXTS --concept GRADED --position last", "is graded"),
        (
            "evaluate DICTIONARY --subject MODEL --data TEXTS --concept LONG --position last",
            "the context of tiny is 32",
        ),
        ("browse DICTIONARY --subject MODEL --data TEXTS --later embed", "embed does not come after blocks.0"),
        ("browse DICTIONARY --subject MODEL --data TEXTS --method mean_diference", "did you mean 'mean_difference'"),
        ("train --activations ROWS --batch 128 --out TEXTS", "holds something else"),
        ("train --activations ROWS --batch 128 --out TEXTS/deep", "cannot write"),
        ("evaluate DICTIONARY --activations TEXTS", "is no .npy file of numbers"),
        ("browse DICTIONARY", "--subject"),
    ],
    ids=str,
)
def test_bad_input(
    line: str,
    said: str,
    tiny_model: Path,
    texts: Path,
    trained: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    graded, overlong = (tmp_path_factory.mktemp("bad") / name for name in ("graded.csv", "long.csv"))
    graded.write_text("text,label\nthe cat,1\nthe dog,2\nthe tree,3\n")
    overlong.write_text("text,label\n" + "the cat " * 60 + ",1\nthe dog,0\n")
    np.save(rows := graded.with_name("rows.npy"), Rng(0).numpy().normal(size=(200, 4)).astype(np.float32))
    given = {"GRADED": str(graded), "LONG": str(overlong), "ROWS": str(rows), "TEXTS/deep": str(texts / "deep")}
    given |= {"MODEL": str(tiny_model), "TEXTS": str(texts), "DICTIONARY": str(trained)}
    assert said in _refused(["dictionary", *(given.get(word, word) for word in line.split())], capsys)
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == []
