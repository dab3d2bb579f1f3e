"""Examples of a concept as arrays: what every method that finds a direction is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError

Kind = Literal["binary", "paired", "graded"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Labelled vectors, from a site of a network or from anywhere.

    Parameters
    ----------
    inputs : ``(n, d)``, kept in float64.
    labels : ``(n,)``: +1 and -1, both present, or for ``graded`` any numbers that are not all equal.
    kind : ``binary``; ``paired``, where the two examples of a pair differ in the concept alone and share a cluster; or
        ``graded``.
    clusters : ``(n,)`` ids; examples of one cluster depend on each other and are drawn and split together. By default
        every example is its own.
    gradients : ``(n, d)``, of the network's own output at the place that the inputs were read, where they were taken.

    Raises
    ------
    GnomonError : on shapes that do not match, fewer than two examples, numbers that are not finite, or labels that
        are not what ``kind`` says.
    """

    inputs: Tensor
    labels: Tensor
    kind: Kind = "binary"
    clusters: NDArray[np.int64] | None = None
    gradients: Tensor | None = None

    def __post_init__(self) -> None:
        inputs = torch.as_tensor(self.inputs).to(torch.float64)
        labels = torch.as_tensor(self.labels).to(inputs)
        if inputs.ndim != 2 or labels.shape != inputs.shape[:1] or len(inputs) < 2 or not inputs.shape[1]:
            raise GnomonError(
                f"inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)} do not belong together",
                mend="give a row of inputs for each label, and at least two",
            )
        gradients = self.gradients
        if gradients is not None:
            gradients = torch.as_tensor(gradients).to(inputs)
            if gradients.shape != inputs.shape:
                raise GnomonError(f"gradients {tuple(gradients.shape)} are not of inputs {tuple(inputs.shape)}")
        for name, values in (("inputs", inputs), ("labels", labels), ("gradients", gradients)):
            if values is not None and not bool(torch.isfinite(values).all()):
                raise GnomonError(f"{name} hold NaN or infinite numbers", mend="leave out such examples")
        clusters = np.arange(len(labels)) if self.clusters is None else np.asarray(self.clusters, dtype=np.int64)
        if clusters.shape != tuple(labels.shape):
            raise GnomonError(f"clusters {clusters.shape} are not of {len(labels)} examples")
        if bool((labels == labels[0]).all()):
            raise GnomonError("all examples have one label", mend="give examples with and without the concept")
        if self.kind != "graded" and not bool((labels.abs() == 1).all()):
            raise GnomonError("labels are not +1 and -1", mend="code them so, or call the examples graded")
        if self.kind == "paired":
            _check_pairs(labels, clusters)
        for name, value in (("inputs", inputs), ("labels", labels), ("clusters", clusters), ("gradients", gradients)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def groups(self) -> NDArray[np.int64]:
        """``(n,)`` cluster of each example."""
        assert self.clusters is not None  # set when it was made
        return self.clusters

    @property
    def positive(self) -> Tensor:
        """``(n,)`` bool, see `positives`."""
        return positives(self.labels, self.kind)

    def take(self, indices: NDArray[np.int64] | Tensor) -> Examples:
        """Those at ``indices``, which may repeat. Raises GnomonError as the constructor does."""
        index = torch.as_tensor(indices)
        repeats = len(np.unique(index.numpy())) < len(index)
        return Examples(
            inputs=self.inputs[index],
            labels=self.labels[index],
            kind="binary" if self.kind == "paired" and repeats else self.kind,
            clusters=self.groups[index.numpy()],
            gradients=None if self.gradients is None else self.gradients[index],
        )


def positives(labels: Tensor, kind: Kind) -> Tensor:
    """``(n,)`` bool: the label is above 0; of graded ones above their median, or at it where none is above."""
    if kind != "graded":
        return labels > 0.0
    above = labels > labels.median()
    return above if bool(above.any()) else labels == labels.max()


def _check_pairs(labels: Tensor, clusters: NDArray[np.int64]) -> None:
    ids, places, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    sums = np.bincount(places, weights=labels.cpu().numpy(), minlength=len(ids))
    wrong = np.flatnonzero((counts != 2) | (sums != 0))
    if len(wrong):
        raise GnomonError(
            f"pair {int(ids[wrong[0]])} is not one example with and one without the concept",
            mend="give both of every pair the same cluster",
        )
