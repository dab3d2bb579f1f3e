"""An observer beside a Hugging Face trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from transformers import TrainerCallback

from gnomon.errors import GnomonError
from gnomon.lab.observer.attached import Attached, learning_rate_of
from gnomon.lab.observer.observer import Observer
from gnomon.subjects import CrossEntropy, Loss, MaskedToken, NextToken, SquaredError, Subject


class TransformersCallback(TrainerCallback):  # type: ignore[misc]  # transformers is untyped
    """Calls ``observer`` before the first and after every optimiser step of a ``transformers.Trainer``.

    The trainer's own network is measured where it is, taken out of its wrappers, with the loss that its
    architecture is trained with. Its last step is known beforehand, and so is how much time there is to observe.
    Events hear the losses that the trainer logs: means over ``logging_steps`` steps. Only the first of several
    processes observes.

    Parameters
    ----------
    observer : its ``data`` hold the splits to measure on, as `gnomon.TokenData` for language models.
    subject : makes the subject from the network; default: all of it, with the loss of its architecture.

    Raises
    ------
    GnomonError : when training begins, if the network cannot be measured (it is sharded over devices, or its loss is
        not known).

    >>> callback = TransformersCallback(Observer(["frobenius_norm"], schedule=[0, 10]))
    >>> callback.observer.steps is None
    True
    """

    def __init__(self, observer: Observer, *, subject: Callable[[nn.Module], Subject] | None = None) -> None:
        self.observer = observer
        self._attached = Attached(observer, subject or _subject)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Make the subject, and observe it as it is before training."""
        del args, control
        if state.is_world_process_zero:
            self.observer.steps = state.max_steps
            self._attached.begin(kwargs["model"])
            self._attached.see(state.global_step, learning_rate=learning_rate_of(kwargs.get("optimizer")))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Observe the network after an optimiser step."""
        del args, control
        self._attached.see(state.global_step, learning_rate=learning_rate_of(kwargs.get("optimizer")))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Let the events hear the loss."""
        del args, control
        loss = (logs or {}).get("loss")
        if loss is not None:
            rate = learning_rate_of(kwargs.get("optimizer"))
            self._attached.see(state.global_step, loss=float(loss), learning_rate=rate)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Observe the last network, if training was stopped before the schedule's end, and close the store's run."""
        del control
        # by now a trainer that loads its best model has done so, and that is not the network of this step
        step = None if getattr(args, "load_best_model_at_end", False) else state.global_step
        self._attached.end(step, learning_rate=learning_rate_of(kwargs.get("optimizer")))


def _subject(model: nn.Module) -> Subject:
    return Subject(model, loss=_loss(model))


def _loss(model: Any) -> Loss:
    """The loss that the architecture of ``model`` is trained with."""
    from transformers.models.auto import modeling_auto as auto

    config = getattr(model, "config", None)
    classifier: Loss | None = CrossEntropy()
    if getattr(config, "problem_type", None) == "regression" or getattr(config, "num_labels", 2) == 1:
        classifier = SquaredError()
    elif getattr(config, "problem_type", None) == "multi_label_classification":
        classifier = None
    kinds: tuple[tuple[Any, Loss | None], ...] = (
        (auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, NextToken()),
        (auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, MaskedToken()),
        (auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, classifier),
        (auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, classifier),
    )
    name = type(model).__name__
    for architectures, loss in kinds:
        known = (a for value in architectures.values() for a in ((value,) if isinstance(value, str) else value))
        if loss is not None and name in known:
            return loss
    raise GnomonError(
        f"the loss that {name} is trained with is not known",
        mend="give TransformersCallback(observer, subject=lambda model: Subject(model, loss=…))",
    )
