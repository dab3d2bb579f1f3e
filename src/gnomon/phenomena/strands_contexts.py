"""How many directions matter at each context: a network trained on a teacher that uses few of many at a time."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget
from gnomon.estimators.features.local_dimension import LEVELS, LocalRelevantDimension
from gnomon.estimators.geometry.participation_ratio import ParticipationRatio
from gnomon.estimators.geometry.twonn import TwoNN
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms.initial import linear
from gnomon.organisms.recipe import Count, Positive
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, Site, SquaredError, Subject

_BATCH = 256
_ROWS = 2000


class ContextsSpec(Spec):
    r"""A teacher with contexts, and the network that is trained on it.

    Contents x are standard normal in ``contexts * active`` dimensions; the context c is given beside them, one-hot.
    Output j is :math:`u_j^\top x` if direction j belongs to context c, else 0, for orthonormal directions of which
    each context has ``active``. With ``gated = False`` every direction belongs to every context. The network has one
    hidden layer of ReLUs and is trained by Adam on fresh examples.

    Parameters
    ----------
    contexts, active : number of contexts, and of directions that each uses.
    gated : whether contexts choose at all.
    width, steps, learning_rate : of the network and its training.
    """

    contexts: Annotated[int, Field(ge=2)] = 8
    active: Count = 2
    gated: bool = True
    width: Count = 128
    steps: Count = 800
    learning_rate: Positive = 2e-2
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _few_outputs(self) -> Self:
        if self.dimension > 16:
            raise GnomonError(
                f"bad ContextsSpec: {self.dimension} directions; the Jacobian is taken exactly for 16 at most",
                mend="lower contexts or active",
            )
        return self

    @property
    def dimension(self) -> int:
        """Of the contents; also the number of directions."""
        return self.contexts * self.active


class GatedTeacher:
    """The teacher of a `ContextsSpec`."""

    def __init__(self, spec: ContextsSpec) -> None:
        self.spec = spec
        generator = Rng(spec.seed).child("directions").torch()
        square = torch.randn(spec.dimension, spec.dimension, generator=generator)
        self.directions = torch.linalg.qr(square).Q.T
        owner = torch.arange(spec.dimension) // spec.active
        belongs = (owner == torch.arange(spec.contexts)[:, None]).float()
        self.gates = belongs if spec.gated else torch.ones_like(belongs)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Inputs ``(n, dimension + contexts)`` and targets ``(n, dimension)``."""
        contents = torch.randn(n, self.spec.dimension, generator=generator)
        context = torch.randint(self.spec.contexts, (n,), generator=generator)
        inputs = torch.cat([contents, torch.eye(self.spec.contexts)[context]], dim=1)
        return inputs, contents @ self.directions.T * self.gates[context]


class ContextNetwork(nn.Module):
    """One hidden layer of ReLUs on contents and context; the contents pass through a place of their own."""

    def __init__(self, spec: ContextsSpec) -> None:
        super().__init__()
        generator = Rng(spec.seed).child("weights").torch()
        inputs = spec.dimension + spec.contexts
        self.dimension = spec.dimension
        self.content = nn.Identity()
        self.up = linear(inputs, spec.width, (2 / inputs) ** 0.5, generator)
        self.down = linear(spec.width, spec.dimension, spec.width**-0.5, generator)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(n, dimension + contexts)`` to ``(n, dimension)``."""
        content = self.content(inputs[:, : self.dimension])
        hidden = torch.cat([content, inputs[:, self.dimension :]], dim=1)
        output: Tensor = self.down(self.up(hidden).relu())
        return output


@experiment("strands_contexts")
def read_contexts(spec: ContextsSpec) -> Outcome:
    """The median local relevant dimension of the trained network, beside the dimensions of its contents."""
    teacher, network = GatedTeacher(spec), ContextNetwork(spec)
    generator = Rng(spec.seed).child("training").torch()
    optimizer = torch.optim.Adam(network.parameters(), lr=spec.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, spec.steps)
    for _ in range(spec.steps):
        inputs, targets = teacher.draw(_BATCH, generator)
        loss = (network(inputs) - targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    inputs, targets = teacher.draw(_ROWS, Rng(spec.seed).child("test").torch())
    with torch.no_grad():
        unexplained = float((network(inputs) - targets).square().mean() / targets.square().mean())
    data = ArrayData(inputs, targets)
    subject = Subject(network, loss=SquaredError(), data=data, sites=(Site("content", "content"), Site("logits", "")))
    kinds = {
        "local": LocalRelevantDimension(contexts=256, outputs=16),
        "participation": ParticipationRatio(),
        "twonn": TwoNN(),
    }
    found: Outcome = {"unexplained": unexplained}
    for name, kind in kinds.items():
        (read,) = kind.measure(subject, data, sites=("content",), budget=Budget(), rng=Rng(spec.seed).child(name))
        value = None if read.value is None else np.atleast_1d(read.value)
        found[name] = None if value is None else float(value[LEVELS.index(0.5)] if name == "local" else value[0])
    return found
