"""Products with the Hessian of the mean loss."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.linearisation import Linearisation, Tensors, slope, transposed
from gnomon.estimators.curvature.summing import Adding, check_finite, flat
from gnomon.subjects import Batch


class HessianOperator(CurvatureOperator):
    r"""The Hessian :math:`H = \nabla^2_\theta L(\theta)` of the mean loss.

    As H is symmetric, :math:`Hv` is the transposed derivative of the gradient: one forward and one backward pass a
    batch, and then for each vector a backward pass through both (about two to three times the gradient).

    Source: Pearlmutter, Neural Computation 6 (1994) 147.

    >>> from gnomon.subjects import ArrayData, SquaredError, Subject
    >>> line = torch.nn.Linear(2, 1, bias=False)
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 2.0]])
    >>> hessian = HessianOperator(Subject(line, loss=SquaredError()), ArrayData(x, torch.zeros(2, 1)))
    >>> hessian.matmat(torch.eye(2))  # (2/N) XᵀX
    tensor([[2., 2.],
            [2., 4.]], dtype=torch.float64)
    """

    def group_gradients(self, vector: Tensor) -> Iterator[tuple[Tensor, Tensor, int]]:
        """For each group the gradient and ``H v``, both summed over its predictions, and how many there were."""
        direction = self._split(vector.to(self.device))
        for group in self._groups:
            found = _AddingBoth(direction, torch.zeros(2, self.dimension, dtype=torch.float64, device=self.device))
            count = self._visit(group, found)
            yield found.totals[0], found.totals[1], count

    def _linearised(self, batch: Batch) -> Linearisation:
        losses = self._function.losses(self._parameters, batch)
        return _Gradient(losses, tuple(self._parameters.values()))


class _Gradient(Linearisation):
    """The gradient of a batch's summed loss."""

    def __init__(self, losses: Tensor, parameters: Tensors) -> None:
        self.count = len(losses)
        self._parameters = parameters
        self.gradient = slope(losses.sum(), parameters)

    def product(self, vector: Tensors) -> Tensors:
        return transposed(self.gradient, self._parameters, vector)


class _AddingBoth(Adding):
    """Adds up batches' gradients and products with one vector, ``(2, d)``."""

    def __init__(self, vector: Tensors, totals: Tensor) -> None:
        super().__init__([vector], totals)

    def add(self, part: Linearisation) -> None:
        assert isinstance(part, _Gradient)
        self.totals[0] += flat(part.gradient)
        self.totals[1] += flat(part.product(self.vectors[0]))

    def check_finite(self) -> None:
        check_finite(self.totals[0], "the gradient of the loss")
        check_finite(self.totals[1], "a product with the curvature")
