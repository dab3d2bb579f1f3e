"""Directions and latents answer to each other: which latents carry a direction, which concepts a latent aligns with.

What is computed here is geometry and statistics of activations; whether the network *uses* such latents is asked in
`gnomon.structure.dictionaries.ablation`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata
from torch import Tensor

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.pursuit import pursue
from gnomon.structure.directions.detection import Auroc, auroc
from gnomon.structure.examples import Examples

Direction = Callable[[Examples], Tensor]
_COLUMNS = 1024
_ROUNDING = 1e-6
_FEWEST = 3  # groups that tell how much of a direction is noise
_LEAST_KEPT = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Carriers:
    """The latents that a direction is made of.

    Parameters
    ----------
    latents, weights : ``(j,)``, the one that carries most first.
    shares : ``(j,)`` of the direction's squared norm that the first, the first two, … explain.
    null : ``(draws, j)`` the same for random directions.
    p_values : ``(j,)``, how often a random direction is explained as well.
    """

    latents: NDArray[np.int64]
    weights: NDArray[np.float64]
    shares: NDArray[np.float64]
    null: NDArray[np.float64]
    p_values: NDArray[np.float64]


def carriers(direction: Tensor, dictionary: Dictionary, *, null: Tensor, most: int = 16) -> Carriers:
    r"""The latents whose directions add up to ``direction``, ``(e,)``, by `pursue`, beside random directions.

    Parameters
    ----------
    null : ``(draws, e)`` directions without meaning, see `null_directions`. The p-value is
        :math:`(1 + \#\{\text{null} \ge \text{share}\}) / (1 + \mathrm{draws})`.

    Raises GnomonError when the direction is not at the site that the dictionary writes to.
    """
    found = pursue(torch.cat([direction[None].to(null), null]), dictionary.decoder, most=most)
    taken = int((found.latents[0] >= 0).sum())
    shares, random = found.shares[0, :taken], found.shares[1:, :taken]
    return Carriers(
        latents=found.latents[0, :taken],
        weights=found.weights[0, :taken],
        shares=shares,
        null=random,
        p_values=(1 + (random >= shares - 1e-12).sum(axis=0)) / (1 + len(random)),
    )


def null_directions(examples: Examples, count: int, rng: Rng) -> Tensor:
    r"""``(count, d)`` unit vectors: contrasts of the examples without what their classes differ in.

    They are the noise of the difference of the class means, drawn by the wild bootstrap over clusters,
    :math:`v = \sum_c \epsilon_c \sum_{i \in c} \frac{y_i}{n_{y_i}} (x_i - \bar x_{y_i})` with standard normal
    :math:`\epsilon_c`. Isotropic ones would be too easy to beat: a dictionary's latents lie where the activations vary.
    Pairs count by their differences, because what both share does not enter a contrast.

    Raises InsufficientEvidenceError when the examples of each class are all alike. Source: Wu, Annals of Statistics 14
    (1986) 1261.
    """
    positive = examples.positive
    parts = torch.empty_like(examples.inputs)
    for side, sign in ((positive, 1.0), (~positive, -1.0)):
        mine = examples.inputs[side]
        parts[side] = sign / len(mine) * (mine - mine.mean(dim=0))
    _, number = np.unique(examples.groups, return_inverse=True)
    cluster = torch.from_numpy(number.reshape(-1)).to(parts.device)
    sums = parts.new_zeros(int(cluster.max()) + 1, parts.shape[1]).index_add(0, cluster, parts)
    if not float(sums.norm()) > _ROUNDING * float(examples.inputs.norm()) / len(examples):
        raise InsufficientEvidenceError(
            "the vectors of each class are all alike: nothing says how directions scatter",
            mend="choose another position, or a later site",
        )
    draws = torch.randn(count, len(sums), generator=rng.torch(), dtype=torch.float64).to(sums)
    return torch.nn.functional.normalize(draws @ sums, dim=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Recovered:
    """A direction as it was found in examples.

    Parameters
    ----------
    direction : ``(e,)``, of unit length.
    without : ``(groups, e)``, found anew without each group of clusters.
    halves : cosine of the directions found in two halves of the clusters: near 0, examples do not determine it.
    """

    direction: Tensor
    without: Tensor
    halves: float


def recovered(examples: Examples, find: Direction, *, rng: Rng, groups: int = 20) -> Recovered:
    """The direction that ``find`` gives, such as a method's, and those for the jackknife.

    Parameters
    ----------
    rng : deals the clusters out to at most ``groups`` groups.

    Raises InsufficientEvidenceError when the examples are of one cluster. Cost: ``groups + 3`` fits.
    """
    ids, number = np.unique(examples.groups, return_inverse=True)
    groups = min(groups, len(ids))
    if groups < 2:
        raise InsufficientEvidenceError("the examples are of one cluster", mend="give independent examples")
    group = (rng.child("jackknife").numpy().permutation(len(ids)) % groups)[number]
    chosen = [np.ones(len(examples), dtype=bool), group % 2 == 0, group % 2 == 1, *(group != g for g in range(groups))]
    parts = [find(examples.take(np.flatnonzero(one))) for one in chosen]
    directions = torch.nn.functional.normalize(torch.stack(parts).double(), dim=1)
    return Recovered(direction=directions[0], without=directions[3:], halves=float(directions[1] @ directions[2]))


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates:
    """Numbers with the ends of their intervals, of one shape each, at ``level``."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float


