"""Products with the Hessian of the mean loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import grad

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator, check_finite, pull_back
from gnomon.subjects import Batch, Parameters, flat


class HessianOperator(CurvatureOperator):
    r"""The Hessian :math:`H = \nabla^2_\theta L(\theta)` of the mean loss.

    As H is symmetric, :math:`Hv` is the pull-back of :math:`v` through the gradient: one forward and one backward
    pass a batch, and then for each vector a backward pass through both (about two to three times the gradient).

    Source: Pearlmutter, Neural Computation 6 (1994) 147.

    >>> from gnomon.subjects import ArrayData, SquaredError, Subject
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
    >>> hessian = HessianOperator(Subject(line, loss=SquaredError()), ArrayData(x, torch.zeros(2, 1)))
    >>> hessian.matmat(torch.eye(2))  # (2/N) XᵀX
    tensor([[2., 2.],
            [2., 4.]], dtype=torch.float64)
    """

    def gradient_and_product(self, vector: Tensor) -> tuple[Tensor, Tensor, int]:
        """The gradient and ``H v``, both summed over predictions, and how many there were."""
        gradient, product = (torch.zeros(1, self.dimension, dtype=torch.float64, device=self.device) for _ in range(2))
        rows = vector[None].to(self.device)
        count = sum(self._add(batch, rows, product, gradient[0]) for batch in self._batches())
        check_finite(gradient, "the gradient of the loss")
        check_finite(product, "a product with the curvature")
        return gradient[0], product[0], count

    def _add_products(self, batch: Batch, rows: Tensor, total: Tensor) -> int:
        return self._add(batch, rows, total)

    def _add(self, batch: Batch, rows: Tensor, total: Tensor, slope: Tensor | None = None) -> int:
        """Add a batch's products to ``total``, and its gradient to ``slope``."""
        count = 0

        def loss(parameters: Parameters) -> Tensor:
            nonlocal count
            losses = self._function.losses(parameters, batch)
            count = len(losses)
            return losses.sum()

        gradient, pull = pull_back(grad(loss), self._parameters)
        for row, into in zip(rows, total, strict=True):
            into += flat(pull(self._function.split(row)))
        if slope is not None:
            slope += flat(gradient)
        return count
