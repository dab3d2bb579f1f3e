"""`gnomon organism modular-addition`: either architecture, with the same options."""

import json
from pathlib import Path

import pytest

from gnomon.cli.main import run
from gnomon.organisms import ModularAddition, ModularTransformer, Organism, Recipe


@pytest.mark.parametrize(
    ("architecture", "recipe"), [("quadratic", ModularAddition), ("transformer", ModularTransformer)]
)
def test_it_grows_observes_and_examines(
    architecture: str, recipe: type[Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--p 5 --steps 6 --observations 2 --budget 1s --seed 3 --json"
    line = f"organism modular-addition --architecture {architecture} {options} --out {tmp_path / 'out'}"
    assert run(line.split()) == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document["report"]).is_file()
    assert Organism.load(tmp_path / "out" / "organism.safetensors").spec == recipe(p=5, steps=6, seed=3)
    assert "training-leading-irrep-share.svg" in {path.name for path in (tmp_path / "out" / "figures").iterdir()}


def test_an_unknown_architecture_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["organism", "modular-addition", "--architecture", "cubic"]) == 2
    assert "cubic" in capsys.readouterr().err
