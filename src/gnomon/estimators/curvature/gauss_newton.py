"""Products with the generalised Gauss–Newton matrix, which is the Fisher information of these losses."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor
from torch.func import grad

from gnomon.estimators.curvature.curvature_operator import CurvatureOperator, pull_back, push_forward
from gnomon.subjects import Batch, Parameters, Predictions, flat


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

    def _add_products(self, batch: Batch, rows: Tensor, total: Tensor) -> int:
        loss = self.subject.loss
        assert loss is not None
        scored: Predictions | None = None

        def scores(parameters: Parameters) -> Tensor:
            nonlocal scored
            scored = self._function.predictions(parameters, batch)
            return scored.scores

        def loss_slope(found: Tensor) -> Tensor:
            assert scored is not None
            fixed = scored
            slope: Tensor = grad(lambda s: loss.values(replace(fixed, scores=s)).sum())(found)
            return slope

        output, pull = pull_back(scores, self._parameters)
        push = push_forward(pull, output)
        _, bend = pull_back(loss_slope, output)
        for row, into in zip(rows, total, strict=True):
            into += flat(pull(bend(push(self._function.split(row)))))
        return len(output)
