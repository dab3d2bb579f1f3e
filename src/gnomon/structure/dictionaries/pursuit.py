"""Sparse decompositions of directions over a dictionary's latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from gnomon.errors import GnomonError

_LEAST_GAIN = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Pursuit:
    r"""Decompositions :math:`v \approx \sum_j w_j d_j` of r directions, one latent added at a time.

    Parameters
    ----------
    latents : ``(r, most)``, in the order in which they were taken; −1 where nothing more could be gained.
    weights : ``(r, most)`` of all of them together, 0 where there is none.
    shares : ``(r, most)``, :math:`1 - \|v - \sum_{i \le j} w_i d_i\|^2 / \|v\|^2` with the j first.
    """

    latents: NDArray[np.int64]
    weights: NDArray[np.float64]
    shares: NDArray[np.float64]


def pursue(directions: Tensor, atoms: Tensor, *, most: int) -> Pursuit:
    r"""Non-negative orthogonal matching pursuit of ``directions``, ``(r, e)``, over the rows of ``atoms``, ``(m, e)``.

    Each step takes the latent whose direction has the greatest inner product with what is left over, and refits the
    weights of all that were taken by non-negative least squares. Weights are at least zero because activations are: a
    latent can push the one way only. What is opposed to a direction is found by pursuing its negative.

    Parameters
    ----------
    atoms : of unit length; rows of zeros are never taken.
    most : how many latents are taken at most.

    Raises GnomonError when widths differ or a direction is zero.

    Cost: :math:`2 r m e` operations and r small least squares a step. Source: Bruckstein, Elad & Zibulevsky, IEEE
    Trans. Inf. Theory 54 (2008) 4813; Pati, Rezaiifar & Krishnaprasad, Asilomar (1993).

    >>> found = pursue(torch.tensor([[3.0, 4.0, 0.0]]), torch.eye(3), most=2)
    >>> found.latents.tolist(), found.weights.round(6).tolist(), found.shares.round(6).tolist()
    ([[1, 0]], [[0.8, 0.6]], [[0.64, 1.0]])
    """
    if directions.ndim != 2 or directions.shape[1] != atoms.shape[1]:
        raise GnomonError(
            f"directions {tuple(directions.shape)} and latents {tuple(atoms.shape)} are not of one space",
            mend="take directions at the site that the dictionary writes to",
        )
    lengths = directions.double().norm(dim=1, keepdim=True)
    if not bool((lengths > 0).all()):
        raise GnomonError("a direction is zero", mend="give one that is not")
    atoms = atoms.detach().double()
    goal = directions.detach().double() / lengths
    r, most = len(goal), min(most, len(atoms))
    latents = np.full((r, most), -1, dtype=np.int64)
    weights, shares = np.zeros((r, most)), np.zeros((r, most))
    left = goal.clone()
    for step in range(most):
        products = left @ atoms.T
        for row in range(r):
            products[row, torch.from_numpy(latents[row, :step][latents[row, :step] >= 0])] = -torch.inf
        gain, best = products.max(dim=1)
        for row in range(r):
            going = float(gain[row]) > _LEAST_GAIN and (step == 0 or latents[row, step - 1] >= 0)
            if going:
                latents[row, step] = int(best[row])
                taken = atoms[torch.from_numpy(latents[row, : step + 1])].T
                weights[row, : step + 1], error = nnls(taken.cpu().numpy(), goal[row].cpu().numpy())
                left[row] = goal[row] - taken @ torch.from_numpy(weights[row, : step + 1]).to(taken)
                shares[row, step] = max(0.0, 1.0 - error**2)
            else:
                shares[row, step] = shares[row, step - 1] if step else 0.0
    return Pursuit(latents=latents, weights=weights, shares=shares)
