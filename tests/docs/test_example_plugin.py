"""The estimator in the docs: installed from a package of its own, it is an instrument like any other."""

import ast
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gnomon import ArrayData, Budget, Subject
from gnomon.estimators import registry
from gnomon.measurement import Catalogue
from gnomon.randomness import Rng

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/gnomon_example_plugin"

COMMANDS = """
import sys
from gnomon.cli.main import run
from gnomon.estimators import estimator
from gnomon.organisms import ModularAddition, train
from gnomon.testing import check_estimator

if __name__ == "__main__":
    train(ModularAddition(p=7, width=16, steps=5)).save("organism.safetensors")
    codes = []
    for name, line in {
        "quantities": ["quantities", "--json"],
        "calibrate": ["calibrate", "-q", "hoyer_sparsity", "--quick", "--json", "--workers", "1", "--store", "kept"],
        "examine": ["examine", "organism.safetensors", "--out", "out", "--store", "kept", "--json"],
    }.items():
        with open(f"{name}.json", "w") as sys.stdout:
            codes.append(run(line))
    sys.stdout = sys.__stdout__
    check_estimator(estimator("hoyer_sparsity"))
    print(codes)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed in ``site``, after the commands above were run there."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # torch brings setuptools along, so that the build needs no network
    command = [*pip, "--no-build-isolation", "--no-index", "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (folder / "commands.py").write_text(COMMANDS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    ran = subprocess.run(
        [sys.executable, "commands.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.endswith("[0, 0, 0]\n"), ran.stdout + ran.stderr
    return folder


def test_it_is_listed_among_the_quantities(installed: Path) -> None:
    listed = json.loads((installed / "quantities.json").read_text())["quantities"]
    (mine,) = [q for q in listed if q["name"] == "hoyer_sparsity"]
    assert mine["estimators"] == ["hoyer_sparsity"]
    assert mine["source"] == "Hoyer, JMLR 5 (2004) 1457"
    assert len(listed) > 1


def test_it_is_calibrated(installed: Path) -> None:
    document = json.loads((installed / "calibrate.json").read_text())
    assert document["passed"]
    (certificate,) = document["instruments"]
    assert certificate["estimator"] == "hoyer_sparsity"
    assert abs(certificate["bias"]) < 0.02


def test_it_appears_in_the_report(installed: Path) -> None:
    document = json.loads((installed / "examine.json").read_text())
    mine = {m["site"]: m for m in document["measurements"] if m["quantity"] == "hoyer_sparsity"}
    assert set(mine) == {"embed", "blocks.0", "logits"}
    assert all(m["status"] == "ok" for m in mine.values())
    # squares of Gaussian entries are sparser than the entries themselves
    assert mine["blocks.0"]["value"] > mine["embed"]["value"]
    page = (installed / document["report"]).read_text(encoding="utf-8")
    assert "hoyer_sparsity" in page
    assert "Hoyer, JMLR 5 (2004) 1457" in page


def test_it_has_forty_lines_of_code() -> None:
    text = (EXAMPLE / "hoyer_sparsity.py").read_text(encoding="utf-8")
    documentation = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documentation.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() and n not in documentation]
    assert len(lines) <= 40


@pytest.fixture
def sparsity(monkeypatch: pytest.MonkeyPatch) -> type:
    """The class, registered for the length of a test in a registry of its own."""
    monkeypatch.setattr(registry.registry, "_registered", {})
    monkeypatch.setattr(registry, "catalogue", Catalogue())
    spec = importlib.util.spec_from_file_location("hoyer_sparsity", EXAMPLE / "hoyer_sparsity.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HoyerSparsity


def _read(kind: type, data: ArrayData):
    subject = Subject(torch.nn.Identity())
    (found,) = kind().measure(subject, data, sites=["logits"], budget=Budget(), rng=Rng(0))
    return found


def test_a_gaussian_reads_its_closed_form(sparsity: type) -> None:
    d, held, error = 12, 0, []
    # direction and length of a Gaussian are independent: E[|x|_1 / |x|_2] = E|x|_1 / E|x|_2
    ratio = d / math.sqrt(math.pi) * math.gamma(d / 2) / math.gamma((d + 1) / 2)
    truth = (math.sqrt(d) - ratio) / (math.sqrt(d) - 1)
    for seed in range(200):
        points = Rng(seed).numpy().normal(size=(60, d))
        found = _read(sparsity, ArrayData(points))
        held += found.uncertainty.contains(found.value, truth)
        error.append(found.value - truth)
    assert abs(np.mean(error)) < 4 * np.std(error) / math.sqrt(200)
    assert 180 <= held <= 198


def test_copies_in_a_cluster_do_not_narrow_the_interval(sparsity: type) -> None:
    points = Rng(0).numpy().normal(size=(100, 12))
    once = _read(sparsity, ArrayData(points))
    copies = _read(sparsity, ArrayData(np.repeat(points, 8, axis=0), clusters=np.repeat(np.arange(100), 8)))
    assert copies.value == pytest.approx(once.value, rel=1e-9)
    assert copies.uncertainty.error == pytest.approx(once.uncertainty.error, rel=1e-9)


def test_rows_of_zeros_are_left_out_and_too_few_rows_are_declined(sparsity: type) -> None:
    points = Rng(0).numpy().normal(size=(50, 12))
    with_zeros = _read(sparsity, ArrayData(np.concatenate([points, np.zeros((20, 12))])))
    assert with_zeros.value == pytest.approx(_read(sparsity, ArrayData(points)).value, rel=1e-9)
    for poor in (np.zeros((50, 12)), points[:9], points[:, :1]):
        assert _read(sparsity, ArrayData(poor)).status == "insufficient"
