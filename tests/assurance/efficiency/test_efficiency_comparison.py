"""What changes do to other readings: nothing is called moved that is not, and what is, is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small_llamas import WORDS, one_llama, small_llama

from gnomon.assurance import Deployment, Evaluation
from gnomon.assurance.asking import Question
from gnomon.assurance.efficiency import Changed, Comparison, Quantised, Smaller, TextLoss, compare_changes
from gnomon.assurance.efficiency.changes import Change
from gnomon.assurance.fairness.comparable import Comparable
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.policy import Threshold
from gnomon.assurance.registry import registry
from gnomon.cli.main import run
from gnomon.errors import GnomonError
from gnomon.estimators.loss.nll import NLL
from gnomon.measurement import ACCURACY, Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.statistics import proportion

_ROWS = 5


class Drawn(Evaluation):
    """Five proportions; those of a subject are drawn anew for each, with the rates that its name says."""

    name: ClassVar[str] = "drawn"
    quantities: ClassVar[tuple[Quantity, ...]] = (ACCURACY,)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        rates = [float(rate) for rate in deployment.subject.name.partition("#")[0].split()]
        generator = rng.child(deployment.subject.name).numpy()
        found = []
        for number, rate in enumerate(rates):
            share, interval = proportion(generator.random(60) < rate, level=level)
            found.append(Measurement.ok(ACCURACY, share, interval, labels={"number": str(number)}))
        return found


class Noisy(Comparable):
    """Five means of 40 values, which all subjects share but for noise of their own."""

    name: ClassVar[str] = "noisy"
    quantities: ClassVar[tuple[Quantity, ...]] = (NLL,)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        shared = rng.child("shared").numpy().normal(size=(_ROWS, 40))
        own = rng.child("own", deployment.subject.name).numpy().normal(size=(_ROWS, 40))
        keys = tuple(str(i) for i in range(40))
        return [
            Rows(
                quantity=NLL, keys=keys, values=100 + 5 * one + two, clusterings=(keys,), labels={"number": str(number)}
            )
            for number, (one, two) in enumerate(zip(shared, own, strict=True))
        ]


class Named(Change):
    """Another subject, whose name says its rates."""

    def __init__(self, subject: Any, name: str = "named") -> None:
        self.subject, self._name = subject, name

    @property
    def name(self) -> str:
        return self._name

    def apply(self, deployment: Deployment) -> Changed:
        return Changed(Deployment(subject=self.subject), 1, simulated=True)


class _Hollow:
    """Stands for a subject, as far as a comparison looks at it."""

    def __init__(self, name: str) -> None:
        self.name, self.module = name, torch.nn.Linear(1, 1)

    def weights_hash(self) -> str:
        return self.name


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Question:
    registry.all()
    monkeypatch.setitem(registry._registered, "drawn", Drawn)
    monkeypatch.setitem(registry._registered, "noisy", Noisy)
    return Question.of("drawn", {})


def moved(question: Question, before: str, after: str, seed: int, **options: Any) -> Comparison:
    # subjects of their own, so that the draws before and after are independent, as they are for no real change
    deployment = Deployment(subject=_Hollow(f"{before}#before"))  # type: ignore[arg-type]
    return compare_changes(deployment, [Named(_Hollow(f"{after}#after"))], [question], Rng(seed), **options)


def test_what_did_not_change_is_rarely_called_moved_in_the_whole_family(drawn: Question) -> None:
    rates = "0.02 0.2 0.5 0.8 0.97"
    wrong = 0
    for seed in range(30):
        (one,) = moved(drawn, rates, rates, seed, level=0.8).changes
        wrong += any(row.moved != "not told apart" for row in one.rows)
    # the family errs in at most 0.2, and far less: both intervals have to miss together, and each is exact
    assert wrong <= 2


def test_paired_readings_err_as_often_as_the_level_says(drawn: Question) -> None:
    wrong = 0
    for seed in range(30):
        (one,) = moved(Question.of("noisy", {}), "one", "other", seed, level=0.8).changes
        wrong += any(row.moved != "not told apart" for row in one.rows)
    # five independent readings at 0.96 each: one of them errs in 18.5 %, 5.5 of 30; three standard deviations
    assert 1 <= wrong <= 11


def test_what_changed_is_found_with_its_direction_and_worse_is_what_a_policy_says(drawn: Question) -> None:
    limits = [
        Threshold(id="up", evaluation="drawn", labels={"number": "0"}, limit=0.5, kind="harm", level=2),
        Threshold(
            id="down", evaluation="drawn", labels={"number": "1"}, limit=0.5, worse="below", kind="harm", level=2
        ),
    ]
    (one,) = moved(drawn, "0.1 0.1 0.9 0.5 0.5", "0.9 0.9 0.1 0.5 0.5", 0, limits=limits).changes
    assert [row.moved for row in one.rows] == ["higher", "higher", "lower", "not told apart", "not told apart"]
    assert [row.verdict for row in one.rows] == ["worse", "better", "lower", "not told apart", "not told apart"]


def test_every_reading_under_every_change_is_in_the_family(drawn: Question) -> None:
    deployment = Deployment(subject=_Hollow("0.5 0.5"))  # type: ignore[arg-type]
    two = [Named(_Hollow("0.5 0.5"), "one"), Named(_Hollow("0.4 0.5"), "other")]
    found = compare_changes(deployment, two, [drawn], Rng(0), level=0.9)
    assert found.family == 4
    # the two intervals of a row share the risk of the row, a quarter of the family's
    assert found.changes[0].rows[0].before.uncertainty.level == pytest.approx(1 - 0.1 / 4 / 2)


class Rare(Evaluation):
    """A reading that has an interval at 0.95 but none at the level of a family."""

    name: ClassVar[str] = "rare"
    quantities: ClassVar[tuple[Quantity, ...]] = (ACCURACY,)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        if level > 0.95:
            return [Measurement.insufficient(ACCURACY, "six for an interval")]
        return [Measurement.ok(ACCURACY, 0.5, Uncertainty.exact(), labels={"from": "estimate"})]


def test_what_has_no_interval_at_the_level_of_the_family_is_not_measured(
    drawn: Question, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._registered, "rare", Rare)
    (one,) = moved(Question.of("rare", {}), "one", "other", 0).changes
    assert [(row.before.value, row.verdict, row.reason) for row in one.rows] == [
        (0.5, "not measured", "six for an interval")
    ]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    lines = [" ".join(generator.choice(WORDS, generator.integers(3, 9))) for _ in range(60)]
    path = tmp_path / "neutral.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_loss_is_that_of_each_text_and_its_change_is_paired(texts: Path) -> None:
    subject = one_llama()
    deployment = Deployment(subject=subject, materials={"neutral": texts})
    (row,) = TextLoss().rows(deployment, Rng(0))
    total, count = 0.0, 0
    for line in texts.read_text().splitlines():
        ids = torch.tensor([subject.tokenizer(line)["input_ids"]])
        with torch.no_grad():
            logits = subject.module(ids).logits[0, :-1].double()
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    assert row.value == pytest.approx(total / count, rel=1e-6)
    found = compare_changes(deployment, [Quantised(8), Quantised(2)], [Question.of("text_loss", {})], Rng(0))
    assert found.family == 2
    for one in found.changes:
        (moved_row,) = one.rows
        assert moved_row.change is not None
        assert moved_row.after is not None
        assert moved_row.change.value == pytest.approx(moved_row.after.value - moved_row.before.value, abs=1e-9)
        # the texts' own differences cancel
        widths = [m.uncertainty.high - m.uncertainty.low for m in (moved_row.change, moved_row.before)]
        assert widths[0] < widths[1]
    eight, two = (one.rows[0].change for one in found.changes)
    assert eight is not None
    assert two is not None
    assert abs(eight.value) < abs(two.value)


def test_a_smaller_network_saves_arithmetic_bytes_and_time(texts: Path) -> None:
    deployment = Deployment(subject=one_llama(), materials={"neutral": texts})
    small = small_llama(num_hidden_layers=1)
    found = compare_changes(deployment, [Smaller(small, "one layer")], [Question.of("text_loss", {})], Rng(0))
    saving = found.changes[0].saving
    assert saving.flops is not None
    assert saving.flops[1] < saving.flops[0]
    assert saving.bytes[1] == 4 * sum(t.numel() for t in (*small.module.parameters(), *small.module.buffers()))
    assert saving.seconds is not None
    document = found.to_json()
    assert document["changes"][0]["rows"][0]["verdict"] in ("worse", "better", "not told apart")


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    deployment = Deployment(subject=one_llama())
    with pytest.raises(GnomonError, match="text_loss: no material 'neutral'"):
        compare_changes(deployment, [Quantised(8)], [Question.of("text_loss", {})], Rng(0))
    (tmp_path / "neutral.txt").write_text("", encoding="utf-8")
    empty = Deployment(subject=one_llama(), folder=tmp_path)
    with pytest.raises(GnomonError, match="text_loss: there are no rows"):
        compare_changes(empty, [Quantised(8)], [Question.of("text_loss", {})], Rng(0))
    with pytest.raises(GnomonError, match="nothing to compare"):
        compare_changes(deployment, [], [Question.of("text_loss", {})], Rng(0))


def test_the_command_wants_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["efficiency", "somewhere"]) == 2
    assert "no change is named" in capsys.readouterr().err
    assert run(["efficiency", "somewhere", "--change", "int99"]) == 2


@pytest.mark.slow
def test_the_command_compares_all_that_a_policy_asks(
    micro_world_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    line = ["efficiency", str(micro_world_folder), "--change", "int8,pruned=90%", "--policy", "example", "--json"]
    code = run(line)
    document = json.loads(capsys.readouterr().out)
    assert [one["change"] for one in document["changes"]] == ["int8", "pruned=0.9"]
    pruned = {row["before"]["quantity"]: row["verdict"] for row in document["changes"][1]["rows"]}
    assert pruned["nll"] == "worse"
    assert code == 1
