r"""A mixture of subspaces through the origin, and how likely each direction is under it.

Strand s is a subspace :math:`U_s` of dimension :math:`r_s`; a gradient in it has covariance proportional to
:math:`\Sigma_s = P_s + \kappa_s (1 - P_s)` with the projection :math:`P_s` on :math:`U_s` and a *leak*
:math:`\kappa_s < 1`, times a scale of the context's own. The scale goes out of the likelihood; relative to uniform
directions, the density of c gradients G of Frobenius norm 1 is the angular central Gaussian

.. math::
    f_s(G) = \bigl[\kappa_s^{-(d - r_s)} \bigl(1 - e + e / \kappa_s\bigr)^{-d}\bigr]^{c/2},
    \qquad e = \lVert G (1 - P_s) \rVert_F^2,

which depends on the gradient through the share e that lies outside of the subspace alone. So how the gradients are
spread *inside* a strand never makes two of one. Contexts that belong to no strand are taken up by the background: the
angular central Gaussian of all gradients' covariance, shrunk towards the identity.

Source: Tyler, Biometrika 74 (1987) 579 (angular central Gaussian); Tipping & Bishop, Neural Computation 11 (1999) 443
(mixtures of subspaces with isotropic noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.subspace import Subspace

_SAME = math.radians(18.0)  # directions nearer than that are not told apart
LEAST_OUTSIDE = 0.01  # share of a gradient outside of its strand that is never counted as a misfit


@dataclass(frozen=True, eq=False)
class Mixture:
    """Strands and the background.

    Parameters
    ----------
    bases : ``(k, d, q)`` orthonormal columns, the strongest first; those beyond a strand's rank are of no account.
    ranks : ``(k,)`` dimension of each.
    leaks : ``(k,)`` κ.
    shares : ``(k + 1,)`` prior probability of each strand, and of the background, last; they add up to 1.
    background : ``(d, d)`` inverse of its covariance, of determinant 1.
    """

    bases: Tensor
    ranks: Tensor
    leaks: Tensor
    shares: Tensor
    background: Tensor

    @property
    def strands(self) -> int:
        """Their number k."""
        return len(self.ranks)

    @property
    def parameters(self) -> int:
        """Free numbers of the strands: subspaces, leaks and shares."""
        d = self.bases.shape[1]
        return int((self.ranks * (d - self.ranks)).sum()) + 2 * self.strands

    def subspace(self, strand: int) -> Subspace:
        """The subspace of one strand."""
        rank = int(self.ranks[strand])
        return Subspace(self.bases[strand, :, :rank], torch.arange(rank, 0, -1))

    @property
    def distinct(self) -> bool:
        """Whether no strand lies inside another: each has a direction more than 18° away from all of every other."""
        return not self.containing

    @property
    def containing(self) -> list[int]:
        """The strands inside of which another lies; of two that are the same, the second."""
        subspaces = [self.subspace(s) for s in range(self.strands)]
        found = set()
        for a, first in enumerate(subspaces):
            for b, second in enumerate(subspaces[:a]):
                if float(first.angles(second).max()) < _SAME:
                    found.add(a if first.rank >= second.rank else b)
        return sorted(found)

    def without(self, strands: list[int]) -> Mixture:
        """The mixture of the others; contexts of those left out go to them and to the background."""
        keep = [s for s in range(self.strands) if s not in strands]
        shares = self.shares[[*keep, self.strands]]
        return Mixture(self.bases[keep], self.ranks[keep], self.leaks[keep], shares / shares.sum(), self.background)

    def outside(self, gradients: Gradients) -> Tensor:
        """``(n, k)`` share e of each context that lies outside of each strand."""
        inside = squared_coordinates(gradients, self.bases).cumsum(dim=2)
        return (1 - at_rank(inside, self.ranks)).clamp(min=0.0)

    def log_density(self, gradients: Gradients) -> Tensor:
        """``(n, k + 1)`` log-density relative to uniform directions, times the share, of each strand and background."""
        strands = strand_log_density(self.outside(gradients), self.ranks, self.leaks, gradients)
        background = background_log_density(gradients, self.background)
        return torch.cat([strands, background[:, None]], dim=1) + self.shares.log()

    def probabilities(self, gradients: Gradients) -> Tensor:
        """``(n, k + 1)`` probability that a context belongs to each strand, or, last, to the background."""
        return self.log_density(gradients).softmax(dim=1)

    def log_likelihood(self, gradients: Gradients) -> Tensor:
        """``(n,)`` log-density of each context, relative to uniform directions."""
        return self.log_density(gradients).logsumexp(dim=1)


def squared_coordinates(gradients: Gradients, bases: Tensor) -> Tensor:
    """``(n, k, q)`` squared length of each context along each column."""
    k, d, q = bases.shape
    flat = bases.permute(1, 0, 2).reshape(d, k * q)
    return (gradients.values @ flat.float()).square().sum(dim=1).reshape(-1, k, q).double()


def at_rank(cumulative: Tensor, ranks: Tensor) -> Tensor:
    """``(n, k)`` of ``(n, k, q)`` sums over the first columns, those over as many as the strand's rank."""
    index = (ranks - 1).expand(len(cumulative), -1)[:, :, None]
    return cumulative.gather(2, index)[:, :, 0]


def strand_log_density(outside: Tensor, ranks: Tensor, leaks: Tensor, gradients: Gradients) -> Tensor:
    """``(n, k)`` log-density relative to uniform directions."""
    d, c = gradients.dimension, gradients.rows
    return -c / 2 * ((d - ranks) * leaks.log() + d * (1 - outside + outside / leaks).log())


def background_log_density(gradients: Gradients, inverse: Tensor) -> Tensor:
    """``(n,)`` log-density relative to uniform directions of the background with that inverse covariance."""
    values = gradients.values.double()
    spread = ((values @ inverse) * values).sum(dim=(1, 2))
    return -gradients.rows * gradients.dimension / 2 * spread.log()


def pooled_inverse(gradients: Gradients) -> Tensor:
    r"""Inverse covariance, of determinant 1, of all gradients: the mean of GᵀG, shrunk to the identity.

    By d / (d + nc), and at least so much that it is as wide outside of its own span as a strand may be.

    Scales are divided out before averaging, so this is the spatial sign covariance, which outliers do not move.
    Source: Visuri, Koivunen & Oja, J. Statist. Plann. Inference 91 (2000) 557.
    """
    d = gradients.dimension
    flat = gradients.values.flatten(0, 1).double()
    shrink = max(d / (d + len(flat)), LEAST_OUTSIDE)
    covariance = (1 - shrink) * flat.T @ flat / len(gradients) * d + shrink * torch.eye(d).to(flat)
    values, vectors = torch.linalg.eigh(covariance)
    values = values / math.exp(float(values.log().mean()))
    inverse: Tensor = (vectors / values) @ vectors.T
    return inverse