def alignment(found: Recovered, dictionary: Dictionary, *, level: float = 0.95) -> Estimates:
    r"""The cosine of each latent's direction with the one that is to be found, ``(m,)``, by the jackknife.

    Noise in a direction turns it away from every latent alike: in many dimensions :math:`\hat v` has the cosine
    :math:`\kappa` with the true one, and :math:`\kappa \cos(v, d)` with a latent. Directions without one of G groups
    each differ by noise alone; with :math:`q = (G - 1)(1 - \bar c)` of their mean cosine :math:`\bar c`,

    .. math:: \kappa^{-2} = 1 + \frac{G - 1}{G} \frac{q}{1 - q},

    and cosines are divided by κ, which is found anew without each group. Where κ² is not sure to be above 0.1, cosines
    are left as they are, and their interval is all of [−1, 1].

    Source: Efron & Stein, Annals of Statistics 9 (1981) 586, of the variance; Spearman, Am. J. Psychol. 15 (1904) 72,
    of dividing by reliability. Raises GnomonError when the direction is not of the dictionary's width.
    """
    atoms = torch.nn.functional.normalize(dictionary.decoder.detach().double(), dim=1)
    if found.direction.shape != atoms.shape[1:]:
        raise GnomonError(f"the direction has width {len(found.direction)}, latents have {atoms.shape[1]}")
    directions = torch.cat([found.direction[None], found.without]).to(atoms)
    cosines = (directions @ atoms.T).cpu().numpy()
    groups = len(cosines) - 1
    if groups < _FEWEST:
        return _unknown(cosines[0], level)
    apart = 1 - (directions[1:] @ directions[1:].T).cpu().numpy()
    np.fill_diagonal(apart, 0.0)
    whole, own = apart.sum(), apart.sum(axis=1)
    noise = max(0.0, float(whole / groups))
    kept = 1 - np.maximum(0.0, (whole - 2 * own) / (groups - 2))  # κ² of the directions without a group
    surely = kept.mean() - stdtrit(groups - 1, 0.5 + level / 2) * _jackknife_error(kept)
    if noise >= 1 or surely < _LEAST_KEPT or kept.min() <= 0:
        return _unknown(cosines[0], level)
    kappa = (1 + (groups - 1) / groups * noise / (1 - noise)) ** -0.5
    return _jackknifed(cosines[0] / kappa, cosines[1:] / np.sqrt(kept)[:, None], -1.0, level)


