"""The file of an organism: bit for bit, whole or absent, and never trusted when damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gnomon.errors import GnomonError
from gnomon.organisms import History, ModularAddition, Organism, train


@pytest.fixture(scope="module")
def organism() -> Organism:
    return train(ModularAddition(p=7, width=16, steps=8, seed=3))


def test_saving_and_loading_is_bit_exact(organism: Organism, tmp_path: Path) -> None:
    path = organism.save(tmp_path / "organism.safetensors")
    before = torch.get_rng_state()
    loaded = Organism.load(path)
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.spec == organism.spec
    assert loaded.subject().weights_hash() == organism.subject().weights_hash()
    assert (loaded.train.digest, loaded.test.digest) == (organism.train.digest, organism.test.digest)
    for curve in ("train_loss", "train_accuracy", "test_accuracy"):
        assert np.array_equal(getattr(loaded.history, curve), getattr(organism.history, curve))
    assert loaded.subject("train").data is loaded.train
    assert loaded.subject().data is loaded.test


def test_any_changed_byte_is_noticed(organism: Organism, tmp_path: Path) -> None:
    content = organism.save(tmp_path / "whole").read_bytes()
    damaged = tmp_path / "damaged"
    for position in np.random.default_rng(0).integers(0, len(content), 60):
        changed = bytearray(content)
        changed[position] ^= 0x10
        damaged.write_bytes(changed)
        with pytest.raises(GnomonError) as caught:
            Organism.load(damaged)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_file_is_one_line(organism: Organism, tmp_path: Path, kept: float) -> None:
    content = organism.save(tmp_path / "whole").read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(GnomonError, match="not a readable safetensors file"):
        Organism.load(cut)


def test_absent_and_foreign_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="no file"):
        Organism.load(tmp_path / "nowhere")
    with pytest.raises(GnomonError, match="no file"):
        Organism.load(tmp_path)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(GnomonError, match="holds no organism"):
        Organism.load(foreign)
    (tmp_path / "text").write_text(json.dumps({"p": 23}))
    with pytest.raises(GnomonError, match="not a readable"):
        Organism.load(tmp_path / "text")


def test_an_interrupted_write_leaves_the_old_file(
    organism: Organism, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = organism.save(tmp_path / "organism")
    old = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GnomonError, match="No space left on device"):
        train(ModularAddition(p=5, steps=1)).save(path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["organism"]


def test_an_unwritable_place_is_one_line(organism: Organism, tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="cannot write"):
        organism.save(tmp_path / "absent" / "organism")


def test_first_step_of_a_curve() -> None:
    curve = np.array([0.0, 0.5, 0.99, 0.98, 1.0])
    history = History(train_loss=curve, train_accuracy=curve, test_accuracy=curve * 0.5)
    assert history.first_step("train") == 2
    assert history.first_step("train", 1.0) == 4
    assert history.first_step("test") is None
