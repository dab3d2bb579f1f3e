"""The scalar outputs that are differentiated: one prediction an example, and what is asked about it."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import hashed
from gnomon.subjects import Batch, Data, Predictions, ScalarOutput, Subject

Place = Literal["hashed", "last"]

_PLACES_KEY = 0x676E6F6D6F6E  # fixed: which prediction stands for an example is part of the definition, not of a run


@dataclass(frozen=True, eq=False)
class Chosen:
    """The prediction that stands for each example that has any.

    Parameters
    ----------
    rows : ``(chosen,)`` row of the batch.
    index : ``(chosen,)`` where the prediction is among those of the batch.
    """

    rows: Tensor
    index: Tensor

    @classmethod
    def of(cls, predictions: Predictions, batch: Batch, place: Place) -> Chosen:
        """The last prediction of each example, or one drawn by a hash of the example's number, uniformly."""
        rows = predictions.rows
        order = torch.argsort(rows, stable=True)
        counts = torch.bincount(rows, minlength=len(batch))
        present = torch.nonzero(counts)[:, 0]
        number = counts[present]
        if place == "last":
            offset = number - 1
        else:
            drawn = hashed_offset(batch.examples.numpy()[present.cpu().numpy()], number.cpu().numpy())
            offset = torch.from_numpy(drawn).to(rows.device)
        starts = torch.cumsum(counts, 0) - counts
        return cls(present, order[starts[present] + offset])


def hashed_offset(examples: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the ``counts`` predictions of each example stands for it."""
    return np.asarray(hashed(_PLACES_KEY, examples) % counts.astype(np.uint64)).astype(np.int64)


@dataclass(frozen=True)
class ChosenOutput(ScalarOutput):
    """A scalar of the scores of one prediction an example; 0 for an example that holds none."""

    place: Place = "hashed"

    def __call__(self, output: Tensor, predictions: Predictions | None, batch: Batch) -> Tensor:
        """See `ScalarOutput`."""
        del output
        assert predictions is not None
        chosen = Chosen.of(predictions, batch, self.place)
        scores = predictions.scores[chosen.index].double()
        values = self.of_scores(scores, batch.examples.numpy()[chosen.rows.cpu().numpy()])
        return torch.zeros(len(batch), dtype=values.dtype, device=values.device).index_add(0, chosen.rows, values)

    @abc.abstractmethod
    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """The scalar of each row of ``scores``, ``(chosen, outputs)`` in float64."""


@dataclass(frozen=True)
class PredictedLogProbability(ChosenOutput):
    r"""Log-probability of the class that is predicted, :math:`\log p_{\arg\max z}`."""

    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """See `ChosenOutput.of_scores`."""
        del examples
        return scores.amax(dim=1) - scores.logsumexp(dim=1)


@dataclass(frozen=True)
class Component(ChosenOutput):
    """One output by its index."""

    index: int = 0

    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """See `ChosenOutput.of_scores`."""
        del examples
        return scores[:, self.index]


@dataclass(frozen=True)
class Probe(ChosenOutput):
    """All outputs with random signs, one draw an example, divided by the root of the number of probes.

    The outer product of its gradient has the expectation of a share of JᵀJ (Hutchinson 1990).
    """

    number: int = 0
    of: int = 1

    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """See `ChosenOutput.of_scores`."""
        return (scores * signs(self.number, examples, scores)).sum(dim=1) / math.sqrt(self.of)


@dataclass(frozen=True)
class FisherColumn(ChosenOutput):
    r"""One column of a root of the Fisher metric at the scores: of the class of the given ``rank`` by probability.

    :math:`R = \mathrm{diag}(\sqrt p) - p \sqrt p^\top` has :math:`R R^\top = \mathrm{diag}(p) - p p^\top`. The
    weights :math:`R_{\cdot c}` are constants: only the scores are differentiated.
    """

    rank: int = 0

    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """See `ChosenOutput.of_scores`."""
        del examples
        p = scores.detach().softmax(dim=1)
        share, at = p.topk(self.rank + 1, dim=1)
        column = at[:, -1:]
        weights = (-p).scatter_add(1, column, torch.ones_like(p[:, :1]))
        return share[:, -1].sqrt() * (weights * scores).sum(dim=1)


@dataclass(frozen=True)
class FisherProbe(ChosenOutput):
    """The columns of `FisherColumn` beyond the ``exact`` most probable classes, with random signs, added up."""

    number: int = 0
    exact: int = 0

    def of_scores(self, scores: Tensor, examples: NDArray[np.int64]) -> Tensor:
        """See `ChosenOutput.of_scores`."""
        p = scores.detach().softmax(dim=1)
        roots = p.sqrt() * signs(self.number, examples, p)
        if self.exact:
            roots = roots.scatter(1, p.topk(self.exact, dim=1).indices, 0.0)
        weights = roots - p * roots.sum(dim=1, keepdim=True)
        return (weights * scores).sum(dim=1)


def signs(number: int, examples: NDArray[np.int64], like: Tensor) -> Tensor:
    """Random signs ``(examples, outputs)`` that depend on the probe's number, the example and the output only."""
    outputs = np.arange(like.shape[1])[None, :]
    drawn = hashed(_PLACES_KEY + 1 + number, examples[:, None], outputs)
    return torch.from_numpy((drawn >> np.uint64(63)).astype(np.float64) * 2 - 1).to(like)


def number_of_outputs(subject: Subject, data: Data) -> int:
    """How many scores a prediction has, found by running one example. Raises GnomonError without a loss."""
    if subject.loss is None:
        raise GnomonError(f"{subject.name} has no loss", mend="give it one: there is nothing to differentiate")
    batch = data.batch([int(np.argmin(data.lengths))]).to(subject.device)
    with subject.evaluating(), torch.no_grad():
        return int(subject.loss.predictions(subject.output(batch), batch).scores.shape[1])


def feature_outputs(
    subject: Subject, data: Data, place: Place, *, most: int = 8, probes: int = 4
) -> tuple[ChosenOutput, ...]:
    """What is differentiated for an average over examples: the fewest scalars whose outer products add up to it.

    Categorical losses: the log-probability of what is predicted. Others: each output, or ``probes`` random sums of
    them where there are more than ``most``.
    """
    if subject.loss is not None and subject.loss.categorical:
        return (PredictedLogProbability(place),)
    outputs = number_of_outputs(subject, data)
    if outputs <= most:
        return tuple(Component(place, i) for i in range(outputs))
    return tuple(Probe(place, i, probes) for i in range(probes))
