"""The gradients of contexts, each with its own scale taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng

_DITHER = 0.1


@dataclass(frozen=True, eq=False)
class Gradients:
    r"""The Jacobian of each context, divided by its norm.

    How large a gradient is changes from context to context and says nothing about where it points; what is left is
    the direction :math:`J_i / \lVert J_i \rVert_F`.

    Parameters
    ----------
    values : ``(n, c, d)`` in float32, of Frobenius norm 1: the gradients of c outputs in d dimensions.
    clusters : ``(n,)``; contexts of one cluster depend on each other and are split together.
    kept : ``(n,)`` which of the contexts given these are; those whose gradient is zero are left out.
    given : how many contexts were given.
    """

    values: Tensor
    clusters: NDArray[np.int64]
    kept: NDArray[np.int64]
    given: int

    @classmethod
    def of(cls, jacobians: Tensor, clusters: NDArray[np.int64] | None = None) -> Gradients:
        """From ``(n, d)`` gradients or ``(n, c, d)`` Jacobians; by default every context is its own cluster.

        Raises GnomonError on other shapes, numbers that are not finite, or when all are zero.
        """
        values = torch.as_tensor(jacobians).detach().to(torch.float64)
        if values.ndim == 2:
            values = values[:, None]
        if values.ndim != 3 or min(values.shape) < 1 or values.shape[2] < 2:
            raise GnomonError(
                f"gradients have shape {tuple(jacobians.shape)}",
                mend="give (contexts, dimensions) or (contexts, outputs, dimensions), with two dimensions or more",
            )
        n = len(values)
        if not bool(torch.isfinite(values).all()):
            raise GnomonError("gradients hold NaN or infinite numbers", mend="leave out such contexts")
        groups = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
        if groups.shape != (n,):
            raise GnomonError(f"clusters {groups.shape} are not of {n} contexts")
        norms = values.flatten(1).norm(dim=1)
        kept = torch.nonzero(norms > 0)[:, 0]
        if not len(kept):
            raise GnomonError("all gradients are zero", mend="choose a site that the output depends on")
        values = values[kept] / norms[kept, None, None]
        places = kept.cpu().numpy()
        return cls(values.float(), groups[places], places, n)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def rows(self) -> int:
        """c, the gradients that a context has."""
        return self.values.shape[1]

    @property
    def dimension(self) -> int:
        """The number d of dimensions."""
        return self.values.shape[2]

    def dithered(self, rng: Rng) -> Gradients:
        """With isotropic noise of a tenth of their length, and of norm 1 again.

        An exact fit walls a strand off: no context could enter or leave it any more, and expectation-maximisation
        would stay with the first partition that it meets. What is added is less than what gradients of trained
        networks scatter by themselves.
        """
        noise = torch.randn(self.values.shape, generator=rng.torch()).to(self.values)
        values = self.values + _DITHER / (self.rows * self.dimension) ** 0.5 * noise
        values = values / values.flatten(1).norm(dim=1)[:, None, None]
        return Gradients(values, self.clusters, self.kept, self.given)

    def take(self, indices: NDArray[np.int64]) -> Gradients:
        """The contexts at ``indices``."""
        index = torch.from_numpy(indices).to(self.values.device)
        return Gradients(self.values[index], self.clusters[indices], self.kept[indices], self.given)
