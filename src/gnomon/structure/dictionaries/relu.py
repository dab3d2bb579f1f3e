"""ReLU latents with an L1 penalty: the first sparse autoencoders of language models."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary
from gnomon.structure.dictionaries.latents import Latents
from gnomon.structure.dictionaries.selection import Chosen, above

_MOST = 0.15


class ReLUSpec(Architecture):
    r"""Options of `ReLU`.

    Parameters
    ----------
    penalty : λ, the coefficient of the L1 norm of the codes; by default :math:`5 / \sqrt d` (Anthropic, Circuits
        Updates, April 2024: 5 for vectors of mean squared length d), but at most 0.15: it is meant for widths of
        thousands, and at a width of 64 would leave 0.3 of the variance explained where a TopK has 0.9.
    """

    kind: Literal["relu"] = "relu"
    penalty: float | None = Field(default=None, ge=0.0)


class ReLU(Dictionary):
    r""":math:`z = \max(W_e \tilde x + b_e, 0)`, loss :math:`\lVert e \rVert^2 + \lambda \lVert z \rVert_1`.

    Directions have unit length, else the penalty would be evaded by long ones.

    Sources: Bricken et al., Towards Monosemanticity, transformer-circuits.pub 2023; Cunningham et al.,
    arXiv:2309.08600.
    """

    kind: ClassVar[str] = "relu"
    architecture: ReLUSpec

    def chosen(self, scaled: Tensor) -> Chosen:
        """See `Dictionary.chosen`."""
        found = above(scaled, self.encoder, self.encoder_bias, scaled.new_zeros(()), most=1.0)
        assert found is not None
        return found

    def select(self, scaled: Tensor) -> Chosen | None:
        """See `Dictionary.select`."""
        return above(scaled, self.encoder, self.encoder_bias, scaled.new_zeros(()))

    def penalty(self, latents: Latents, values: Tensor, n: int) -> Tensor:
        """See `Dictionary.penalty`."""
        del latents
        coefficient = self.architecture.penalty
        if coefficient is None:
            coefficient = min(_MOST, 5 / math.sqrt(self.encoder.shape[1]))
        return coefficient * values.sum() / n
