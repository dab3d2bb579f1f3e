"""Which predictions of which examples a kernel is of, and their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.subjects import Batch, Data, Predictions, Subject
from gnomon.subjects.untouched import seeded


@dataclass(frozen=True, eq=False)
class Chosen:
    """Predictions of the examples of ``data``.

    Parameters
    ----------
    places : for each example, which of its predictions, in the order in which the loss gives them.
    targets : of each chosen prediction, ``(predictions,)`` classes or ``(predictions, outputs)`` values; ``None``
        for a subject without a loss.
    classes : number of scores of a prediction.
    """

    data: Data
    places: tuple[NDArray[np.int64], ...]
    targets: Tensor | None
    classes: int

    @property
    def slots(self) -> int:
        """The most predictions of one example."""
        return max(len(p) for p in self.places)

    def __len__(self) -> int:
        return sum(len(p) for p in self.places)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(examples, slots)``: true where an example has so many predictions."""
        counts = np.array([len(p) for p in self.places])
        return np.asarray(np.arange(self.slots) < counts[:, None])

    @property
    def clusters(self) -> NDArray[np.int64]:
        """Cluster of each chosen prediction."""
        return np.repeat(self.data.clusters, [len(p) for p in self.places])


def choose(subject: Subject, data: Data, *, each: int | None = None, rng: Rng | None = None) -> Chosen:
    """All predictions of every example, or ``each`` of them drawn at random. Takes one forward pass.

    Raises
    ------
    GnomonError : when there is no prediction, or a score is NaN or infinite.
    """
    counts = np.zeros(len(data), dtype=np.int64)
    found: list[tuple[int, Tensor]] = []
    classes = 0
    with torch.no_grad():
        for batch in data.batches(max_positions=4096, max_examples=64):
            predictions = scored(subject, batch)
            if not bool(torch.isfinite(predictions.scores).all()):
                raise GnomonError("a score is NaN or infinite", mend="check the weights, the data or the precision")
            if classes not in (0, predictions.scores.shape[1]):
                raise GnomonError(f"outputs of {subject.name} differ in length", mend="give the subject a loss")
            classes = predictions.scores.shape[1]
            rows = predictions.rows.cpu().numpy()
            for row, example in enumerate(batch.examples.tolist()):
                mine = np.flatnonzero(rows == row)
                counts[example] = len(mine)
                found.append((example, predictions.targets[torch.from_numpy(mine).to(predictions.targets.device)]))
    if counts.sum() == 0:
        raise GnomonError("no example holds a prediction", mend="give longer texts or data with labels")
    places = tuple(_some(int(n), each, None if rng is None else rng.child("places", i)) for i, n in enumerate(counts))
    by_example = dict(found)
    targets = [by_example[i][torch.from_numpy(p).to(by_example[i].device)] for i, p in enumerate(places)]
    return Chosen(data, places, None if subject.loss is None else torch.cat(targets).cpu(), classes)


def _some(n: int, each: int | None, rng: Rng | None) -> NDArray[np.int64]:
    if each is None or n <= each:
        return np.arange(n, dtype=np.int64)
    assert rng is not None
    return np.sort(rng.numpy().choice(n, size=each, replace=False)).astype(np.int64)


def scored(subject: Subject, batch: Batch) -> Predictions:
    """The predictions of a batch; without a loss, the whole output of each example is one."""
    output = subject.output(batch)
    moved = batch.to(output.device)
    if subject.loss is not None:
        return subject.loss.predictions(output, moved)
    rows = torch.arange(len(output), device=output.device)
    return Predictions(output.reshape(len(output), -1), torch.zeros_like(rows), rows, torch.zeros_like(rows))


def gathered(predictions: Predictions, places: Sequence[NDArray[np.int64]], slots: int) -> Tensor:
    """Scores of the chosen predictions, ``(examples, slots, classes)``; zero where an example has fewer."""
    rows = predictions.rows.cpu().numpy()
    index = np.full((len(places), slots), -1, dtype=np.int64)
    for row, wanted in enumerate(places):
        index[row, : len(wanted)] = np.flatnonzero(rows == row)[wanted]
    at = torch.from_numpy(index).to(predictions.scores.device)
    return predictions.scores[at.clamp(min=0)] * (at >= 0)[..., None]


@contextmanager
def running(subject: Subject) -> Iterator[None]:
    """Inside, the subject is in evaluation mode and draws the same random numbers, if any."""
    with subject.evaluating(), seeded(0, subject.device):
        yield
