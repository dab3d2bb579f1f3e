"""Principal directions of the differences between the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import label_slope, pointed
from gnomon.structure.directions.method import Method, register
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_ROUNDINGS = 1e-10  # a singular value below this share of the largest is rounding


@register
@dataclass(frozen=True, kw_only=True)
class Pca(Method):
    r"""Leading eigenvectors of the second moment of differences, :math:`\frac1m \sum_j d_j d_j^\top`.

    For pairs, :math:`d_j = x_{j+} - x_{j-}`. For two classes without pairs, the differences are those of every
    example of one class to every one of the other, taken in closed form:

    .. math:: \frac{1}{n_+ n_-} \sum_{i, j} (x_i - x_j)(x_i - x_j)^\top
              = (\bar x_+ - \bar x_-)(\bar x_+ - \bar x_-)^\top + S_+ + S_- .

    The moment is about zero. About their mean (``centred``) the differences have lost what they have in common,
    which is the concept; what is left are directions along which they vary. It is offered because others do it.
    Unlike the mean difference it gives several directions; it is off where examples vary more along some direction
    than the classes differ. Two classes only. Strengths are mean squared differences along each direction.

    Parameters
    ----------
    centred : take the differences about their mean.

    Cost: :math:`2 m^2 M` operations with m the smaller and M the larger of n and d.

    Source: Zou et al., Representation Engineering, arXiv:2310.01405 (linear artificial tomography), where the
    differences have random signs, so that their mean is about zero and what is computed is this second moment.
    """

    centred: bool = False

    name: ClassVar[str] = "pca"
    source: ClassVar[str] = "Zou et al., Representation Engineering, arXiv:2310.01405"
    most: ClassVar[int | None] = None

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        self.check_classes(examples)
        factors = self._paired(examples) if examples.kind == "paired" else self._every(examples)
        _, values, vectors = torch.linalg.svd(factors, full_matrices=False)
        if len(values) < rank or not bool(values[rank - 1] > _ROUNDINGS * examples.inputs.norm()):
            raise GnomonError(f"the differences span fewer than {rank} directions", mend="ask for a lower rank")
        return Subspace.span(pointed(vectors[:rank].T, examples), values[:rank].square())

    def _paired(self, examples: Examples) -> Tensor:
        """Rows whose second moments sum to that of the differences of pairs, ``(pairs, d)``."""
        y, x = examples.labels.cpu().numpy(), examples.inputs
        first, second = (np.flatnonzero(y == sign) for sign in (1, -1))
        partner = second[np.argsort(examples.groups[second])]
        differences = x[first[np.argsort(examples.groups[first])]] - x[partner]
        if self.centred:
            differences = differences - differences.mean(dim=0)
        rows: Tensor = differences / len(differences) ** 0.5
        return rows

    def _every(self, examples: Examples) -> Tensor:
        """The same of the differences of all examples of one class to all of the other."""
        x, y = examples.inputs, examples.labels
        classes = (x[y > 0], x[y < 0])
        rows = [(part - part.mean(dim=0)) / len(part) ** 0.5 for part in classes]
        if not self.centred:
            rows.append(2 * label_slope(x, y)[None])
        return torch.cat(rows)
