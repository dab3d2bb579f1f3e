"""Whether a spike is a direction of the matrix, or one large entry."""

from __future__ import annotations

import torch
from torch import Tensor

from gnomon.estimators.weights.spectrum import blocks


def share_of_one_entry(matrix: Tensor, spikes: int) -> float:
    r"""The largest share that one entry has in one of the first ``spikes`` singular values.

    :math:`s = u^\top W v = \sum_{ij} u_i W_{ij} v_j`, of which the share of entry (i, j) is
    :math:`u_i W_{ij} v_j / s`. A spike that one large entry makes owes most of itself to it; one that many entries
    make, little. The right singular vectors are those of :math:`W^\top W`, which is precise enough for large singular
    values. Cost: ``N · M · min(N, M)`` flops and an eigendecomposition.
    """
    short = min(matrix.shape)
    gram = torch.zeros(short, short, dtype=torch.float64)
    for block in blocks(matrix):
        part = block.cpu().double()
        gram += part.T @ part
    eigenvalues, vectors = torch.linalg.eigh(gram)
    squares, right = eigenvalues[-spikes:], vectors[:, -spikes:]
    largest = torch.zeros(spikes, dtype=torch.float64)
    for block in blocks(matrix):
        part = block.cpu().double()
        left = (part @ right).abs()
        for i in range(spikes):
            share = (part * right[:, i]).abs().amax(dim=1) * left[:, i]
            largest[i] = torch.maximum(largest[i], share.max())
    return float((largest / squares).max())
