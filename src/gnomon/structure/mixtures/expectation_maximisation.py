"""Fitting a mixture of subspaces: expectation-maximisation with one step of orthogonal iteration a round."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.mixture import LEAST_OUTSIDE, Mixture, at_rank, strand_log_density

_PER_DIMENSION = 4.0  # gradients that each dimension of a strand rests on; fewer would be fitted by chance


@dataclass(frozen=True, eq=False)
class Fit:
    """A mixture and what it was fitted with.

    Parameters
    ----------
    mixture : see `Mixture`.
    log_likelihood : summed over contexts, relative to uniform directions.
    spectra : ``(k, q)`` weighted sums of squares of the gradients along each column of the bases.
    totals : ``(k,)`` the same in all directions together.
    counts : ``(k,)`` expected number of contexts of each strand.
    joint : ``(n, k + 1)``, see `Mixture.log_density`.
    rounds : of expectation-maximisation.
    """

    mixture: Mixture
    log_likelihood: float
    spectra: Tensor
    totals: Tensor
    counts: Tensor
    joint: Tensor
    rounds: int

    @property
    def bayes(self) -> float:
        """Log-likelihood less half of log n for each parameter (Schwarz, Annals of Statistics 6 (1978) 461)."""
        return self.log_likelihood - 0.5 * self.mixture.parameters * math.log(len(self.joint))


def fit(
    gradients: Gradients, start: Mixture, background: Tensor, *, most_rank: int, rounds: int, tolerance: float = 1e-5
) -> Fit:
    r"""Expectation-maximisation from ``start`` until a round adds less than ``tolerance`` nats a context.

    ``background`` is its `background_log_density`, which does not change.

    With probabilities :math:`p_{is}`, the weights :math:`w_{is} = p_{is} / (1 - e_{is} + e_{is}/\kappa_s)` majorise
    the logarithm, so that the best subspace is spanned by the leading eigenvectors of
    :math:`S_s = \sum_i w_{is} G_i^\top G_i`; one step of orthogonal iteration with a Rayleigh–Ritz rotation moves
    there, which costs 4 n c d k q operations a round for the q columns of k bases. Rank and leak follow from the
    spectrum (see `two_levels`); contexts far from all of a subspace weigh little, which keeps outliers out of it.

    Source: Dempster, Laird & Rubin, JRSS B 39 (1977) 1; weights as in Tyler, Annals of Statistics 15 (1987) 234.
    """
    n, c, d = gradients.values.shape
    flat = gradients.values.reshape(n * c, d)
    bases, ranks, leaks, shares = start.bases, start.ranks, start.leaks, start.shares
    q = bases.shape[2]
    weights: Tensor | None = None
    counts = spectra = totals = shares
    before = -torch.inf
    for done in range(1, rounds + 1):
        k = len(ranks)
        along = (flat @ bases.permute(1, 0, 2).reshape(d, k * q).float()).reshape(n * c, k, q).permute(1, 0, 2)
        if weights is not None:
            spread = weights.float().repeat_interleave(c, dim=1)[:, :, None]
            values, turn = torch.linalg.eigh(((along * spread).mT @ along).double())
            spectra, turn = values.flip(1).clamp(min=0.0), turn.flip(2)
            along, bases = along @ turn.float(), bases @ turn
            totals = weights.sum(dim=1)
            ranks, leaks = two_levels(spectra, totals, counts * c, d, most_rank, carriers(along, weights, c))
        inside = along.square().reshape(k, n, c, q).sum(dim=2).double().cumsum(dim=2).permute(1, 0, 2)
        outside = (1 - at_rank(inside, ranks)).clamp(min=0.0)
        joint = torch.cat([strand_log_density(outside, ranks, leaks, gradients), background[:, None]], 1) + shares.log()
        total = joint.logsumexp(dim=1, keepdim=True)
        probabilities = (joint - total).exp()
        now = float(total.sum())
        counts = probabilities[:, :-1].sum(dim=0)
        shares = probabilities.mean(dim=0)
        weights = (probabilities[:, :-1] / (1 - outside + outside / leaks)).T
        if done > 2 and now - before < tolerance * n:
            break
        if done == rounds:
            break
        before = now
        heavy = counts * c >= _PER_DIMENSION
        heavy[counts.argmax()] = True  # one is left, when the background has taken almost all contexts
        if not bool(heavy.all()):
            along, bases, weights, counts = along[heavy], bases[heavy], weights[heavy], counts[heavy]
            ranks, leaks, shares = ranks[heavy], leaks[heavy], shares[torch.cat([heavy, heavy.new_ones(1)])]
            shares, k = shares / shares.sum(), len(ranks)
        pulled = along * weights.float().repeat_interleave(c, dim=1)[:, :, None]
        moved = (flat.T @ pulled.permute(1, 0, 2).reshape(n * c, k * q)).reshape(d, k, q).permute(1, 0, 2)
        bases = torch.linalg.qr(moved.double()).Q
    mixture = Mixture(bases, ranks, leaks, shares, start.background)
    return Fit(mixture, now, spectra, totals, counts, joint, done)


def carriers(along: Tensor, weights: Tensor, rows: int) -> Tensor:
    r"""``(k, q)`` effective number of contexts that each direction rests on.

    :math:`(\sum_i a_i)^2 / \sum_i a_i^2` of the contexts' parts :math:`a_i` in its eigenvalue. A context whose own
    direction has got into the subspace lies in it exactly and weighs more than a hundred others: the eigenvalue is
    large, and this number is 1.
    """
    k, _, q = along.shape
    parts = along.square().reshape(k, -1, rows, q).sum(dim=2).double() * weights[:, :, None]
    return parts.sum(dim=1).square() / parts.square().sum(dim=1).clamp(min=torch.finfo(parts.dtype).tiny)


def two_levels(
    spectra: Tensor, totals: Tensor, counts: Tensor, d: int, most: int, carried: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Rank and leak of each strand: the split of its spectrum into two levels that is the most likely.

    ``(k, q)`` leading eigenvalues, ``(k,)`` traces and numbers of gradients. With r eigenvalues of mean a above and
    the others of mean b, the log-likelihood is :math:`-\frac m2 [r \ln a + (d - r) \ln b]`, less half of ln m for
    each of r(d - r) parameters; the leak is b/a. Directions from the first on that fewer than 4 contexts carry
    (``carried``, see `carriers`) are not counted.
    """
    r = torch.arange(1, min(most, spectra.shape[1], d - 1) + 1).to(spectra)
    top = spectra.cumsum(dim=1)[:, : len(r)]
    rest = (totals[:, None] - top).clamp(min=0.0)
    high = (top / r).clamp(min=torch.finfo(top.dtype).tiny)
    # an exact fit would wall a strand off: nothing could enter or leave it any more
    low = torch.maximum(rest / (d - r), LEAST_OUTSIDE * r / (d - r) * high)
    m = counts[:, None].clamp(min=2.0)
    score = -m / 2 * (r * high.log() + (d - r) * low.log()) - r * (d - r) / 2 * m.log()
    score = score.masked_fill((r > 1) & (_PER_DIMENSION * r > m), -torch.inf)
    if carried is not None:
        few = (carried[:, : len(r)] < _PER_DIMENSION).cumsum(dim=1) > 0
        score = score.masked_fill((r > 1) & few, -torch.inf)
    best = score.argmax(dim=1, keepdim=True)
    leaks = (low / high).gather(1, best)[:, 0].clamp(max=1 - 1e-6)
    return best[:, 0] + 1, leaks
