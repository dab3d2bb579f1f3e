"""Sums over batches, in float64 whatever the batches are computed in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.curvature.linearisation import Linearisation, Tensors


class Adding:
    """Adds up batches' products with some vectors, ``(vectors, d)``."""

    def __init__(self, vectors: Sequence[Tensors], totals: Tensor) -> None:
        self.vectors = vectors
        self.totals = totals

    def add(self, part: Linearisation) -> None:
        for vector, total in zip(self.vectors, self.totals, strict=True):
            total += flat(part.product(vector))

    def check_finite(self) -> None:
        check_finite(self.totals, "a product with the curvature")


def flat(parts: Tensors) -> Tensor:
    """Tensors one after another, in their own precision."""
    return torch.cat([p.detach().reshape(-1) for p in parts])


def check_finite(values: Tensor, name: str) -> None:
    """Raises GnomonError when ``values`` hold a NaN or infinity."""
    if not bool(torch.isfinite(values.sum())):  # a sum is finite unless an entry is not
        raise GnomonError(f"{name} is NaN or infinite", mend="check the weights, the data or the precision")
