"""Directions drawn at random: what a method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import pointed
from gnomon.structure.directions.method import Method, register
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace


@register
@dataclass(frozen=True, kw_only=True)
class Random(Method):
    r"""A subspace drawn uniformly: the span of columns of :math:`g_{ij} \sim N(0, 1)`. The null.

    The examples decide nothing but the signs: as those of every method, its directions point to where labels are
    higher, so that its detection is as much better than a coin as that choice makes it. The expected squared cosine of
    one with any fixed direction is 1/d. Strengths are 1. Any labels.

    Source: the directions are those of Haar measure; Mezzadri, Notices of the AMS 54 (2007) 592, arXiv:math-ph/0609050.
    """

    name: ClassVar[str] = "random"
    source: ClassVar[str] = "Mezzadri, Notices of the AMS 54 (2007) 592, arXiv:math-ph/0609050"
    most: ClassVar[int | None] = None
    draws: ClassVar[bool] = True

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        generator = rng.child("random").torch()
        drawn = torch.randn(examples.inputs.shape[1], rank, generator=generator, dtype=torch.float64)
        basis = Subspace.span(drawn.to(examples.inputs), torch.ones(rank)).basis
        return Subspace(pointed(basis, examples), torch.ones(rank))
