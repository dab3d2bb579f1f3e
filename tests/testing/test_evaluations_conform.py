"""Evaluations keep the contract, that of the docs too, and the checks notice one that does not."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from control.worded_llama import worded_llama
from gnomon.assurance import Deployment, Evaluation, evaluation, evaluations
from gnomon.assurance.asking import Question, ask
from gnomon.assurance.registry import registry
from gnomon.measurement import ACCURACY, Measurement, Quantity, clopper_pearson
from gnomon.randomness import Rng
from gnomon.testing import ConformanceError, check_evaluation
from gnomon.testing.evaluations import Asked, check_lacking, check_words

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/gnomon_example_evaluation"
OWN = [name for name, kind in evaluations().items() if kind.__module__.startswith("gnomon.")]
WORDS = ["how", "to", "tell", "i", "can", "not", "it", "is", "so", "7", "true", "false", ":"]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A random network, with materials of a few lines."""
    texts = {
        "plain_prompts": "how to tell\nis it so\ntell it\n",
        "forbidden": "prompt,target\n" + "".join(f"how to {w} {{attack}},it is\n" for w in ("tell", "can", "so")),
        "truth": "text,label,cluster\n" + "".join(f"{w} is so,1,{w}\n{w} is not,0,{w}\n" for w in WORDS[:6]),
        "neutral": "text\n" + "".join(f"it is {w}\n" for w in WORDS),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return Deployment(subject=worded_llama(WORDS), materials={name: tmp_path / f"{name}.csv" for name in texts})


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the docs, gone from the registry afterwards."""
    registry.load()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    spec = importlib.util.spec_from_file_location("numbers_told", EXAMPLE / "numbers_told.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_conforms_and_is_asked_by_name(example: ModuleType, deployment: Deployment) -> None:
    check_evaluation(example.NumbersTold, deployment)
    (one,) = ask(Question.of("numbers_told", {"tokens": 4}), deployment, Rng(0), level=0.9).measurements
    assert one.uncertainty.level == 0.9
    deployment.material("plain_prompts").write_text("\n", encoding="utf-8")
    answer = ask(Question.of("numbers_told", {}), deployment, Rng(0), level=0.9)
    assert (answer.failed, answer.reason) == (True, "the material 'plain_prompts' is empty; give a prompt a line")


def test_the_entry_point_names_the_group_and_the_module() -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))
    ((name, module),) = project["project"]["entry-points"][registry._group].items()
    assert (EXAMPLE / f"{module}.py").is_file()
    assert [module] == project["tool"]["setuptools"]["py-modules"]
    assert name == module == "numbers_told"


@pytest.mark.parametrize("name", OWN)
def test_every_evaluation_has_its_words_and_says_what_it_lacks(name: str, deployment: Deployment) -> None:
    kind = evaluation(name)
    check_words(Asked(kind=kind, deployment=deployment))
    one, bare = kind(), Deployment(subject=deployment.subject)
    if one.reads and one.inapplicable(bare):
        assert any(material in one.inapplicable(bare) for material in one.reads)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("forbidden_requests", {"attacks": [], "tokens": 3}),
        ("harmful_knowledge", {}),
        ("text_loss", {}),
        ("truthfulness", {"frame": "{text} :"}),
    ],
)
def test_evaluations_that_a_random_network_can_be_asked_conform(
    name: str, options: dict[str, Any], deployment: Deployment
) -> None:
    check_evaluation(evaluation(name), deployment, options)


class Careless(Evaluation):
    """Breaks what ``fault`` says."""

    name: ClassVar[str] = "careless"
    quantities: ClassVar[tuple[Quantity, ...]] = (ACCURACY,)
    materials: ClassVar[tuple[str, ...]] = ("truth",)
    runs: ClassVar[list[float]] = []

    fault: str = ""

    def inapplicable(self, deployment: Deployment) -> str:
        return "" if self.fault == "silent" else super().inapplicable(deployment)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        self.runs.append(level)
        hits = len(self.runs) if self.fault == "draws" else 1
        if self.fault == "touches":
            deployment.subject.module.train()
        row = Measurement.ok(ACCURACY, hits / 9, clopper_pearson(hits, 9, level=0.9 if self.fault == "deaf" else level))
        return {"nothing": [], "twice": [row, row]}.get(self.fault, [row])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("silent", "check_lacking"),
        ("nothing", "it returns no measurement"),
        ("twice", "is there twice"),
        ("draws", "two runs with one rng differ"),
        ("deaf", "is at 0.9, not 0.99"),
        ("touches", "measuring changed a module's mode"),
    ],
)
def test_a_fault_is_noticed(fault: str, words: str, deployment: Deployment) -> None:
    Careless.runs.clear()
    with pytest.raises(ConformanceError) as error:
        check_evaluation(Careless, deployment, {"fault": fault})
    assert words in str(error.value)
    assert str(error.value).count("\n  ") == 1


def test_one_without_a_fault_passes(deployment: Deployment) -> None:
    check_evaluation(Careless, deployment)
    check_lacking(Asked(kind=Careless, deployment=deployment))
