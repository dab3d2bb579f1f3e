"""Check: principal components of centred differences would lose what the pairs have in common."""

from __future__ import annotations

import math

import torch

from gnomon.structure.concepts.concern import Concern
from gnomon.structure.examples import Examples

_CLOSE = 0.5
_SURE = 3.0


def centred_contrast(examples: Examples, *, site: str | None = None) -> list[Concern]:
    r"""Warns when the first principal component of a concept's centred pair differences is not its contrast.

    Let :math:`d_j = x_{j+} - x_{j-}` be the m differences and :math:`\bar d` their mean. Centring takes
    :math:`\bar d` away, which is the concept; what leads then is how the pairs differ from each other. The check
    compares :math:`\bar d` with the first right singular vectors of the differences, centred and not. It warns when
    the cosine of the centred one is below 0.5 while :math:`\bar d` is more than noise: were the signs of the
    :math:`d_j` random, then :math:`\|\bar d\|^2` would have the mean :math:`\frac1{m^2} \sum_j \|d_j\|^2` and the
    variance :math:`\frac2{m^4} \sum_{j \ne k} (d_j^\top d_k)^2`, and it is 3 standard deviations above.

    Nothing is said of concepts without pairs. Cost: two singular value decompositions, :math:`m d \min(m, d)` each.
    Source: Zou et al., arXiv:2310.01405 (directions from pair differences, with random signs and so not centred).
    """
    if examples.kind != "paired":
        return []
    order = torch.argsort(torch.as_tensor(examples.groups, device=examples.inputs.device), stable=True)
    pairs = (examples.inputs * examples.labels[:, None])[order].reshape(-1, 2, examples.inputs.shape[1])
    differences = pairs.sum(dim=1)
    mean, m = differences.mean(dim=0), len(differences)
    # of D D^T and D^T D the smaller one: their squares have the same sum
    gram = differences @ differences.T if m <= differences.shape[1] else differences.T @ differences
    squares = differences.square().sum(dim=1)
    own = float(squares.sum())
    spread = math.sqrt(max(2 * (float(gram.square().sum()) - float(squares.square().sum())), 0.0)) / m**2
    length = float(mean.norm())
    if m < 3 or not length**2 - own / m**2 > _SURE * spread:
        return []
    cosines = {
        name: abs(float(torch.linalg.svd(values, full_matrices=False).Vh[0] @ mean)) / length
        for name, values in (("centred", differences - mean), ("uncentred", differences))
    }
    if cosines["centred"] >= _CLOSE:
        return []
    better = "take the mean difference"
    if cosines["uncentred"] >= _CLOSE:
        better += " or do not centre"
    return [
        Concern(
            check="contrast",
            finding=f"centred differences of the pairs lead away from the contrast: their first principal component "
            f"has cosine {cosines['centred']:.2f} with the mean difference, without centring "
            f"{cosines['uncentred']:.2f}",
            mend=better,
            site=site,
            numbers={**cosines, "share": length**2 * m / own},
        )
    ]
