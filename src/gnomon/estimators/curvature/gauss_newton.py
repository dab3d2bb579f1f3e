"""Products with the generalised Gauss–Newton matrix, which is the Fisher information of these losses."""

from __future__ import annotations

from dataclasses import replace

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator
from gnomon.estimators.curvature.linearisation import Forward, Linearisation, Tensors, slope, transposed
from gnomon.subjects import Batch, Loss, Predictions


class GaussNewtonOperator(CurvatureOperator):
    r"""The generalised Gauss–Newton matrix :math:`G = \frac1N \sum_n J_n^\top \Lambda_n J_n`.

    :math:`J_n` is the Jacobian of the n-th prediction's scores with respect to the parameters and
    :math:`\Lambda_n` the Hessian of its loss with respect to those scores. G is the Hessian of the mean loss without
    the curvature of the network itself, and is positive semi-definite where the loss is convex in the scores.

    Where :math:`e^{-\ell}` is, up to a factor, a likelihood of the target whose natural parameters are the scores
    (softmax cross entropies; the squared error, with a Gaussian), G is the true Fisher information
    :math:`\frac1N \sum_n \mathbb{E}_{y \sim p(y \mid x_n)} \nabla \log p\, \nabla \log p^\top`.

    Source: Schraudolph, Neural Computation 14 (2002) 1723; Martens, arXiv:1412.1193 (equality with the Fisher).

    >>> import torch
    >>> from gnomon.subjects import ArrayData, CrossEntropy, Subject
    >>> softmax = torch.nn.Linear(1, 2, bias=False)
    >>> _ = torch.nn.init.zeros_(softmax.weight)
    >>> data = ArrayData(torch.ones(3, 1), torch.tensor([0, 1, 1]))
    >>> GaussNewtonOperator(Subject(softmax, loss=CrossEntropy()), data).matmat(torch.eye(2))  # diag(p) − ppᵀ
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]], dtype=torch.float64)
    """

    backward_per_product = 1.5

    def _linearised(self, batch: Batch) -> Linearisation:
        loss = self.subject.loss
        assert loss is not None
        return _Linearised(self._function.predictions(self._parameters, batch), loss, tuple(self._parameters.values()))


class _Linearised(Linearisation):
    """The scores of a batch, linear in the parameters, and its loss, quadratic in the scores."""

    def __init__(self, predictions: Predictions, loss: Loss, parameters: Tensors) -> None:
        self.count = len(predictions.scores)
        self._parameters = parameters
        self._scores = predictions.scores
        self._forward = Forward(self._scores, parameters)
        self._at = self._scores.detach().requires_grad_()
        self._slope = slope(loss.values(replace(predictions, scores=self._at)).sum(), (self._at,))

    def product(self, vector: Tensors) -> Tensors:
        bent = transposed(self._slope, (self._at,), (self._forward(vector),))
        return transposed((self._scores,), self._parameters, bent)
