"""A teacher on sequences whose every answer is a sum over pairs of neighbours."""

from __future__ import annotations

import functools
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from gnomon.lab.spec import Spec
from gnomon.randomness import Rng


class NeighbourTeacher(Spec):
    r"""A noiseless target on sequences of independent, uniform tokens.

    .. math:: y(x) = \frac{1}{\sqrt{T - 1}} \sum_{t=1}^{T-1} b(x_t, x_{t+1}), \qquad
              \sum_i b_{ij} = \sum_j b_{ij} = 0, \quad \frac{1}{V^2} \sum_{ij} b_{ij}^2 = 1

    The terms are uncorrelated, so y has mean 0 and variance 1 exactly; no function of single tokens explains any of it,
    and the best predictor errs by 0. It takes :math:`(V - 1)^2` numbers to one who knows that all places are alike,
    and T - 1 times as many to one who does not.

    Parameters
    ----------
    tokens : V.
    positions : T.
    seed : which teacher.
    """

    tokens: Annotated[int, Field(ge=2)] = 8
    positions: Annotated[int, Field(ge=2)] = 8
    seed: Annotated[int, Field(ge=0)] = 0

    @functools.cached_property
    def table(self) -> Tensor:
        """b, ``(V, V)``."""
        drawn = torch.randn(self.tokens, self.tokens, generator=Rng(self.seed).child("teacher").torch())
        centred = drawn - drawn.mean(dim=0) - drawn.mean(dim=1, keepdim=True) + drawn.mean()
        return centred / centred.square().mean().sqrt()

    def sequences(self, count: int, rng: Rng) -> Tensor:
        """Uniform sequences, ``(count, T)``."""
        return torch.randint(self.tokens, (count, self.positions), generator=rng.torch())

    def targets(self, sequences: Tensor) -> Tensor:
        """The value y of each sequence, ``(count,)``."""
        total = self.table[sequences[:, :-1], sequences[:, 1:]].sum(dim=1)
        targets: Tensor = total / math.sqrt(self.positions - 1)
        return targets
