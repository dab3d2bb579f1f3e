"""How many of a method's directions carry the concept: permutation tests, one direction after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.cross_fit import CrossFit, leading
from gnomon.structure.directions.exchange import exchanges, relabelled
from gnomon.structure.directions.method import Method
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

Array = NDArray[np.float64]

_ALONG = 999  # permutations of the first test, which fits nothing anew
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RankTest:
    """How many directions were found to carry the concept.

    Parameters
    ----------
    rank : how many, from 0 to the most that were asked for.
    p_values : of the directions in turn, up to the first that is not told from chance.
    level : at which each was tested.
    least : the least p-value that the first test could have given; above the level, a rank of 0 says nothing.
    """

    rank: int
    p_values: tuple[float, ...]
    level: float
    least: float


def rank_test(
    method: Method,
    examples: Examples,
    found: CrossFit,
    *,
    most: int,
    rng: Rng,
    level: float = 0.05,
    draws: int = 39,
    fitted: Callable[[], None] = lambda: None,
) -> RankTest:
    r"""Test directions in turn, until one tells nothing about the labels beyond those before it.

    **The first** (`carries`) is tested on examples that it was not fitted to.

    **The k-th**: its strength :math:`\lambda_k` is compared with those that the method finds in data of rank k − 1 that
    are otherwise alike. With B the k − 1 leading directions and :math:`z = B^\top x`, the inputs are
    :math:`x = B z + \alpha + \Gamma z + r`, r the rest of the least-squares fit to z. Labels and z stay, r is permuted
    among the examples as clusters allow (`exchanges`: whole clusters only with those of their size), and the method is
    fitted anew. Such data have every error that
    fitting a rank of k − 1 makes, and nothing in r that could tell about the labels.

    Stopping at the first p-value above the level makes the probability of a rank above the truth at most the level:
    of the hypotheses that are true only the first is ever tested. Refitting stops as soon as the p-value is
    above the level for sure; it is then the share of the permutations so far. A direction along which the labels decide
    nothing but the sign (of ``pca``, ``network_agop`` and ``random``) has one strength in all permutations, and is not
    counted.

    Parameters
    ----------
    found : of the same method and examples.
    most : the highest rank that is tested.
    draws : permutations for k > 1, each a fit. With 39 a level of 5 in 100 is kept exactly, as with 99, which would
        find a faint direction somewhat more often.
    fitted : called after every fit, for progress.

    Raises GnomonError when the draws are too few for the level, or the method cannot be fitted. Cost: one fit, and up
    to ``draws`` for each rank that is found beyond the first, 3 or more where none is.

    Sources: Freedman & Lane, J. Business & Economic Statistics 1 (1983) 292 (permuting what is left); Phipson & Smyth,
    Stat. Appl. Genet. Mol. Biol. 9 (2010) 39 (p-values are never 0); Marcus, Peritz & Gabriel, Biometrika 63 (1976) 655
    (tests in turn); Besag & Clifford, Biometrika 78 (1991) 301 (stopping early).
    """
    if not 1 / (draws + 1) <= level < 1:
        raise GnomonError(f"{draws} draws cannot reach a level of {level:g}", mend=f"draw at least {int(1 / level)}")
    first, least = carries(found, examples, signed=method.most == 1, draws=_ALONG, rng=rng.child("first"))
    p_values = [first]
    if first > level:
        return RankTest(0, (first,), level, least)
    if method.most is not None:
        most = min(most, method.most)
    if most > 1:
        whole = leading(method, examples, rank=most, rng=rng.child("whole"))
        fitted()
        for k in range(2, whole.rank + 1):
            p_values.append(_further(method, examples, whole, k, level, draws, rng.child(k), fitted))
            if p_values[-1] > level:
                return RankTest(k - 1, tuple(p_values), level, least)
        most = whole.rank
    return RankTest(most, tuple(p_values), level, least)


def carries(found: CrossFit, examples: Examples, *, signed: bool, draws: int, rng: Rng) -> tuple[float, float]:
    r"""The p-value of nothing about the labels being told by the leading direction; and the least that it could be.

    Each fold is scored along the direction fitted to the folds before it (`CrossFit.forward`), given which its labels
    are exchangeable where nothing is to be found. (With directions fitted to all other folds, as in cross-validation,
    every pair of folds would count twice, and the sum over folds vary twice as much as permuting labels shows.) The
    statistic is the share of a fold's labels that the coordinate and its square explain by least squares, summed over
    folds by their size and the number of folds before them.

    Parameters
    ----------
    signed : for the one direction of a linear method, which points to the concept: the statistic is the covariance,
        and the test one-sided.
    """
    labels = examples.labels.cpu().numpy()[found.tested]
    coordinate, fold = found.forward[found.tested], found.folds[found.tested]
    drawn = relabelled(labels, clusters=examples.groups[found.tested], strata=fold, draws=draws, rng=rng)
    total = np.zeros(draws + 1)
    for before in np.unique(fold):
        here = np.flatnonzero(fold == before)
        z = coordinate[here] - coordinate[here].mean()
        y = drawn[:, here] - drawn[:, here].mean(axis=1, keepdims=True)
        if signed:
            total += before**0.5 * (y @ z)
            continue
        columns = np.stack([z, z**2 - (z**2).mean()], axis=1)
        left, sizes, _ = np.linalg.svd(
            columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300), full_matrices=False
        )
        explained = np.square(y @ left[:, sizes > _ROUNDING]).sum(axis=1)
        total += before * len(here) * explained / np.maximum(np.square(y).sum(axis=1), 1e-300)
    # rounding must not make of a permutation that changes nothing one that falls short
    p_value = float((total >= total[0] - _ROUNDING * np.abs(total).max()).mean())
    return p_value, float((drawn == drawn[0]).all(axis=1).mean())


def _further(
    method: Method,
    examples: Examples,
    whole: Subspace,
    k: int,
    level: float,
    draws: int,
    rng: Rng,
    fitted: Callable[[], None],
) -> float:
    """The p-value of the k-th direction."""
    x, basis = examples.inputs, whole.basis[:, : k - 1].to(examples.inputs)
    z = x @ basis
    design = torch.cat([torch.ones_like(z[:, :1]), z - z.mean(dim=0)], dim=1)
    across = x - z @ basis.T
    explained = design @ torch.linalg.lstsq(design, across).solution
    kept, rest = z @ basis.T + explained, across - explained
    labels = examples.labels.cpu().numpy()
    nothing = np.zeros(len(labels), dtype=np.int64)
    orders = exchanges(labels, clusters=examples.groups, strata=nothing, draws=draws, rng=rng)
    strength = float(whole.strengths[k - 1])
    above = 1
    for drawn, order in enumerate(orders[1:], start=1):
        permuted = Examples(
            inputs=kept + rest[torch.from_numpy(order)],
            labels=examples.labels,
            kind=examples.kind,
            clusters=examples.groups,
            gradients=examples.gradients,
        )
        null = leading(method, permuted, rank=k, rng=rng.child(drawn))
        fitted()
        above += null.rank >= k and bool(null.strengths[k - 1] >= strength * (1 - _ROUNDING))
        if above > level * (draws + 1):
            return above / (drawn + 1)
    return above / (draws + 1)
