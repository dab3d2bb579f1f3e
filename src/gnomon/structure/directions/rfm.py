"""Directions that a recursive feature machine learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import pointed
from gnomon.structure.directions.method import Method, register
from gnomon.structure.directions.row_space import RowSpace
from gnomon.structure.examples import Examples
from gnomon.structure.kernels import Gaussian
from gnomon.structure.recursive_feature_machine import RecursiveFeatureMachine
from gnomon.structure.subspace import Subspace

_ROUNDINGS = 1e-10  # an eigenvalue below this share of the largest is rounding


def agop_directions(inputs: Tensor, labels: Tensor, machine: RecursiveFeatureMachine) -> tuple[Tensor, Tensor]:
    """Eigenvalues, falling, and eigenvectors, in columns, of the average gradient outer product of the last round.

    Parameters
    ----------
    inputs : ``(n, d)``.
    labels : ``(n,)``: the targets that the machine is fitted to.
    machine : what is fitted.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.
    """
    *_, last = machine.iterate(inputs, labels[:, None])
    values, vectors = torch.linalg.eigh(last.agop)
    return values.flip(0), vectors.flip(1).to(inputs)


@register
@dataclass(frozen=True, kw_only=True)
class Rfm(Method):
    r"""Leading eigenvectors of the average gradient outer product of a kernel machine that learned its metric.

    A `RecursiveFeatureMachine` with a Gaussian kernel is fitted to the labels about their mean, in the span of the
    examples. Its gradients need not share a sign, so that it also finds directions along which the classes alternate,
    where every linear method is blind; it needs more examples for what is linear. Any labels. Strengths are mean
    squared slopes.

    Parameters
    ----------
    bandwidth : of the kernel, in units of the root mean squared distance between examples.
    ridge : of the machine.
    rounds : how many times the metric is learned.

    Cost of a round: :math:`n^3/3 + 2 n^2 m` operations, and :math:`m^3` with m the smaller of n and d.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881; for concepts:
    Beaglehole, Radhakrishnan, Boix-Adserà & Belkin, arXiv:2502.03708.
    """

    bandwidth: float = 0.7
    ridge: float = 3.0
    rounds: int = 3

    name: ClassVar[str] = "rfm"
    source: ClassVar[str] = "Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881"
    most: ClassVar[int | None] = None

    def for_share(self, share: float) -> Self:
        """See `Method.for_share`: the ridge, which stands against a sum over examples, falls with them."""
        return replace(self, ridge=share * self.ridge)

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        space = RowSpace.of(examples.inputs)
        distance = float((2 * space.coordinates.square().sum(dim=1).mean()).sqrt())
        if not distance > 0:
            raise GnomonError("all inputs are equal", mend="give examples whose inputs differ")
        machine = RecursiveFeatureMachine(
            kernel=Gaussian(self.bandwidth * distance), ridge=self.ridge, rounds=self.rounds
        )
        targets = examples.labels - examples.labels.mean()
        values, vectors = agop_directions(space.coordinates, targets / targets.square().mean().sqrt(), machine)
        if len(values) < rank or not bool(values[rank - 1] > _ROUNDINGS * values[0]):
            raise GnomonError(f"the machine depends on fewer than {rank} directions", mend="ask for a lower rank")
        return Subspace.span(pointed(space.lift(vectors[:, :rank]), examples), values[:rank])
