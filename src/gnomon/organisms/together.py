"""Growing many organisms at once: recipes that differ in seed and optimiser only, as one ensemble."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.organisms.ensemble import Each, Ensemble
from gnomon.organisms.ensemble_optimizers import AdamW, Optimizer
from gnomon.organisms.modular import QuadraticNetwork
from gnomon.organisms.organism import History, Organism
from gnomon.organisms.quadratic_pairs import QuadraticCourse
from gnomon.organisms.recipe import Recipe
from gnomon.organisms.training import Progress
from gnomon.subjects import ArrayData

_MAY_DIFFER = frozenset({"seed", "learning_rate", "betas", "weight_decay"})


def alike(spec: Recipe) -> Hashable:
    """Recipes with one and the same ``alike(spec)`` can be trained together.

    They agree in all but seed (so in all but initial weights and split), learning rate, betas and weight decay. A
    different ``train_share`` gives data of other shapes: those go apart, rather than carry rows that do not count.
    """
    return spec.model_dump_json(exclude=set(_MAY_DIFFER))


def train_together(
    specs: Sequence[Recipe],
    *,
    observe: Callable[[int, Ensemble], None] | None = None,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
) -> list[Organism | GnomonError]:
    """The organisms that ``specs`` describe, as `train` would grow each, within rounding.

    Where training diverges, the place of the organism holds the error that `train` would raise; the others are not
    disturbed.

    Parameters
    ----------
    specs : recipes that are `alike`.
    observe : called as ``observe(step, ensemble)`` with step = 0 before training and after each update of all.
    progress : called as ``progress(step, steps)`` after each update of all.
    device : where to train; the organisms stay there.

    Raises
    ------
    GnomonError : without recipes, or when they are not alike.

    Cost: see `Ensemble`; of quadratic networks about half of what they take alone (`make bench` measures it).

    >>> from gnomon.organisms import ModularAddition
    >>> recipes = [ModularAddition(p=5, steps=3, seed=seed) for seed in range(4)]
    >>> [organism.spec.seed for organism in train_together(recipes)]
    [0, 1, 2, 3]
    """
    if len({alike(spec) for spec in specs}) != 1:
        raise GnomonError(
            "recipes that are trained together agree in all but " + ", ".join(sorted(_MAY_DIFFER)),
            mend="train the others apart",
        )
    one, data = specs[0], [spec.data() for spec in specs]
    ensemble = Ensemble([spec.network().to(device) for spec in specs])
    optimizer = AdamW(
        [spec.learning_rate for spec in specs],
        betas=([spec.betas[0] for spec in specs], [spec.betas[1] for spec in specs]),
        weight_decay=[spec.weight_decay for spec in specs],
    )
    course: Course = _OnSplits(one, ensemble, data, device)
    if isinstance(one, QuadraticNetwork):
        course = QuadraticCourse([spec for spec in specs if isinstance(spec, QuadraticNetwork)], ensemble)
    curves = torch.empty(3, one.steps + 1, len(specs), dtype=torch.float64, device=device)
    for step in range(one.steps + 1):
        if observe is not None:
            observe(step, ensemble)
        curves[:, step] = course.advance(optimizer if step < one.steps else None)
        if progress is not None and step < one.steps:
            progress(step + 1, one.steps)
    return [_organism(i, spec, ensemble, data[i], curves[:, :, i].cpu()) for i, spec in enumerate(specs)]


def _organism(
    replica: int, spec: Recipe, ensemble: Ensemble, data: tuple[ArrayData, ArrayData], curves: Tensor
) -> Organism | GnomonError:
    loss, train_accuracy, test_accuracy = (curve.numpy().copy() for curve in curves)
    diverged = curves[0].isfinite().logical_not().nonzero()
    if len(diverged):
        return GnomonError(f"training diverged at step {int(diverged[0])}", mend="lower learning_rate")
    return Organism(
        spec=spec,
        module=ensemble.module(replica),  # type: ignore[arg-type]  # a copy of what spec.network() gave
        train=data[0],
        test=data[1],
        history=History(train_loss=loss, train_accuracy=train_accuracy, test_accuracy=test_accuracy),
    )


class Course(Protocol):
    """Networks in training."""

    def advance(self, optimizer: Optimizer | None) -> Tensor:
        """Training losses, training and test accuracies ``(3, R)``, and then an update, if there is an optimiser."""


class _OnSplits:
    """Networks of any architecture, on the examples of their splits."""

    def __init__(
        self,
        one: Recipe,
        ensemble: Ensemble,
        data: Sequence[tuple[ArrayData, ArrayData]],
        device: str | torch.device,
    ) -> None:
        self._ensemble, self._objective = ensemble, one.objective
        self._train = _stacked([train for train, _ in data], device)
        self._test = _stacked([test for _, test in data], device)

    def advance(self, optimizer: Optimizer | None) -> Tensor:
        """See `Course.advance`."""
        test = self._ensemble.evaluate(_accuracy, *self._test)
        if optimizer is None:
            losses = self._ensemble.evaluate(self._objective, *self._train)
            accuracies = self._ensemble.evaluate(_accuracy, *self._train)
        else:
            losses, outputs = self._ensemble.step(optimizer, self._objective, *self._train)
            accuracies = _accuracy(outputs, self._train[1].values)
        return torch.stack([losses.double(), accuracies, test])


def _stacked(splits: Sequence[ArrayData], device: str | torch.device) -> tuple[Each, Each]:
    targets = [split.targets for split in splits if split.targets is not None]
    return Each(torch.stack([s.inputs for s in splits]).to(device)), Each(torch.stack(targets).to(device))


def _accuracy(output: Tensor, classes: Tensor) -> Tensor:
    """Share of the rows, the last axis of ``classes``, whose greatest output is at their class."""
    return (output.argmax(dim=-1) == classes).double().mean(dim=-1)
