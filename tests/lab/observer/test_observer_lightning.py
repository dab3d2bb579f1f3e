"""Beside a Lightning trainer: same weights to the bit, losses heard."""

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.estimators.curvature.hessian_spectrum import HessianSpectrum
from gnomon.lab.observer import LightningCallback, LossBelow, Observer, log_spaced
from gnomon.subjects import ArrayData, CrossEntropy, Subject

STEPS = 9


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Lightning under either of its names."""
    pytest.importorskip(request.param, reason="Lightning, a development dependency, is not installed")
    logging.getLogger(request.param).setLevel(logging.ERROR)
    return importlib.import_module(request.param)


def examples() -> ArrayData:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(40, 6)).astype(np.float32)
    return ArrayData(inputs, (inputs[:, 0] > 0).astype(np.int64))


def module_of(library: ModuleType) -> Any:
    class Module(library.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Dropout(0.3), nn.Linear(12, 2))

        def training_step(self, batch: Any, index: int) -> Tensor:
            inputs, targets = batch
            return nn.functional.cross_entropy(self.network(inputs), targets)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.network.parameters(), lr=0.01)

    return Module()


def subject(module: nn.Module) -> Subject:
    network = module.network
    assert isinstance(network, nn.Module)
    return Subject(network, loss=CrossEntropy())


@pytest.mark.filterwarnings("ignore")  # of the trainer's own
def train(library: ModuleType, observer: Observer | None, **options: Any) -> tuple[dict[str, Tensor], list[float]]:
    library.seed_everything(1, verbose=False)
    module = module_of(library)
    data = examples()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data.inputs, data.targets), batch_size=8, shuffle=True
    )
    losses: list[float] = []

    class Losses(library.Callback):  # type: ignore[misc,name-defined]
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            losses.append(float(outputs["loss"]))

    watching = [] if observer is None else [LightningCallback(observer, subject=subject)]
    trainer = library.Trainer(
        **{
            "max_steps": STEPS,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": [*watching, Losses()],
            **options,
        }
    )
    trainer.fit(module, loader)
    return {n: t.clone() for n, t in module.state_dict().items()}, losses


def watching(**changes: Any) -> Observer:
    values: dict[str, Any] = {"schedule": log_spaced(STEPS, 4), "data": {"all": examples()}, "overhead": None} | changes
    spectrum = HessianSpectrum(steps=16, probes=1)
    return Observer(["nll", "frobenius_norm", "agop_effective_dimension", spectrum], **values)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [{}, {"precision": "bf16-mixed"}], ids=["float32", "bfloat16"])
def test_the_weights_and_losses_are_the_same_to_the_bit(library: ModuleType, options: dict[str, Any]) -> None:
    bare = train(library, None, **options)
    observer = watching()
    watched = train(library, observer, **options)
    assert bare[1] == watched[1]
    assert len(bare[1]) == STEPS
    assert all(torch.equal(bare[0][n], watched[0][n]) for n in bare[0])
    assert {m.labels["step"] for m in observer.measurements} == {str(s) for s in log_spaced(STEPS, 4)}
    assert not [m for m in observer.measurements if m.status == "failed"]
    assert observer.steps == STEPS


@pytest.mark.filterwarnings("ignore")
def test_events_hear_the_loss_of_each_batch(library: ModuleType) -> None:
    _, losses = train(library, None)
    bound = float(np.sort(losses)[2]) + 1e-6
    at = next(i for i, loss in enumerate(losses) if loss < bound) + 1
    observer = watching(schedule=(), events=[LossBelow(bound)])
    train(library, observer)
    assert observer.happened == [(at, f"loss below {bound:g}")]


@pytest.mark.filterwarnings("ignore")
def test_accumulated_batches_are_one_step_and_an_early_end_is_observed(library: ModuleType) -> None:
    observer = watching(schedule=[0, 1, 2, 50])
    train(library, observer, accumulate_grad_batches=2, max_steps=-1, max_epochs=1)
    steps = list(dict.fromkeys(m.labels["step"] for m in observer.measurements))
    assert steps == ["0", "1", "2", "3"]  # five batches of eight: two steps of two batches, and one of the rest
    assert len([m for m in observer.measurements if m.quantity == "nll"]) == 4


def test_a_missing_lightning_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from gnomon.errors import GnomonError

    for name in [n for n in sys.modules if n.partition(".")[0] in ("lightning", "pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)  # type: ignore[arg-type]
    with pytest.raises(GnomonError, match="Lightning is not installed; pip install lightning"):
        LightningCallback(watching(), subject=subject)
