"""Beside a Hugging Face trainer: same weights to the bit, losses heard, trainers of all modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators.curvature.hessian_spectrum import HessianSpectrum
from gnomon.lab.observer import Every, LossBelow, Observer, TransformersCallback, log_spaced
from gnomon.lab.observer.attached import Attached, learning_rate_of
from gnomon.subjects import MaskedToken, NextToken, SquaredError, Subject, TokenData

pytest.importorskip("accelerate", reason="the trainer of transformers needs accelerate, a development dependency")

import transformers
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

STEPS = 10


def sequences() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(1, 40, size=int(n)) for n in generator.integers(6, 12, size=40)]


def model() -> GPT2LMHeadModel:
    """Small, with GPT-2's dropout of 0.1."""
    config = GPT2Config(
        vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0, pad_token_id=0
    )
    config.loss_type = "ForCausalLM"
    return GPT2LMHeadModel(config)


def collate(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    width = max(len(r["input_ids"]) for r in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = labels[i, : len(row["input_ids"])] = torch.from_numpy(row["input_ids"])
    return {"input_ids": ids, "labels": labels}


def train(
    folder: Path, observer: Observer | None, *, callbacks: tuple[TrainerCallback, ...] = (), **options: Any
) -> tuple[dict[str, Tensor], list[float]]:
    """Weights and logged losses of a run; batches are shuffled by the trainer."""
    transformers.set_seed(3)
    network = model()
    arguments = TrainingArguments(
        **{
            "output_dir": str(folder),
            "max_steps": STEPS,
            "per_device_train_batch_size": 4,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "report_to": [],
            "save_strategy": "no",
            "disable_tqdm": True,
            "use_cpu": True,
            **options,
        }
    )
    watching = [] if observer is None else [TransformersCallback(observer)]
    trainer = Trainer(
        model=network,
        args=arguments,
        train_dataset=[{"input_ids": s} for s in sequences()],
        data_collator=collate,
        callbacks=[*watching, *callbacks],
    )
    trainer.train()
    logged = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {n: t.clone() for n, t in network.state_dict().items()}, logged


def watching(**changes: Any) -> Observer:
    values: dict[str, Any] = {
        "schedule": log_spaced(STEPS, 4),
        "data": {"train": TokenData(sequences()[:12])},
        "overhead": None,
    } | changes
    spectrum = HessianSpectrum(steps=4, probes=1, positions=64)
    return Observer(["nll", "frobenius_norm", "agop_effective_dimension", spectrum], **values)


MODES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bfloat16": {"bf16": True},
    "accumulation": {"gradient_accumulation_steps": 2},
    "checkpointing": {"activation_checkpointing": True},
    "compiled": {"torch_compile": True, "torch_compile_backend": "aot_eager"},
}


@pytest.mark.parametrize("mode", [pytest.param(m, marks=[pytest.mark.slow] if m == "compiled" else []) for m in MODES])
@pytest.mark.filterwarnings("ignore")  # of the trainer's own
def test_the_weights_and_losses_are_the_same_to_the_bit(tmp_path: Path, mode: str) -> None:
    bare = train(tmp_path, None, **MODES[mode])
    observer = watching()
    watched = train(tmp_path, observer, **MODES[mode])
    assert bare[1] == watched[1]
    assert len(bare[1]) == STEPS
    assert all(torch.equal(bare[0][n], watched[0][n]) for n in bare[0])
    assert {m.labels["step"] for m in observer.measurements} == {str(s) for s in log_spaced(STEPS, 4)}
    assert not [m for m in observer.measurements if m.status == "failed"]
    assert observer.steps == STEPS
    last = next(m for m in observer.measurements if m.quantity == "nll" and m.labels["step"] == str(STEPS))
    final = model()
    final.load_state_dict(watched[0])
    subject = Subject(final, loss=NextToken())
    alone = Observer(["nll"], schedule=[0], data={"train": TokenData(sequences()[:12])}, overhead=None)
    alone(0, subject)
    assert last.value == pytest.approx(alone.measurements[0].value, rel=1e-12)  # in full precision, whatever the mode
    assert last.provenance is not None
    assert last.provenance.weights_hash == subject.weights_hash()


def test_events_hear_the_losses_that_are_logged(tmp_path: Path) -> None:
    _, losses = train(tmp_path, None, logging_steps=2)
    bound = min(losses) + 1e-3
    step = 2 * (1 + next(i for i, loss in enumerate(losses) if loss < bound))
    observer = Observer(["nll"], data={"train": TokenData(sequences()[:8])}, events=[LossBelow(bound)], overhead=None)
    train(tmp_path, observer, logging_steps=2)
    assert observer.happened == [(step, f"loss below {bound:g}")]
    assert [m.labels for m in observer.measurements] == [
        {"step": str(step), "split": "train", "event": f"loss below {bound:g}"}
    ]


def test_a_schedule_without_end_ends_with_the_trainer(tmp_path: Path) -> None:
    observer = watching(schedule=Every(4))
    train(tmp_path, observer)
    assert list(dict.fromkeys(m.labels["step"] for m in observer.measurements)) == ["0", "4", "8", "10"]


class Stop(TrainerCallback):
    """Stops training at step 5."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        control.should_training_stop = state.global_step == 5
        return control


def test_a_trainer_that_stops_early_is_observed_at_its_end(tmp_path: Path) -> None:
    observer = watching()
    train(tmp_path, observer, callbacks=(Stop(),))
    assert list(dict.fromkeys(m.labels["step"] for m in observer.measurements)) == ["0", "1", "4", "5"]


def test_only_the_first_process_observes() -> None:
    observer = watching()
    callback = TransformersCallback(observer)

    class State:
        is_world_process_zero = False
        global_step = 0
        max_steps = STEPS

    network = model()
    callback.on_train_begin(None, State(), None, model=network, optimizer=None)
    callback.on_step_end(None, State(), None, model=network, optimizer=None)
    callback.on_log(None, State(), None, logs={"loss": 1.0}, model=network)
    callback.on_train_end(None, State(), None, model=network)
    assert observer.measurements == []


def test_the_loss_follows_from_the_architecture() -> None:
    from gnomon.lab.observer.transformers_callback import _loss

    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8, "vocab_size": 9}
    config = transformers.BertConfig(**tiny)
    assert isinstance(_loss(transformers.BertForMaskedLM(config)), MaskedToken)
    config.num_labels = 1
    assert isinstance(_loss(transformers.BertForSequenceClassification(config)), SquaredError)
    config = transformers.BertConfig(**tiny, num_labels=3, problem_type="multi_label_classification")
    for network in (transformers.BertForSequenceClassification(config), nn.Linear(2, 2)):
        with pytest.raises(GnomonError, match=r"the loss that \w+ is trained with is not known; give Transformers"):
            _loss(network)


def test_a_sharded_network_is_refused_before_training() -> None:
    network = nn.Linear(2, 2)
    network.weight.ds_id = 0  # type: ignore[assignment]  # the mark of DeepSpeed's ZeRO
    with pytest.raises(GnomonError, match="weight 'weight' is spread over several devices"):
        Attached(watching(), Subject).begin(network)


def test_the_learning_rate_is_the_largest_of_the_groups() -> None:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD([{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:], "lr": 0.3}])
    assert learning_rate_of(optimizer) == 0.3
    assert learning_rate_of(None) is None
