"""From many strands to one: mixtures of every number of strands, each made from the next by a merge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gnomon.randomness import Rng
from gnomon.structure.mixtures.expectation_maximisation import Fit, fit, two_levels
from gnomon.structure.mixtures.gradients import Gradients
from gnomon.structure.mixtures.mixture import Mixture, background_log_density, pooled_inverse

_SPARE = 2  # columns beyond the largest rank, so that orthogonal iteration has room
_FIRST_LEAK = 0.1
_BACKGROUND = 0.05


def path(gradients: Gradients, *, most: int, most_rank: int, rng: Rng, background: Tensor) -> dict[int, Fit]:
    """The fit of each number of strands, 1 to ``most`` (fewer where contexts do not suffice).

    Expectation-maximisation begins with twice as many local subspaces as are asked for, so that no strand is without
    one, whatever the draw; those that are best described by one subspace are merged down to ``most``, and from there
    strands are merged or dissolved one at a time. Where one strand contains another, as when some contexts mix two, a
    fit without it is tried as well, and preferred to one with nested strands of the same number. A single strand
    stands before uniform directions, not before the background, which would be the same thing again.

    Source: starting from too many, Figueiredo & Jain, IEEE TPAMI 24 (2002) 381; local subspaces, Zhang, Szlam, Wang &
    Lerman, arXiv:1010.3460.
    """
    start = local_start(gradients, 2 * most, most_rank, rng, background)
    elsewhere = background_log_density(gradients, background)
    current = fit(gradients, start, elsewhere, most_rank=most_rank, rounds=12)
    found: dict[int, Fit] = {}
    aside: list[Fit] = []
    while True:
        mixture, k = current.mixture, current.mixture.strands
        if k <= most:
            current = fit(gradients, mixture, elsewhere, most_rank=most_rank, rounds=40)
            mixture, k = current.mixture, current.mixture.strands
            found[k] = current
            containing = mixture.containing
            if k - len(containing) > 1 and containing:
                apart = mixture.without(containing)
                aside.append(fit(gradients, apart, elsewhere, most_rank=most_rank, rounds=40))
        if k == 1:
            for fitted in aside:
                other = found.get(fitted.mixture.strands)
                if fitted.mixture.distinct and (
                    other is None or not other.mixture.distinct or other.bayes < fitted.bayes
                ):
                    found[fitted.mixture.strands] = fitted
            found[1] = one_strand(gradients, most_rank, rng)
            return found
        mixture = merged(current, gradients, most_rank)[1] if k > most else fewer(current, gradients, most_rank)
        current = fit(gradients, mixture, elsewhere, most_rank=most_rank, rounds=3)


def one_strand(gradients: Gradients, most_rank: int, rng: Rng) -> Fit:
    """All contexts in one subspace, before uniform directions."""
    uniform = torch.eye(gradients.dimension, dtype=torch.float64, device=gradients.values.device)
    start = local_start(gradients, 1, most_rank, rng, uniform)
    q = start.bases.shape[2]
    flat = gradients.values.flatten(0, 1).double()
    leading = torch.linalg.eigh(flat.T @ flat).eigenvectors.flip(1)[:, :q]
    mixture = Mixture(leading[None], start.ranks, start.leaks, start.shares, uniform)
    return fit(gradients, mixture, torch.zeros(len(gradients)).to(flat), most_rank=most_rank, rounds=40)


def paths(gradients: Gradients, *, most: int, most_rank: int, rng: Rng) -> dict[int, Fit]:
    """The best fit of each number of strands, with the background that suits it.

    One path has the covariance of all gradients for its background, the other has uniform directions, which save the
    d(d + 1)/2 - 1 parameters of a covariance. Where no context is in doubt the first costs nothing; where strands are
    blurred it would take contexts from them, and the probabilities would be wrong.
    """
    d, n = gradients.dimension, len(gradients)
    uniform_inverse = torch.eye(d, dtype=torch.float64, device=gradients.values.device)
    price = (d * (d + 1) / 2 - 1) / 2 * math.log(n)
    pooled, uniform = (
        path(gradients, most=most, most_rank=most_rank, rng=rng.child(name), background=background)
        for name, background in (("pooled", pooled_inverse(gradients)), ("uniform", uniform_inverse))
    )
    best = {}
    for k in sorted({*pooled, *uniform}):
        offers = [(found[k], paid) for found, paid in ((uniform, 0.0), (pooled, price)) if k in found]
        best[k] = max(offers, key=lambda offer: (offer[0].mixture.distinct, offer[0].bayes - offer[1]))[0]
    return best


def local_start(gradients: Gradients, k: int, most_rank: int, rng: Rng, background: Tensor) -> Mixture:
    """Subspaces of the contexts that point most nearly as one of them does; that one is drawn where none is near yet.

    Source: the draw is that of k-means++, Arthur & Vassilvitskii, SODA (2007) 1027.
    """
    n, c, d = gradients.values.shape
    q = min(most_rank + _SPARE, d - 1)
    generator = rng.child("start").numpy()
    neighbours = min(n, max(math.ceil(2 * q / c), 4))
    flat = gradients.values.flatten(0, 1)
    uncovered = torch.ones(n, dtype=torch.float64, device=flat.device)
    bases, ranks, leaks = [], [], []
    for _ in range(min(k, n)):
        p = uncovered.cpu().numpy()
        seed = gradients.values[int(generator.choice(n, p=p / p.sum()))]
        alike = (flat @ seed.T).square().sum(dim=1).reshape(n, c).sum(dim=1)
        near = gradients.values[alike.topk(neighbours).indices].flatten(0, 1).double()
        _, lengths, directions = torch.linalg.svd(near, full_matrices=len(near) < q)
        spectrum = torch.zeros(1, q).to(near)
        spectrum[0, : len(lengths[:q])] = lengths[:q].square()
        rank, leak = two_levels(spectrum, near.square().sum()[None], torch.tensor([len(near)]).to(near), d, most_rank)
        bases.append(directions[:q].T)
        ranks.append(rank)
        leaks.append(leak.clamp(min=_FIRST_LEAK))
        inside = (gradients.values @ bases[-1][:, : int(rank)].float()).square().sum(dim=(1, 2))
        uncovered = torch.minimum(uncovered, (1 - inside.double()).clamp(min=1e-12))
    count = len(bases)
    shares = torch.tensor([(1 - _BACKGROUND) / count] * count + [_BACKGROUND]).to(bases[0])
    return Mixture(torch.stack(bases), torch.cat(ranks), torch.cat(leaks), shares, background.to(bases[0]))


def fewer(fitted: Fit, gradients: Gradients, most_rank: int) -> Mixture:
    """The mixture with one strand less: two of them merged or one dissolved, as costs the least likelihood.

    Parameters that are saved count (Schwarz). The contexts of a strand that is dissolved go to the others and to the
    background.
    """
    mixture, d = fitted.mixture, gradients.dimension
    own = fitted.joint.argmax(dim=1)
    whole = fitted.joint.logsumexp(dim=1)
    others = fitted.joint.scatter(1, own[:, None], -torch.inf).logsumexp(dim=1)
    # without its own strand a context has the others; without another it loses that one's small part
    lost = torch.log1p(-(fitted.joint - whole[:, None]).exp().clamp(max=0.9))
    lost = lost.scatter(1, own[:, None], (others - whole)[:, None]).sum(dim=0)[:-1]
    saved = mixture.ranks * (d - mixture.ranks) / 2 * math.log(max(len(gradients), 2))
    without = lost + saved
    gain, union = merged(fitted, gradients, most_rank)
    if float(without.max()) <= gain:
        return union
    return mixture.without([int(without.argmax())])


def merged(fitted: Fit, gradients: Gradients, most_rank: int) -> tuple[float, Mixture]:
    """The gain in penalised likelihood (mostly negative) of the best merger of two strands, and its mixture."""
    mixture, d, c = fitted.mixture, gradients.dimension, gradients.rows
    k, _, q = mixture.bases.shape
    first, second = torch.triu_indices(k, k, 1, device=mixture.bases.device)
    roots = mixture.bases * fitted.spectra.sqrt()[:, None, :]
    cross = (roots.permute(0, 2, 1).reshape(k * q, d) @ roots.permute(1, 0, 2).reshape(d, k * q)).reshape(k, q, k, q)
    own, between = cross[range(k), :, range(k)], cross.permute(0, 2, 1, 3)[first, second]
    grams = torch.cat([torch.cat([own[first], between], 2), torch.cat([between.mT, own[second]], 2)], 1)
    spectra = torch.linalg.eigvalsh(grams).flip(1)[:, :q].clamp(min=0.0)
    totals, counts = fitted.totals, fitted.counts
    pair_totals, pair_counts = totals[first] + totals[second], counts[first] + counts[second]
    alone = _described(fitted.spectra, totals, counts, c, d, most_rank)
    gains = _described(spectra, pair_totals, pair_counts, c, d, most_rank) - alone[first] - alone[second]
    best = int(gains.argmax())
    a, b = int(first[best]), int(second[best])
    keep = [s for s in range(k) if s not in (a, b)]
    basis = torch.linalg.svd(torch.cat([roots[a], roots[b]], dim=1), full_matrices=False).U[:, :q]
    ranks, leaks = two_levels(spectra[[best]], pair_totals[[best]], pair_counts[[best]] * c, d, most_rank)
    shares = mixture.shares
    return float(gains[best]), Mixture(
        torch.cat([mixture.bases[keep], basis[None]]),
        torch.cat([mixture.ranks[keep], ranks]),
        torch.cat([mixture.leaks[keep], leaks]),
        torch.cat([shares[keep], (shares[a] + shares[b])[None], shares[-1:]]),
        mixture.background,
    )


def _described(spectra: Tensor, totals: Tensor, counts: Tensor, c: int, d: int, most_rank: int) -> Tensor:
    """Log-likelihood of contexts in one subspace each, less the price of its parameters."""
    ranks, leaks = two_levels(spectra, totals, counts * c, d, most_rank)
    top = spectra.cumsum(dim=1).gather(1, ranks[:, None] - 1)[:, 0]
    high = (top / ranks / counts).clamp(min=1e-300)
    low = leaks * high
    m = counts * c
    fits = -m / 2 * (ranks * high.log() + (d - ranks) * low.log())
    return fits - ranks * (d - ranks) / 2 * m.clamp(min=2.0).log() + counts * counts.clamp(min=1e-300).log()
