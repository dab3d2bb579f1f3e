"""Matryoshka latents: nested dictionaries, each of which reconstructs by itself."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

from pydantic import model_validator
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.dictionaries.batch_top_k import BatchTopK, BatchTopKSpec
from gnomon.structure.dictionaries.latents import Latents

_SHARES = (1 / 32, 3 / 32, 7 / 32, 15 / 32, 1.0)


class MatryoshkaSpec(BatchTopKSpec):
    """Options of `Matryoshka`.

    Parameters
    ----------
    prefixes : sizes of the nested dictionaries, rising, the last is all latents. By default 1/32, 3/32, 7/32, 15/32
        and all of them, as in the paper.
    """

    kind: Literal["matryoshka"] = "matryoshka"
    prefixes: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _nested(self) -> MatryoshkaSpec:
        sizes = self.sizes
        if sizes[0] < 1 or sizes[-1] != self.latents or any(b <= a for a, b in itertools.pairwise(sizes)):
            raise GnomonError(
                f"prefixes {list(sizes)} do not rise to the {self.latents} latents", mend="end with the number of all"
            )
        return self

    @property
    def sizes(self) -> tuple[int, ...]:
        """The prefixes, or the default ones."""
        return self.prefixes or tuple(sorted({max(1, round(share * self.latents)) for share in _SHARES}))


class Matryoshka(BatchTopK):
    r"""BatchTopK latents; loss :math:`\frac{1}{|P|} \sum_{p \in P} \lVert \tilde y - W_{1:p}^\top z_{1:p} - b_d
    \rVert^2` over nested prefixes of the latents.

    Early latents have to stand alone, and so learn what is general; later ones what is special. The paper sums over
    prefixes; the mean differs by a factor and keeps the learning rate and the auxiliary loss comparable.

    Source: Bussmann et al., arXiv:2503.17547.
    """

    kind: ClassVar[str] = "matryoshka"
    architecture: MatryoshkaSpec

    def reconstruction(self, latents: Latents, values: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """See `Dictionary.reconstruction`."""
        sizes = self.architecture.sizes
        left, total = target - self.decoder_bias, values.new_zeros(())
        for start, stop in itertools.pairwise((0, *sizes)):
            left = left - latents.decode(values, self.decoder, start, stop)
            total = total + left.square().sum()
        return total / (len(target) * len(sizes)), left
