"""Matrices that are known whole, behind the face of a curvature operator, and spectra to try them with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.linearisation import Linearisation
from gnomon.subjects import ArrayData, Batch, Data

Array = NDArray[np.float64]


class Diagonal(CurvatureOperator):
    """A diagonal matrix; probes are rotation invariant, so it stands for any matrix of that spectrum."""

    def __init__(self, eigenvalues: Array, *, examples: int = 8, groups: int = 8, precision: float = 2.2e-16) -> None:
        self.eigenvalues = torch.from_numpy(np.asarray(eigenvalues, dtype=np.float64))
        self.dimension = len(eigenvalues)
        self.precision = precision
        self.data: Data = ArrayData(np.zeros((examples, 1)))
        self.groups = groups
        self.products = 0

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def matmat(self, vectors: Tensor) -> Tensor:
        sums, counts = zip(*self.group_sums(vectors), strict=True)
        return sum(sums, torch.zeros_like(vectors)) / sum(counts)

    def group_sums(self, vectors: Tensor) -> Iterator[tuple[Tensor, int]]:
        self.products += vectors.shape[1]
        each = len(self.data) // self.groups
        for _ in range(self.groups):
            yield each * self.eigenvalues[:, None] * vectors, each

    def _linearised(self, batch: Batch) -> Linearisation:
        raise NotImplementedError


def spectra(d: int = 400) -> dict[str, Array]:
    """Flat, decaying, low-rank, clustered and indefinite spectra."""
    generator = np.random.default_rng(0)
    return {
        "uniform": np.linspace(0.0, 1.0, d),
        "normal": generator.normal(size=d),
        "power": 1.0 / np.arange(1.0, d + 1),
        "steep": np.arange(1.0, d + 1) ** -2,
        "exponential": 0.9 ** np.arange(d),
        "thirty of many": np.r_[np.linspace(1.0, 3.0, 30), np.zeros(d - 30)],
        "two clusters": np.r_[1 + 0.01 * generator.normal(size=15), 0.001 * np.ones(d - 15)],
        "network": np.r_[[50.0, 30.0, 20.0, 10.0, 5.0], 0.1 * generator.normal(size=d - 5)],
        "one far below": np.r_[-10.0, np.full(d - 1, 0.1)],
        "a gap at the top": np.r_[np.linspace(0.0, 1.0, d - 1), 1.1],
    }
