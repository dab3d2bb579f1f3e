"""Which latents, or directions, point the same way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError

_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """``(m, count)``: for each direction the indices of others, and the cosines, the greatest first."""

    index: NDArray[np.int64]
    cosine: NDArray[np.float32]


def neighbours(directions: Tensor, others: Tensor | None = None, *, count: int, signed: bool = True) -> Neighbours:
    """The ``count`` rows of ``others``, ``(k, e)``, with the greatest cosine to each row of ``directions``, ``(m, e)``.

    Without ``others``, the nearest of the other rows themselves. Not ``signed`` means by the absolute cosine, whose
    sign is kept.

    Raises GnomonError when widths differ. Cost: :math:`2 m k e` operations, in blocks of 1,024 rows.

    >>> neighbours(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]), count=1).index.tolist()
    [[2], [2], [1]]
    """
    if others is not None and others.shape[1:] != directions.shape[1:]:
        raise GnomonError(f"directions have widths {directions.shape[1]} and {others.shape[1]}")
    rows = torch.nn.functional.normalize(directions.detach().float(), dim=1)
    goal = rows if others is None else torch.nn.functional.normalize(others.detach().to(rows), dim=1)
    count = min(count, len(goal) - (others is None))
    index = torch.empty(len(rows), count, dtype=torch.int64)
    cosine = torch.empty(len(rows), count)
    for start in range(0, len(rows), _ROWS):
        found = rows[start : start + _ROWS] @ goal.T
        order = found.clone() if signed else found.abs()
        if others is None:
            own = torch.arange(len(found), device=found.device)
            order[own, start + own] = -torch.inf
        best = order.topk(count, dim=1).indices
        index[start : start + _ROWS] = best.cpu()
        cosine[start : start + _ROWS] = found.gather(1, best).cpu()
    return Neighbours(index=index.numpy(), cosine=cosine.numpy())
