"""Linear discriminant analysis with a covariance shrunk to a sphere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.method import Method, register
from gnomon.structure.directions.row_space import RowSpace
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace


def shrinkage(residuals: Tensor, dimension: int) -> tuple[float, float]:
    r"""The share ρ of a sphere in the best estimate :math:`(1 - \rho) S + \rho\,v\,I` of a covariance, and v.

    :math:`S = \frac1n \sum_i r_i r_i^\top`, :math:`v = \operatorname{tr} S / d`, and
    :math:`\rho = \min(1, b^2 / \|S - v I\|^2)` with :math:`b^2 = \frac1{n^2} \sum_i \|r_i r_i^\top - S\|^2`, which
    minimises the expected squared Frobenius distance to the truth, asymptotically and for any distribution.

    Parameters
    ----------
    residuals : the :math:`r_i`, ``(n, r)``, in coordinates of any subspace that holds them.
    dimension : d, of the space that they lie in.

    Source: Ledoit & Wolf, Journal of Multivariate Analysis 88 (2004) 365.
    """
    n = len(residuals)
    squares = residuals.square().sum(dim=1)
    small = residuals if n >= residuals.shape[1] else residuals.T
    frobenius = (small.T @ small / n).square().sum()
    sphere = squares.mean() / dimension
    apart = frobenius - dimension * sphere**2
    noise = (squares.square().mean() - frobenius) / n
    share = 1.0 if not bool(apart > 0) else min(1.0, max(0.0, float(noise / apart)))
    return share, float(sphere)


@register
@dataclass(frozen=True, kw_only=True)
class Lda(Method):
    r"""The linear discriminant :math:`\hat w \propto \hat\Sigma^{-1} \hat\delta`.

    :math:`\hat\delta` is the slope of the inputs on the label (`label_slope`; for two classes half the difference of
    their means) and :math:`\hat\Sigma` the covariance of what the label does not explain, shrunk to a sphere by as
    much as Ledoit and Wolf's formula says (`shrinkage`). For graded labels it is regularised linear regression.
    It is right where examples vary along directions that also differ between the classes: it turns away from
    them, where the mean difference does not. Pairs are taken as examples of two classes.

    Rank 1. Cost: :math:`2 m^2 M + m^3/3` operations with m the smaller and M the larger of n and d.

    Source: Friedman, Journal of the American Statistical Association 84 (1989) 165 (shrunk covariance in discriminant
    analysis); Ledoit & Wolf, Journal of Multivariate Analysis 88 (2004) 365 (how much).

    >>> x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 3.0])
    >>> y = torch.tensor([1.0, -1.0] * 20)
    >>> examples = Examples(inputs=x + torch.outer(y, torch.tensor([1.0, 0.0])), labels=y)
    >>> [abs(round(c, 1)) for c in Lda().subspace(examples, rank=1, rng=Rng(0)).direction.tolist()]
    [1.0, 0.0]
    """

    name: ClassVar[str] = "lda"
    source: ClassVar[str] = "Friedman, JASA 84 (1989) 165; Ledoit & Wolf, J. Multivariate Analysis 88 (2004) 365"
    most: ClassVar[int | None] = 1

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        space = RowSpace.of(examples.inputs)
        z, y = space.coordinates, examples.labels
        slope = label_slope(z, y)
        residuals = z - (y - y.mean())[:, None] * slope
        share, sphere = shrinkage(residuals, examples.inputs.shape[1])
        if not sphere > torch.finfo(z.dtype).eps * float(z.square().mean()):
            raise GnomonError("no two examples of a label differ", mend="give more examples, or use mean_difference")
        covariance = (1 - share) * residuals.T @ residuals / len(z)
        covariance.diagonal().add_(share * sphere)
        weight, failed = torch.linalg.solve_ex(covariance, slope)
        if bool(failed):
            raise GnomonError("the covariance is singular", mend="leave out inputs that depend on each other")
        return Subspace.line(space.lift(weight))
