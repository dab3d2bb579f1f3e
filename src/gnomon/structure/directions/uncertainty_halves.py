"""The same method on two halves of the examples, again and again; and with other draws of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.uncertainty_noise import Noise
from gnomon.structure.examples import Examples

_FEWEST = 4
_OPPOSITE = -0.9  # halves that are opposite on average are noise as well


@dataclass(frozen=True, kw_only=True, eq=False)
class Halves:
    """How alike what two halves of the examples give is, over splits.

    Parameters
    ----------
    cosines : of the leading directions of both halves, ``(splits,)``.
    angles : principal angles of their subspaces in radians, rising, ``(splits, rank)``.
    clusters : of the examples.
    dimension : d, of the inputs.
    """

    cosines: Tensor
    angles: Tensor
    clusters: int
    dimension: int

    @property
    def cosine(self) -> float:
        """Mean cosine of the leading directions: split-half stability."""
        return float(self.cosines.mean())

    @property
    def noise(self) -> Noise:
        r"""The noise of the direction that all examples give.

        The halves' directions are :math:`\delta + \varepsilon_1` and :math:`\delta + \varepsilon_2`; that of all
        examples, where the method averages, is their mean. With s the cosine of the halves,
        :math:`|\varepsilon_1 - \varepsilon_2|^2 / |2\delta + \varepsilon_1 + \varepsilon_2|^2 = (1 - s)/(1 + s)`, and
        half the difference of the halves is noise like half their sum: :math:`\widehat{\sin^2\theta}` is that ratio.
        It is the same as :math:`\tan^2\theta \propto 1/n` with the cosine at n/2 from :math:`s = \cos^2\theta_{n/2}`.
        The variance of the ratio over splits is 2/ν of its square.
        """
        mean = max(self.cosine, _OPPOSITE)
        spread = 2 * float(self.cosines.std()) / (1 - mean**2) if mean < 1 else 0.0
        freedom = max(1.0, min(float(self.dimension), 2 / max(spread**2, 1e-12)))
        return Noise(share=(1 - mean) / (1 + mean), freedom=freedom, clusters=max(2.0, self.clusters - 2.0))


def halves(method: Method, examples: Examples, *, rank: int = 1, splits: int, rng: Rng) -> Halves:
    """Fit ``method`` to both halves of the examples, for so many random splits.

    Clusters are whole. The labels are in balance: clusters in order of their label, ties at random, are split two by
    two. What a method is told by number of examples is scaled (`Method.for_share`).

    Raises
    ------
    GnomonError : with fewer than 4 splits, fewer than two clusters that hold a label, and as the method does.

    Cost: ``2 splits`` fits to half of the examples.
    """
    if splits < _FEWEST:
        raise GnomonError(f"{splits} splits are too few", mend=f"use at least {_FEWEST}")
    half_method = method.for_share(0.5)
    cosines, angles = [], []
    for number in range(splits):
        stream = rng.child("halves", number)
        first = _split(examples, stream)
        found = [
            half_method.subspace(examples.take(np.flatnonzero(side)), rank=rank, rng=stream.child(name))
            for name, side in (("first", first), ("second", ~first))
        ]
        cosines.append(found[0].direction @ found[1].direction)
        angles.append(found[0].angles(found[1]))
    return Halves(
        cosines=torch.stack(cosines),
        angles=torch.stack(angles),
        clusters=len(np.unique(examples.groups)),
        dimension=examples.inputs.shape[1],
    )


def seed_angles(method: Method, examples: Examples, *, rank: int = 1, draws: int, rng: Rng) -> Tensor:
    """Principal angles in radians between what a method gives with different draws of its own, ``(pairs, rank)``.

    All are zero for a method that draws nothing. Raises GnomonError with fewer than two draws.
    """
    if draws < 2:
        raise GnomonError(f"{draws} draws cannot be compared", mend="use at least 2")
    found = [method.subspace(examples, rank=rank, rng=rng.child("seed", number)) for number in range(draws)]
    return torch.stack([a.angles(b) for i, a in enumerate(found) for b in found[i + 1 :]])


def _split(examples: Examples, rng: Rng) -> NDArray[np.bool_]:
    """Which examples are in the first half."""
    ids, places = np.unique(examples.groups, return_inverse=True)
    labels = examples.labels.cpu().numpy()
    means = np.bincount(places, weights=labels) / np.bincount(places)
    generator = rng.child("split").numpy()
    shuffled = generator.permutation(len(ids))
    order = shuffled[np.argsort(means[shuffled], kind="stable")]
    strata = [order] if examples.kind == "graded" else [order[means[order] == m] for m in np.unique(means)]
    first = np.zeros(len(ids), dtype=bool)
    behind = bool(generator.integers(2))  # which half gets the next cluster that is left over
    for stratum in strata:
        pairs = len(stratum) // 2
        chosen = generator.integers(2, size=pairs)
        first[stratum[2 * np.arange(pairs) + chosen]] = True
        if len(stratum) % 2:
            first[stratum[-1]] = behind
            behind = not behind
    inside: NDArray[np.bool_] = first[places]
    for side in (inside, ~inside):
        if not side.any() or (labels[side] == labels[side][0]).all():
            raise GnomonError("a half of the examples has one label", mend="give two clusters of each label or more")
    return inside
