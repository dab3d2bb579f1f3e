"""Epoch-wise double descent: a small network that learns noisy labels of digits by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.digits import digits
from gnomon.organisms.ensemble import Each, Ensemble
from gnomon.organisms.ensemble_optimizers import Sgd
from gnomon.organisms.label_noise import wrong_labels
from gnomon.randomness import Rng

NAME = "noisy_digits_network"
VALIDATION = 300
_SHORTER = 50  # times as short is the training that is timed alone and together


class NoisyNetwork(Spec):
    """A ReLU network with one hidden layer on digits, cross-entropy, SGD with momentum.

    Parameters
    ----------
    width : hidden units.
    examples : training images.
    noise : share of wrong labels among them.
    steps : minibatches of ``batch`` images, drawn with replacement.
    marks : how often errors are read, evenly in the logarithm of the step.
    """

    width: int = Field(default=512, ge=1)
    examples: int = Field(default=1_200, ge=10, le=1_200)
    noise: float = Field(default=0.35, ge=0, le=1)
    steps: int = Field(default=4_500, ge=10)
    batch: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    marks: int = Field(default=90, ge=12)
    seed: int = 0

    def read_at(self) -> list[int]:
        """Steps at which errors are read."""
        return sorted({round(step) for step in np.geomspace(1, self.steps, self.marks).tolist()})

    def network(self) -> nn.Sequential:
        """The network before training; weights from N(0, 1/fan-in), biases zero."""
        generator = Rng(self.seed).child("weights").torch()
        first, second = (_linear(i, o, generator) for i, o in ((64, self.width), (self.width, 10)))
        return nn.Sequential(first, nn.ReLU(), second)


def alike(spec: NoisyNetwork) -> tuple[object, ...]:
    """Networks that differ in seed, label noise, learning rate or momentum train together."""
    return spec.width, spec.examples, spec.steps, spec.batch, spec.marks


def train_together(specs: Sequence[NoisyNetwork]) -> list[Outcome]:
    """Train networks that are `alike`, each on its own split, noise and order of batches."""
    one = specs[0]
    ensemble = Ensemble([spec.network() for spec in specs])
    optimizer = Sgd([s.learning_rate for s in specs], momentum=[s.momentum for s in specs])
    splits = [_images(spec) for spec in specs]
    inputs, labels, held, classes = (torch.stack(parts) for parts in zip(*splits, strict=True))
    batches = torch.stack([_batches(spec) for spec in specs])
    replicas = torch.arange(len(specs))[:, None]
    at, found = one.read_at(), []
    for step in range(1, one.steps + 1):
        rows = batches[:, step - 1]
        losses, _ = ensemble.step(
            optimizer, nn.functional.cross_entropy, Each(inputs[replicas, rows]), Each(labels[replicas, rows])
        )
        if step in at:
            if not bool(losses.isfinite().all()):
                raise GnomonError(f"training diverged before step {step}", mend="lower learning_rate")
            known = ensemble.outputs(Each(inputs)).argmax(dim=2) != labels
            wrong = (ensemble.outputs(Each(held)).argmax(dim=2) != classes).double()
            parts = known.double(), wrong[:, :VALIDATION], wrong[:, VALIDATION:]
            found.append(torch.stack([part.mean(dim=1) for part in parts]))
    curves = torch.stack(found).permute(2, 1, 0).tolist()
    names = ("train_error", "validation_error", "test_error")
    return [{"steps": at, **dict(zip(names, curve, strict=True))} for curve in curves]


def _shortened(spec: NoisyNetwork) -> NoisyNetwork:
    return spec.model_copy(update={"steps": max(10, spec.steps // _SHORTER), "marks": 12})


@experiment(NAME, together=train_together, alike=alike, shortened=_shortened)
def noisy_network(spec: NoisyNetwork) -> Outcome:
    """Shares of misclassified images against steps: of the noisy training labels, and of clean held-out ones."""
    return train_together([spec])[0]


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    # skip_init: the default initialisation would draw from the global generator
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.normal_(0.0, inputs**-0.5, generator=generator)
        layer.bias.zero_()
    return layer


def _images(spec: NoisyNetwork) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = Rng(spec.seed)
    train, rest = digits().split(spec.examples, rng.child("split"))
    centre = train.images.mean(axis=0)

    # twice: the pixels then have a standard deviation near 1 where there is ink
    def scaled(images: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(2 * (images - centre)).float()

    labels = wrong_labels(train.classes, spec.noise, rng.child("noise"))
    return scaled(train.images), torch.from_numpy(labels), scaled(rest.images), torch.from_numpy(rest.classes.copy())


def _batches(spec: NoisyNetwork) -> Tensor:
    generator = Rng(spec.seed).child("batches").torch()
    return torch.randint(spec.examples, (spec.steps, spec.batch), generator=generator)
