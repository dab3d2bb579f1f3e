"""The average outer product of a network's own gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import pointed
from gnomon.structure.directions.method import Method, register
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_ROUNDINGS = 1e-10  # a singular value below this share of the largest is rounding


@register
@dataclass(frozen=True, kw_only=True)
class NetworkAgop(Method):
    r"""Leading eigenvectors of :math:`\frac1n \sum_i \nabla f(x_i)\,\nabla f(x_i)^\top`, f the network's own output.

    Directions that the output responds to, at these examples; labels decide nothing but the signs. They are those
    that the network uses for what f is, which need not be the concept that the labels name. Strengths are mean squared
    slopes. Any labels; the examples must carry gradients.

    Cost: :math:`2 m^2 M` operations with m the smaller and M the larger of n and d.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.
    """

    name: ClassVar[str] = "network_agop"
    source: ClassVar[str] = "Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881"
    most: ClassVar[int | None] = None

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        if examples.gradients is None:
            raise GnomonError(
                "network_agop needs the network's gradients",
                mend="read the examples with gradients=True, or use a method that needs none",
            )
        _, values, vectors = torch.linalg.svd(examples.gradients, full_matrices=False)
        if len(values) < rank or not bool(values[rank - 1] > _ROUNDINGS * values[0]):
            raise GnomonError(f"the gradients span fewer than {rank} directions", mend="ask for a lower rank")
        return Subspace.span(pointed(vectors[:rank].T, examples), values[:rank].square() / len(examples))
