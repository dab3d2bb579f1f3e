"""Linear discriminant analysis, the eigenvalues of its covariance cross-validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.method import Method, register
from gnomon.structure.directions.row_space import RowSpace
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_FOLDS = 5
_LEAST = 1e-6  # least variance along a direction, in units of the mean one: none may be divided by zero


def held_out_variances(inputs: Tensor, labels: Tensor, folds: NDArray[np.int64], dimension: int) -> Tensor:
    r"""Variances of what the label does not explain, along the eigenvectors of their covariance, smallest first.

    The eigenvectors fit the sample, so that its small eigenvalues are too small and its large ones too large. Here,
    for each fold, eigenvectors and the fit on the label are those of the other folds, and the variance along each
    eigenvector is that of this fold; it is averaged over folds, rank by rank, and made to rise by isotonic regression.
    Directions that no other example varies along share what the fold has of variance there evenly.

    Parameters
    ----------
    inputs : ``(n, r)``, centred, in coordinates of a subspace that holds them.
    labels : ``(n,)``.
    folds : ``(n,)`` the fold of each.
    dimension : d, of the space that they lie in.

    Cost: an eigendecomposition of ``(r, r)`` a fold.

    Source: Lam, Annals of Statistics 44 (2016) 928 (splits); Lamrani, Bongiorno & Potters, arXiv:2503.15186 (folds).
    """
    n, r = inputs.shape
    total = inputs.new_zeros(r)
    for fold in np.unique(folds):
        inside = torch.as_tensor(folds == fold, device=inputs.device)
        rest = _residuals(inputs, labels, ~inside)
        values, vectors = torch.linalg.eigh(rest[~inside].T @ rest[~inside])
        held = (rest[inside] @ vectors).square().sum(dim=0)
        none = int((values <= r * torch.finfo(values.dtype).eps * values[-1]).sum())
        if none:
            held[:none] = held[:none].sum() / (none + dimension - r)
        total += held
    rising = isotonic_regression((total / n).cpu().numpy()).x
    return torch.as_tensor(rising).to(inputs)


def _residuals(inputs: Tensor, labels: Tensor, fitted: Tensor) -> Tensor:
    """All inputs about the least-squares fit of those at ``fitted`` on the label, ``(n, r)``."""
    x, y = inputs[fitted], labels[fitted]
    centred = inputs - x.mean(dim=0)
    if bool((y == y[0]).all()):
        return centred
    return centred - (labels - y.mean())[:, None] * label_slope(x, y)


@register
@dataclass(frozen=True, kw_only=True)
class Lda(Method):
    r"""The linear discriminant :math:`\hat w \propto \hat\Sigma^{-1} \hat\delta`.

    :math:`\hat\delta` is the slope of the inputs on the label (`label_slope`; for two classes half the difference of
    their means) and :math:`\hat\Sigma` the covariance of what the label does not explain, with its eigenvectors and
    cross-validated eigenvalues (`held_out_variances`), so that it is regular in any dimension. For graded labels it is
    regularised linear regression. It is right where examples vary along directions that also differ between the
    classes: it turns away from them, where the mean difference does not. Pairs are taken as examples of two classes.

    Rank 1. Five folds, by cluster, drawn with ``rng``. Cost: :math:`2 n^2 d` operations where n < d, and six
    eigendecompositions of ``(m, m)`` with m the smaller of n and d.

    Source: Fisher, Annals of Eugenics 7 (1936) 179; Lam, Annals of Statistics 44 (2016) 928 (eigenvalues).

    >>> x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 3.0])
    >>> y = torch.tensor([1.0, -1.0] * 20)
    >>> examples = Examples(inputs=x + torch.outer(y, torch.tensor([1.0, 0.0])), labels=y)
    >>> [abs(round(c, 1)) for c in Lda().subspace(examples, rank=1, rng=Rng(0)).direction.tolist()]
    [1.0, 0.0]
    """

    name: ClassVar[str] = "lda"
    source: ClassVar[str] = "Fisher, Annals of Eugenics 7 (1936) 179; Lam, Annals of Statistics 44 (2016) 928"
    most: ClassVar[int | None] = 1
    draws: ClassVar[bool] = True

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        space = RowSpace.of(examples.inputs)
        z, y = space.coordinates, examples.labels
        slope = label_slope(z, y)
        residuals = _residuals(z, y, torch.ones_like(y, dtype=torch.bool))
        spread = float(residuals.square().sum())
        if not spread > torch.finfo(z.dtype).eps * float(z.square().sum()):
            raise GnomonError("no two examples of a label differ", mend="give more examples, or use mean_difference")
        _, vectors = torch.linalg.eigh(residuals.T @ residuals)
        variances = held_out_variances(z, y, _drawn_folds(examples.groups, rng), examples.inputs.shape[1])
        least = _LEAST * spread / (len(z) * examples.inputs.shape[1])
        return Subspace.line(space.lift(vectors @ (vectors.T @ slope / variances.clamp(min=least))))


def _drawn_folds(groups: NDArray[np.int64], rng: Rng) -> NDArray[np.int64]:
    """The fold of each example; clusters stay together."""
    ids, places = np.unique(groups, return_inverse=True)
    order = rng.child("lda", "folds").numpy().permutation(len(ids))
    folds: NDArray[np.int64] = (order % _FOLDS)[places]
    return folds
