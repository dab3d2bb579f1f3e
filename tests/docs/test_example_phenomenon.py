"""The phenomenon in the docs keeps the contract and is shown."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gnomon.lab.store import Store
from gnomon.lab.sweep.executors import Local
from gnomon.phenomena import run
from gnomon.phenomena.registry import registry
from gnomon.testing import check_phenomenon

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/divergence.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, importable in workers, and gone from the registry afterwards."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    spec = importlib.util.spec_from_file_location("divergence", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "divergence", module)
    spec.loader.exec_module(module)
    return module


def test_the_example_conforms(example: ModuleType) -> None:
    check_phenomenon(example.Divergence, {"steps": 50})


def test_the_example_is_shown_and_its_control_is_not(example: ModuleType, tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        report = run(example.Divergence(), store=store, executor=Local(1))
    assert (report.verdict, report.control) == ("shown", "not shown")
