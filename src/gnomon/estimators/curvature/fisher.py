"""Products with the empirical Fisher matrix: the second moment of the gradients at the observed targets."""

from __future__ import annotations

from torch import Tensor

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.linearisation import Forward, Linearisation, Tensors, transposed
from gnomon.subjects import Batch


class EmpiricalFisherOperator(CurvatureOperator):
    r"""The empirical Fisher matrix :math:`\hat F = \frac1N \sum_n \nabla \ell_n \nabla \ell_n^\top`.

    The gradients are those of single predictions (tokens, or examples) at the targets in the data, not centred. It
    equals the true Fisher information only where the network's own probabilities generate the targets; the true one
    is `GaussNewtonOperator`. A product is :math:`\frac1N J^\top (J v)` with the Jacobian J of all N losses.

    Source: Kunstner, Balles & Hennig, arXiv:1905.12558 (definition, and how it differs from the Fisher).

    >>> import torch
    >>> from gnomon.subjects import ArrayData, SquaredError, Subject
    >>> line = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.ones_(line.weight)
    >>> data = ArrayData(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1))  # gradients 2 and 8
    >>> EmpiricalFisherOperator(Subject(line, loss=SquaredError()), data).matvec(torch.ones(1))
    tensor([34.], dtype=torch.float64)
    """

    backward_per_product = 1.5

    def _linearised(self, batch: Batch) -> Linearisation:
        losses = self._function.losses(self._parameters, batch)
        return _Linearised(losses, tuple(self._parameters.values()))


class _Linearised(Linearisation):
    """All losses of a batch, linear in the parameters."""

    def __init__(self, losses: Tensor, parameters: Tensors) -> None:
        self.count = len(losses)
        self._parameters = parameters
        self._losses = losses
        self._forward = Forward(losses, parameters)

    def product(self, vector: Tensors) -> Tensors:
        return transposed((self._losses,), self._parameters, (self._forward(vector),))
