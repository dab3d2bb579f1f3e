"""An observer beside a Lightning trainer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.observer.attached import Attached, learning_rate_of
from gnomon.lab.observer.observer import Observer
from gnomon.subjects import Subject

_LIBRARIES = ("lightning.pytorch", "pytorch_lightning")


class _Hooks:
    def __init__(self, observer: Observer, *, subject: Callable[[nn.Module], Subject]) -> None:
        super().__init__()
        self.observer = observer
        self._attached = Attached(observer, subject)
        self._make = subject

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Make the subject, and observe it as it is before training."""
        if trainer.is_global_zero:
            steps = trainer.estimated_stepping_batches
            self.observer.steps = int(steps) if 0 <= steps < float("inf") else None
            self._attached.begin(pl_module)
            self._attached.see(trainer.global_step, learning_rate=_rate(trainer))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Observe the network after a batch, and let the events hear its loss."""
        del pl_module, batch, batch_idx
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        heard = loss.detach() if isinstance(loss, Tensor) else None
        self._attached.see(trainer.global_step, loss=heard, learning_rate=_rate(trainer))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Observe the last network, if training was stopped before the schedule's end, and close the store's run."""
        del pl_module
        self._attached.end(trainer.global_step, learning_rate=_rate(trainer))


def _rate(trainer: Any) -> float | None:
    return max((r for o in trainer.optimizers if (r := learning_rate_of(o)) is not None), default=None)


def LightningCallback(observer: Observer, *, subject: Callable[[nn.Module], Subject]) -> Any:  # noqa: N802 - a class
    """A Lightning callback that calls ``observer`` before the first and after every batch.

    It fits trainers of ``lightning`` and of ``pytorch_lightning``; steps are the trainer's ``global_step``, the
    number of optimiser steps. Events hear the loss of each batch. Only the first of several processes observes.

    Parameters
    ----------
    subject : makes the subject from the `LightningModule`, e.g. ``lambda m: Subject(m.network, loss=NextToken())``.

    Raises
    ------
    GnomonError : when no Lightning is installed, and when training begins, if the network cannot be measured.
    """
    loaded = [name for name in _LIBRARIES if sys.modules.get(name) is not None] or [_importable()]
    bases = tuple(sys.modules[name].Callback for name in loaded)
    return type("LightningCallback", (_Hooks, *bases), {})(observer, subject=subject)


def _importable() -> str:
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        return name
    raise GnomonError("Lightning is not installed", mend="pip install lightning")
