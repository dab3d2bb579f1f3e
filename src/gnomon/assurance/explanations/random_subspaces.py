"""Random subspaces to compare an explanation with: across it, and removing as much variance."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.subspace import Subspace

Array = NDArray[np.float64]

_STEEPEST = 2.0  # beyond it draws differ little from one another
_HALVINGS = 40
_FLOOR = 1e-9  # of the largest variance


def random_subspaces(inputs: Tensor, subspace: Subspace, draws: int, rng: Rng) -> tuple[list[Subspace], float]:
    r"""``draws`` random subspaces orthogonal to ``subspace``, and the mean share of its variance that they remove.

    A direction drawn uniformly removes little: it lies across most of what varies. So directions are

    .. math:: u \propto \Sigma_\perp^{\lambda / 2} g, \qquad g \sim \mathcal N(0, I), \qquad |\lambda| \le 2,

    with :math:`\Sigma_\perp` the covariance of the activations across the explanation's subspace U. For each draw λ is
    what makes :math:`\operatorname{tr} V^\top \Sigma V` equal to :math:`\operatorname{tr} U^\top \Sigma U`, or as near
    as it can be: λ = 0 is uniform, 1 follows the activations, and beyond 2 all draws would be the same few directions.
    Where r directions cannot remove as much, a draw has the fewest that can, so that an explanation along the axis of
    most variance is not compared with what hardly touches the network; less is removed only if all across it is less.

    Parameters
    ----------
    inputs : ``(n, d)`` activations.
    subspace : of the explanation, rank r.

    Raises GnomonError when fewer than r + 1 dimensions are left beside it.

    Cost: an eigendecomposition of ``(d, d)``, and some forty QR decompositions of ``(d, r)`` a draw, r being what it
    has at last.
    """
    width, rank = subspace.basis.shape
    if width < 2 * rank + 1:
        raise GnomonError(
            f"{rank} of {width} dimensions leave no room for others to compare with", mend="explain by fewer directions"
        )
    centred = (inputs.double() - inputs.double().mean(dim=0)).cpu().numpy()
    basis = subspace.basis.cpu().numpy()
    across = np.linalg.qr(np.concatenate([basis, np.eye(width)], axis=1))[0][:, rank:width]
    wanted = float(np.square(centred @ basis).mean(axis=0).sum())
    variances, axes = np.linalg.eigh(np.cov(centred @ across, rowvar=False, bias=True))
    variances = np.maximum(variances, _FLOOR * max(float(variances[-1]), np.finfo(float).tiny))
    found, removed = [], []
    for draw in range(draws):
        normal = _enough(rng.child("random subspace", draw).numpy(), rank, variances, wanted)
        turned = _matched(normal, variances, wanted)
        removed.append(_removed(turned, variances))
        directions = torch.from_numpy(across @ axes @ turned)
        found.append(Subspace.span(directions, torch.ones(normal.shape[1])))
    return found, float(np.mean(removed)) / wanted if wanted > 0 else np.inf


def _enough(draws: np.random.Generator, rank: int, variances: Array, wanted: float) -> Array:
    """``(k, r')`` normal numbers, r' at least ``rank`` and the fewest that remove as much as is wanted, if any do."""
    normal = draws.standard_normal((len(variances), rank))
    while True:
        turned = _steeper(normal, variances, _STEEPEST)
        removed = np.cumsum((variances[:, None] * np.square(turned)).sum(axis=0))
        if removed[-1] >= wanted or normal.shape[1] == len(variances):
            return normal[:, : max(rank, int(np.searchsorted(removed, wanted)) + 1)]
        more = min(normal.shape[1], len(variances) - normal.shape[1])
        normal = np.concatenate([normal, draws.standard_normal((len(variances), more))], axis=1)


def _matched(normal: Array, variances: Array, wanted: float) -> Array:
    """``(k, r)`` orthonormal in the frame of the axes; what it removes rises with the exponent."""
    low, high = -_STEEPEST, _STEEPEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _removed(_steeper(normal, variances, middle), variances) < wanted:
            low = middle
        else:
            high = middle
    return _steeper(normal, variances, (low + high) / 2)


def _steeper(normal: Array, variances: Array, exponent: float) -> Array:
    scale = (variances / variances[-1]) ** (exponent / 2)
    return np.asarray(np.linalg.qr(scale[:, None] * normal)[0])


def _removed(directions: Array, variances: Array) -> float:
    return float((variances[:, None] * np.square(directions)).sum())
