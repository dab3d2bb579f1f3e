"""One forward pass over one batch, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch
from gnomon.subjects.edit import Visitor, visiting
from gnomon.subjects.losses import Predictions
from gnomon.subjects.statistic import Captured, Reads, ScalarOutput
from gnomon.subjects.subject import Subject
from gnomon.subjects.untouched import frozen


def capture(subject: Subject, batch: Batch, reads: Reads) -> Captured:
    """One forward pass over ``batch`` and, for each scalar output in ``reads``, one backward pass.

    Gradients with respect to parameters are neither computed nor touched. Where the network turns out to work in
    place on an activation that was read, that is remembered and the batch is run again, this time with a copy.

    Raises
    ------
    GnomonError : when a site is not reached, or more than once; UnknownNameError for an unknown site.
    """
    for name in reads.sites | reads.gradient_sites:
        subject.site(name)
    while True:
        readings = _Readings(reads)
        captured = _run(subject, batch.to(subject.device), reads, readings)
        found = readings.overwritten() - subject.overwritten
        if not found:
            return captured
        subject.overwritten |= found


def _run(subject: Subject, batch: Batch, reads: Reads, readings: _Readings) -> Captured:
    places = {n: subject.site(n) for n in sorted(reads.sites | reads.gradient_sites)}
    names = list(places)
    visitors = {n: readings.visitor(n) for n in names}
    with frozen(subject.module), visiting(subject, visitors), torch.set_grad_enabled(bool(reads.gradients)):
        output = subject.output(batch)
        predictions = None
        wanted = reads.predictions or any(scalar.reads_predictions for scalar in reads.gradients)
        if wanted and subject.loss is not None:
            predictions = subject.loss.predictions(output, batch)
        for name in names:
            if name not in readings.values:
                raise GnomonError(f"site {name!r} was not reached in the forward pass", mend="choose another site")
        gradients: dict[ScalarOutput, Mapping[str, Tensor]] = {}
        for number, scalar in enumerate(reads.gradients):
            total = scalar(output, predictions, batch).sum()
            found = readings.gradients(total, keep_graph=number + 1 < len(reads.gradients))
            gradients[scalar] = {n: places[n].rows(g) for n, g in found.items()}
    activations = {n: places[n].rows(readings.values[n].detach()) for n in names if n in reads.sites}
    if predictions is not None:
        predictions = Predictions(
            predictions.scores.detach(), predictions.targets, predictions.rows, predictions.positions
        )
    return Captured(batch, output.detach(), activations, predictions, gradients)


class _Readings:
    """What the visitors saw in one forward pass."""

    def __init__(self, reads: Reads) -> None:
        self.values: dict[str, Tensor] = {}
        self._differentiable = reads.gradient_sites if reads.gradients else frozenset()
        self._versions: dict[str, int] = {}

    def visitor(self, name: str) -> Visitor:
        """A visitor that notes the activation at ``name``."""

        def visit(activation: Tensor) -> Tensor | None:
            if name in self.values:
                raise GnomonError(f"site {name!r} is reached twice in a forward pass", mend="choose another site")
            if name not in self._differentiable:
                self._note(name, activation)
                return None
            if not activation.requires_grad:
                # the first gradient site on each path starts the graph; parameters stay out of it. What goes on is
                # a copy, because a leaf must not be worked on in place
                leaf = activation.detach().requires_grad_(True)
                self._note(name, leaf)
                activation = leaf.clone()
            else:
                self._note(name, activation)
            return activation

        return visit

    def _note(self, name: str, activation: Tensor) -> None:
        self.values[name] = activation
        self._versions[name] = activation._version

    def overwritten(self) -> set[str]:
        """Sites whose activation was changed after it was read."""
        return {n for n, value in self.values.items() if value._version != self._versions[n]}

    def gradients(self, total: Tensor, *, keep_graph: bool) -> dict[str, Tensor]:
        """Gradient of ``total`` at every gradient site; zero where it does not depend on it."""
        values = {n: v for n, v in self.values.items() if n in self._differentiable}
        if not total.requires_grad:
            return {n: torch.zeros_like(v) for n, v in values.items()}
        slopes = torch.autograd.grad(total, tuple(values.values()), retain_graph=keep_graph, materialize_grads=True)
        return dict(zip(values, slopes, strict=True))
