"""Artefacts: round trips, replacement, damage, full disks."""

import json
import os

import pytest
import torch

from gnomon.errors import GnomonError
from gnomon.structure.artefact import DOCUMENT, TENSORS, Artefact
from tiny_disks import mounted

_TENSORS = {"basis": torch.arange(6.0, dtype=torch.float64).reshape(2, 3).T, "few": torch.tensor([1], dtype=torch.int8)}


def _one(**document) -> Artefact:
    return Artefact("directions", {"seed": 1, **document}, _TENSORS)


def test_what_is_loaded_is_what_was_saved(tmp_path):
    _one(names=["a", "b"]).save(tmp_path / "new" / "found")
    loaded = Artefact.load(tmp_path / "new" / "found", "directions")
    assert loaded.document == {"seed": 1, "names": ["a", "b"]}
    assert loaded.tensors.keys() == _TENSORS.keys()
    for name, tensor in _TENSORS.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)


def test_one_of_the_same_kind_is_replaced_and_nothing_else_is(tmp_path):
    _one().save(tmp_path / "found")
    _one(seed=2).save(tmp_path / "found")
    assert Artefact.load(tmp_path / "found", "directions").document == {"seed": 2}
    assert os.listdir(tmp_path) == ["found"]
    with pytest.raises(GnomonError, match="holds directions"):
        Artefact("dictionary", {}, {}).save(tmp_path / "found")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(GnomonError, match="holds something else"):
        _one().save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_what_cannot_be_read_is_said_in_one_line(tmp_path):
    with pytest.raises(GnomonError, match="holds no artefact"):
        Artefact.load(tmp_path, "directions")
    place = _one().save(tmp_path / "found")
    with pytest.raises(GnomonError, match="holds directions, not dictionary"):
        Artefact.load(place, "dictionary")
    content = (place / TENSORS).read_bytes()
    (place / TENSORS).write_bytes(content[:-1] + b"\x07")
    with pytest.raises(GnomonError, match="damaged"):
        Artefact.load(place, "directions")
    (place / TENSORS).write_bytes(content)
    written = (place / DOCUMENT).read_text()
    (place / DOCUMENT).write_text(written.replace('"seed": 1', '"seed": 2'))
    with pytest.raises(GnomonError, match="damaged"):
        Artefact.load(place, "directions")
    (place / DOCUMENT).write_text(written)
    (place / TENSORS).write_bytes(content[:20])
    with pytest.raises(GnomonError, match="cannot be read"):
        Artefact.load(place, "directions")
    (place / DOCUMENT).write_text("{")
    with pytest.raises(GnomonError, match="cannot be read"):
        Artefact.load(place, "directions")
    (place / DOCUMENT).write_text(json.dumps({"kind": "directions"}))
    with pytest.raises(GnomonError, match="not one that gnomon wrote"):
        Artefact.load(place, "directions")


def test_a_full_disk_leaves_the_old_one(tmp_path):
    with mounted(tmp_path / "disk", "64k") as disk:
        _one().save(disk / "found")
        large = Artefact("directions", {}, {"large": torch.zeros(100_000)})
        with pytest.raises(GnomonError, match="cannot write"):
            large.save(disk / "found")
        assert Artefact.load(disk / "found", "directions").document == {"seed": 1}
        assert os.listdir(disk) == ["found"]
