"""The form in the docs: ten lines, installed from a package of its own, and fitted like any other."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/gnomon_example_form"

COMMANDS = """
import sys
import numpy as np
from gnomon.cli.main import run
from gnomon.laws import form
from gnomon.testing import check_form

check_form(type(form("michaelis_menten")), np.geomspace(0.1, 100, 40), {"V": 2.0, "K": 3.0})
line = ["fit", "rates.csv", "--x", "concentration", "--y", "rate", "--form", "michaelis_menten,power_law"]
code = run([*line, "--draws", "200", "--noise", "normal", "--out", "fit.json", "--page", "page"])
print(code, run(["predict", "fit.json", "--at", "concentration=200"]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed in ``site``, after the commands above were run there."""
    folder = tmp_path_factory.mktemp("form")
    source = shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # torch brings setuptools along, so that the build needs no network
    command = [*pip, "--no-build-isolation", "--no-index", "--target", str(folder / "site"), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    x = np.geomspace(0.1, 100, 30)
    y = 2.0 * x / (3.0 + x) + 0.01 * np.random.default_rng(0).normal(size=30)
    np.savetxt(folder / "rates.csv", np.column_stack([x, y]), delimiter=",", header="concentration,rate", comments="")
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    ran = subprocess.run(
        [sys.executable, "-c", COMMANDS], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout.endswith("0 0\n"), ran.stdout + ran.stderr
    return folder


def test_it_is_fitted_and_holds(installed: Path) -> None:
    document = json.loads((installed / "fit.json").read_text())
    assert document["best"] == "michaelis_menten"
    (mine,) = (one for one in document["fits"] if one["form"] == "michaelis_menten")
    assert mine["identifiable"]
    for name, truth in {"V": 2.0, "K": 3.0}.items():
        assert mine["parameters"][name]["low"] < truth < mine["parameters"][name]["high"]


def test_it_is_on_the_page(installed: Path) -> None:
    page = (installed / "page" / "fit.html").read_text(encoding="utf-8")
    assert "Saturation of Michaelis and Menten" in page
    assert "x at half the limit" in page


def test_it_has_ten_lines() -> None:
    text = (EXAMPLE / "michaelis_menten.py").read_text(encoding="utf-8")
    documentation = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documentation.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() and n not in documentation]
    assert len(lines) == 10
