r"""Quadratic networks on all pairs at once: outputs and gradients in closed form.

On one-hot inputs the hidden layer of :math:`f(a, b) = W (E [e_a; e_b])^{\odot 2}` is a sum of two columns of E,
:math:`u_a + v_b`, so that

.. math:: f_c(a, b) = \sum_n W_{cn} u_{an}^2 + \sum_n W_{cn} v_{bn}^2 + 2 \sum_n u_{an} v_{bn} W_{cn}.

The first two terms cost next to nothing. The third is one product of the n × N matrix u with the n² × N matrix
:math:`k_{(b, c)} = v_b \odot W_c`, and its gradient takes two more of that size: with residuals D on the training
pairs, :math:`D k` gives that of u and :math:`D^\top u` that of k, from which those of v and W follow elementwise.
All outputs and the gradient take 6 n³N floating point operations; on one-hot rows the same takes 6 n³N for the
outputs and 8 n³N times the training share for the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gnomon.organisms.ensemble import Ensemble
from gnomon.organisms.ensemble_optimizers import Optimizer
from gnomon.organisms.modular import QuadraticNetwork

_CACHE = 5 * 2**20  # bytes of k and its gradient at a time, which are read and written several times


class QuadraticCourse:
    """Quadratic networks of one size in training, each on training pairs of its own; see `Course`."""

    def __init__(self, specs: Sequence[QuadraticNetwork], ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        one, like = specs[0], ensemble.parameters["unembed.weight"]
        self._symbols, self._width, self._pairs = one.symbols, one.width, one.train_size
        a, b = np.divmod(np.arange(one.symbols**2), one.symbols)
        answers = torch.from_numpy(one.residues.compose(a, b)).reshape(one.symbols, one.symbols).to(like.device)
        self._answers = answers
        self._targets = torch.eye(one.symbols, dtype=like.dtype, device=like.device)[answers]
        trained = torch.zeros(len(specs), one.symbols**2, dtype=torch.bool)
        for replica, spec in enumerate(specs):
            trained[replica, spec.train_pairs()] = True
        self._trained = trained.reshape(-1, one.symbols, one.symbols).to(like.device)
        size = like.element_size() * one.symbols**2 * one.width
        self._chunk = min(len(specs), max(1, _CACHE // (2 * size)))
        self._work = torch.empty(2, self._chunk, one.symbols**2, one.width, dtype=like.dtype, device=like.device)

    def advance(self, optimizer: Optimizer | None) -> Tensor:
        """See `Course.advance`."""
        if optimizer is not None:
            optimizer.begin(self._ensemble.parameters)
        found = []
        for start in range(0, self._ensemble.size, self._chunk):
            rows = slice(start, min(start + self._chunk, self._ensemble.size))
            found.append(self._advance(rows, optimizer))
        return torch.cat(found, dim=1)

    def _advance(self, rows: slice, optimizer: Optimizer | None) -> Tensor:
        n, trained = self._symbols, self._trained[rows]
        embed, unembed = (self._ensemble.parameters[name][rows] for name in ("embed.weight", "unembed.weight"))
        k, gradient_k = self._work[:, : len(embed)]
        columns = embed.mT.contiguous()
        u, v = columns[:, :n], columns[:, n:]
        squares = columns.square()
        torch.mul(v.unsqueeze(2), unembed.unsqueeze(1), out=k.view(-1, n, n, self._width))

        single = squares @ unembed.mT
        outputs = (single[:, :n].unsqueeze(2) + single[:, n:].unsqueeze(1)).flatten(2)  # (replicas, a, b · c)
        outputs.baddbmm_(u, k.mT, alpha=2)
        each = outputs.view(-1, n, n, n)
        right = each.argmax(dim=-1) == self._answers
        right_trained = (right & trained).sum(dim=(1, 2), dtype=torch.float64)
        right_others = right.sum(dim=(1, 2), dtype=torch.float64) - right_trained

        each.sub_(self._targets).masked_fill_(~trained.unsqueeze(-1), 0.0)  # now the residuals
        entries = self._pairs * n
        losses = each.square().sum(dim=(1, 2, 3)).double() / entries
        found = torch.stack([losses, right_trained / self._pairs, right_others / (n**2 - self._pairs)])
        if optimizer is None:
            return found

        of_single = torch.cat([each.sum(dim=2), each.sum(dim=1)], dim=1)
        gradient = (of_single @ unembed).mul_(columns)
        gradient[:, :n].add_(outputs @ k)
        torch.bmm(outputs.mT, u, out=gradient_k)
        # k is done with: its memory takes the products
        pieces, products = (piece.view(-1, n, n, self._width) for piece in (gradient_k, k))
        torch.mul(pieces, unembed.unsqueeze(1), out=products)
        gradient[:, n:].add_(products.sum(dim=2))
        torch.mul(pieces, v.unsqueeze(2), out=products)
        gradient_unembed = products.sum(dim=1).mul_(2).baddbmm_(of_single.mT, squares).mul_(2 / entries)
        gradient_embed = gradient.mul_(4 / entries).mT.contiguous()
        optimizer.update(rows, {"embed.weight": gradient_embed, "unembed.weight": gradient_unembed})
        return found
