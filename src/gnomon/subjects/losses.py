"""Losses: what a network predicts, where, and how wrong it is."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch


@dataclass(frozen=True, eq=False)
class Predictions:
    """Every prediction of a batch, one a row.

    Parameters
    ----------
    scores : ``(predictions, classes)`` logits, or ``(predictions, outputs)`` values.
    targets : ``(predictions,)`` class indices, or ``(predictions, outputs)`` values.
    rows : ``(predictions,)`` row of the batch that each belongs to.
    positions : ``(predictions,)`` position whose final state the prediction is read from (0 without sequence).
    """

    scores: Tensor
    targets: Tensor
    rows: Tensor
    positions: Tensor


class Loss(abc.ABC):
    """How an output is scored against its targets.

    ``categorical`` losses are negative log-likelihoods in nats of a softmax over classes; the probability-based
    quantities (perplexity, entropy, calibration) exist for these only.
    """

    name: str
    categorical: bool

    @abc.abstractmethod
    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """Pair up outputs and targets. Raises GnomonError when the batch lacks what is needed."""

    @abc.abstractmethod
    def values(self, predictions: Predictions) -> Tensor:
        """Loss of each prediction, shape ``(predictions,)``, differentiable in the scores."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Categorical(Loss):
    categorical = True

    def values(self, predictions: Predictions) -> Tensor:
        """Negative log-likelihood in nats."""
        return F.cross_entropy(predictions.scores.float(), predictions.targets, reduction="none")


class NextToken(_Categorical):
    """Each token given those before it; the score at position t predicts token t + 1."""

    name = "next_token"

    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """See `Loss.predictions`. Needs ``input_ids``."""
        ids = batch.kwargs.get("input_ids")
        if ids is None:
            raise GnomonError("the next-token loss needs token ids", mend="use data of token sequences")
        real = torch.ones_like(ids, dtype=torch.bool) if batch.mask is None else batch.mask
        rows, positions = torch.nonzero(real[:, 1:], as_tuple=True)
        return Predictions(output[rows, positions], ids[rows, positions + 1], rows, positions)


class MaskedToken(_Categorical):
    """Hidden tokens of a masked language model, given all the others."""

    name = "masked_token"

    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """See `Loss.predictions`. Needs targets, −100 where nothing is predicted."""
        if batch.targets is None:
            raise GnomonError("the masked-token loss needs hidden tokens", mend="load the data with masking")
        rows, positions = torch.nonzero(batch.targets >= 0, as_tuple=True)
        return Predictions(output[rows, positions], batch.targets[rows, positions], rows, positions)


class CrossEntropy(_Categorical):
    """One class an example."""

    name = "cross_entropy"

    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """See `Loss.predictions`. Needs integer targets ``(batch,)`` and output ``(batch, classes)``."""
        targets = _targets(batch, self.name)
        if output.ndim != 2 or targets.ndim != 1 or targets.is_floating_point():
            raise GnomonError(
                f"cross entropy needs outputs (batch, classes) and integer targets (batch,), got "
                f"{tuple(output.shape)} and {tuple(targets.shape)} {targets.dtype}"
            )
        return Predictions(output, targets.long(), *_one_each(output))


class SquaredError(Loss):
    """Mean over outputs of the squared difference. Class targets are compared as one-hot vectors."""

    name = "squared_error"
    categorical = False

    def predictions(self, output: Tensor, batch: Batch) -> Predictions:
        """See `Loss.predictions`. Needs output ``(batch, outputs)`` and targets alike, or class indices."""
        targets = _targets(batch, self.name)
        output = output[:, None] if output.ndim == 1 else output
        if not targets.is_floating_point() and output.shape[1] > 1:
            return Predictions(output, targets.long(), *_one_each(output))
        targets = targets.reshape(len(output), -1).to(output.dtype)
        if targets.shape != output.shape:
            raise GnomonError(f"targets {tuple(targets.shape)} do not match outputs {tuple(output.shape)}")
        return Predictions(output, targets, *_one_each(output))

    def values(self, predictions: Predictions) -> Tensor:
        """Squared error of each prediction."""
        targets = predictions.targets
        if targets.ndim == 1:
            targets = F.one_hot(targets, predictions.scores.shape[1]).to(predictions.scores.dtype)
        return (predictions.scores - targets).square().mean(dim=1)


def _targets(batch: Batch, loss: str) -> Tensor:
    if batch.targets is None:
        raise GnomonError(f"the {loss} loss needs targets", mend="give data with labels")
    return batch.targets


def _one_each(output: Tensor) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(output), device=output.device)
    return rows, torch.zeros_like(rows)