def _unknown(cosines: NDArray[Any], level: float) -> Estimates:
    return Estimates(value=cosines, low=-np.ones_like(cosines), high=np.ones_like(cosines), level=level)


def shares(found: Recovered, dictionary: Dictionary, latents: NDArray[np.int64], *, level: float = 0.95) -> Estimates:
    """Share of the direction's squared norm that the first, the first two, … of ``latents`` explain, ``(j,)``.

    The direction is meant as it was found: what noise there is in it is explained or not like all else, in random
    directions too. Without each group of clusters weights are fitted anew, latents are held fixed.
    """
    atoms = dictionary.decoder.detach()[torch.from_numpy(latents).to(dictionary.decoder.device)]
    directions = torch.cat([found.direction[None], found.without]).to(atoms.device)
    each = np.stack([pursue(directions, atoms[: j + 1], most=j + 1).shares[:, -1] for j in range(len(latents))], axis=1)
    return _jackknifed(each[0], each[1:], 0.0, level)


def _jackknifed(value: NDArray[Any], without: NDArray[Any], lowest: float, level: float) -> Estimates:
    """``value`` with the jackknife's interval, inside [lowest, 1]."""
    half = stdtrit(len(without) - 1, 0.5 + level / 2) * _jackknife_error(without)
    value, low, high = (np.clip(x, lowest, 1.0) for x in (value, value - half, value + half))
    return Estimates(value=value, low=low, high=high, level=level)


def _jackknife_error(without: NDArray[Any]) -> NDArray[Any]:
    """Standard error of what has these values without each group."""
    groups = len(without)
    return np.asarray(np.sqrt((groups - 1) / groups * np.square(without - without.mean(axis=0)).sum(axis=0)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """A latent whose activation tells a concept, with an area that was read on other examples than chose it."""

    latent: int
    auroc: Auroc


def detectors(
    dictionary: Dictionary, examples: Examples, *, rng: Rng, most: int = 5, level: float = 0.95
) -> list[Detector]:
    """The latents that tell the concept best, the best first, by the area under the ROC curve of their activation.

    They are chosen on one half of the clusters, drawn at random, and their areas are those on the other half, so that
    choosing among many latents does not flatter them.

    Parameters
    ----------
    examples : at the site that the dictionary reads.

    Raises
    ------
    InsufficientEvidenceError : when a half of the clusters lacks one of the classes.
    """
    ids, number = np.unique(examples.groups, return_inverse=True)
    first = rng.child("half").numpy().permutation(len(ids))[number] < len(ids) / 2
    positive = examples.positive.cpu().numpy()
    for half in (first, ~first):
        if len(np.unique(positive[half])) < 2:
            raise InsufficientEvidenceError(
                "half of the examples lack one of the classes", mend="give more examples of both"
            )
    with torch.no_grad():
        codes = dictionary.encode(examples.inputs.to(dictionary.encoder)).dense().cpu().numpy()
    areas = _areas(codes[first], positive[first])
    best = np.argsort(-np.abs(areas - 0.5), kind="stable")[:most]
    labels, groups = np.where(positive[~first], 1.0, -1.0), examples.groups[~first]
    return [Detector(latent=int(j), auroc=auroc(codes[~first, j], labels, clusters=groups, level=level)) for j in best]


def _areas(codes: NDArray[np.float32], positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(m,)`` areas under the ROC curve from the Mann–Whitney statistic."""
    ups, downs = int(positive.sum()), int((~positive).sum())
    areas = np.empty(codes.shape[1])
    for start in range(0, codes.shape[1], _COLUMNS):
        ranks = rankdata(codes[:, start : start + _COLUMNS], axis=0)
        areas[start : start + _COLUMNS] = (ranks[positive].sum(axis=0) - ups * (ups + 1) / 2) / (ups * downs)
    return areas
