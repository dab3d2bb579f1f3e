"""Jacobians of a network, context by context."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.features.gradients import GradientAccumulator, GradientSample
from gnomon.estimators.features.outputs import (
    ChosenOutput,
    Component,
    FisherColumn,
    Place,
    PredictedLogProbability,
    number_of_outputs,
)
from gnomon.randomness import Rng
from gnomon.subjects import Data, Subject, accumulate


def context_jacobians(
    subject: Subject, data: Data, site: str, *, outputs: int = 1, place: Place = "last", memory: int = 512 * 2**20
) -> Tensor:
    r"""Gradients at ``site`` of one prediction of each example, ``(n, outputs, d)`` in float64.

    For categorical losses and one output, of the log-probability of what is predicted; for more, of the first columns
    of a root of the Fisher metric, :math:`R = \mathrm{diag}(\sqrt p) - p \sqrt p^\top` times the logits, for the
    most probable classes in turn (see `FisherColumn`). For other losses, of the first outputs. They are taken at the
    prediction's own position in token models.

    Parameters
    ----------
    place : the ``last`` prediction of each example, or one drawn by a ``hashed`` number.
    memory : bytes that a batch may take.

    Raises GnomonError when there are fewer outputs, an example holds no prediction, or has several rows at the site.

    Cost: one forward pass and ``outputs`` backward passes an example.
    """
    held = number_of_outputs(subject, data)
    if not 1 <= outputs <= held:
        raise GnomonError(f"{outputs} outputs of {held}", mend=f"ask for 1 to {held}")
    assert subject.loss is not None  # `number_of_outputs` says so otherwise
    chosen: tuple[ChosenOutput, ...]
    if not subject.loss.categorical:
        chosen = tuple(Component(place, i) for i in range(outputs))
    elif outputs == 1:
        chosen = (PredictedLogProbability(place),)
    else:
        chosen = tuple(FisherColumn(place, rank) for rank in range(outputs))
    # every example its own cluster, so that the rows of the sample say which example they are of
    single = copy.copy(data)
    single.clusters = np.arange(len(data))
    sample = GradientSample(site, chosen, rows=(len(data) + 1) * outputs)
    found, _ = accumulate(subject, single, [sample], Rng(0), max_bytes=memory)
    rows = found[sample]
    assert isinstance(rows, GradientAccumulator)
    if len(rows.values) != len(data) or len(np.unique(rows.clusters)) != len(data):
        raise GnomonError(
            f"{len(rows.values)} gradients at {site!r} for {len(data)} examples",
            mend="choose a site with one row an example, and examples that hold a prediction",
        )
    return torch.from_numpy(rows.values[np.argsort(rows.clusters)]).double()
