"""Groups of examples whose activations are alike, found on one half and read on all."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.assurance.errors.graded import Graded
from gnomon.randomness import Rng
from gnomon.structure.concepts.activations import read_vectors
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.positions import located
from gnomon.subjects import Subject

Array = NDArray[np.float64]

NUMBERS = (8, 16, 32)
_AXES = 16
_ROUNDS = 50
_STARTS = 4


def activation_groups(
    subject: Subject, graded: Graded, known: NDArray[np.bool_], site: str, rng: Rng
) -> dict[str, NDArray[np.int64]]:
    r"""``(n,)`` group of each example by its activation at ``site`` at the last token, for several numbers of groups.

    Activations are projected onto the first 16 principal axes of the known examples and scaled to unit variance there;
    k-means, seeded by k-means++, is fitted on the known examples, and every example belongs to the nearest centre. So
    the groups know nothing of the other examples, and nothing of errors.

    A text longer than the context is read at the last token that fits.

    Raises GnomonError for an unknown site. Cost: one forward pass, and at most :math:`200 n k` distances.
    Sources: Arthur & Vassilvitskii, SODA 2007 (seeds); Sohoni et al., arXiv:2011.12945 (groups of activations).
    """
    concept = Concept(
        name=graded.source or "examples",
        texts=graded.texts,
        labels=graded.errors,
        kind="graded",
        clusters=graded.clusters,
    )
    data, intervals = located(subject, concept, "last", overlong="truncate")
    found = read_vectors(subject, data, [site], intervals, rng=rng)[site].values
    points = _reduced(found.to(torch.float64).cpu().numpy(), known)
    groups = {}
    for number in NUMBERS:
        if number <= known.sum() // 8:
            centres = k_means(points[known], number, rng.child("groups", number))
            groups[f"{site}, {number} groups"] = nearest(points, centres)
    return groups


def k_means(points: Array, number: int, rng: Rng) -> Array:
    """``(number, d)`` centres of ``(n, d)`` points, by Lloyd's rounds from the best of four k-means++ seedings.

    A centre that is nearest to no point stays where it is; of fewer distinct points there are fewer centres.
    """
    tried = [_centres(points, number, rng.child(start).numpy()) for start in range(_STARTS)]
    return min(tried, key=lambda centres: float(_distances(points, centres).min(axis=1).sum()))


def _centres(points: Array, number: int, generator: np.random.Generator) -> Array:
    centres = points[[int(generator.integers(len(points)))]]
    distance = np.square(points - centres[0]).sum(axis=1)
    while len(centres) < number and distance.sum() > 0:
        chosen = int(generator.choice(len(points), p=distance / distance.sum()))
        centres = np.concatenate([centres, points[[chosen]]])
        distance = np.minimum(distance, np.square(points - points[chosen]).sum(axis=1))
    before = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        groups = nearest(points, centres)
        if (groups == before).all():
            break
        before = groups
        sizes = np.bincount(groups, minlength=len(centres))
        sums = np.stack([np.bincount(groups, weights=axis, minlength=len(centres)) for axis in points.T], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
    return np.asarray(centres)


def nearest(points: Array, centres: Array) -> NDArray[np.int64]:
    """``(n,)`` number of the centre nearest to each point."""
    return np.asarray(_distances(points, centres).argmin(axis=1), dtype=np.int64)


def _distances(points: Array, centres: Array) -> Array:
    """Squared, ``(n, number)``, but for the square of each point."""
    return np.asarray(np.square(centres).sum(axis=1) - 2 * points @ centres.T)


def _reduced(vectors: Array, known: NDArray[np.bool_]) -> Array:
    centred = vectors - vectors[known].mean(axis=0)
    _, spread, axes = np.linalg.svd(centred[known], full_matrices=False)
    used = min(_AXES, int((spread > 1e-9 * max(float(spread[0]), 1e-300)).sum()))
    scale = spread[:used] / np.sqrt(known.sum())
    return np.asarray(centred @ axes[:used].T / np.where(scale > 0, scale, 1.0))
