"""Penalised logistic regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.method import Method, register
from gnomon.structure.directions.row_space import RowSpace
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_MOST_STEPS = 100
_GRADIENT = 1e-8  # relative to that at zero; Newton's steps square the error, so that it is passed far


def logistic_weight(inputs: Tensor, classes: Tensor, *, penalty: float) -> Tensor:
    r"""The weight ``(d,)`` of penalised logistic regression with an intercept; not normalised.

    It minimises :math:`\frac1n \sum_i \ln(1 + e^{-y_i (w^\top x_i + b)}) + \frac\lambda2 \|w\|^2` by Newton's method
    with halved steps; for λ > 0 the minimum exists and is unique, also where the classes are separable.

    Parameters
    ----------
    inputs : ``(n, d)``.
    classes : ``(n,)`` of +1 and -1, both present.
    penalty : λ > 0, in the unit of the inputs squared.

    Raises GnomonError when the penalty is not positive. Cost: :math:`n m^2 + m^3/3` operations a step with
    :math:`m = \min(n, d)`, 5 to 15 steps, and once :math:`2 n^2 d` where n < d.
    """
    if not penalty > 0:
        raise GnomonError(f"penalty {penalty} is not positive", mend="separable classes need one")
    space = RowSpace.of(inputs)
    x = torch.cat([space.coordinates, inputs.new_ones(len(inputs), 1)], dim=1)
    shrink = torch.full((x.shape[1],), penalty).to(x)
    shrink[-1] = 0.0

    def objective(weight: Tensor) -> Tensor:
        return torch.nn.functional.softplus(-classes * (x @ weight)).mean() + (shrink * weight.square()).sum() / 2

    weight, first = torch.zeros_like(shrink), None
    for _ in range(_MOST_STEPS):
        probability = torch.sigmoid(-classes * (x @ weight))
        gradient = shrink * weight - x.T @ (classes * probability) / len(x)
        norm = float(gradient.norm())
        first = norm if first is None else first
        if norm <= _GRADIENT * first:
            break
        curvature = (probability * (1 - probability) / len(x))[:, None] * x
        step = torch.linalg.solve(x.T @ curvature + shrink.diag() + 1e-12 * torch.eye(len(shrink)).to(x), gradient)
        size, here = 1.0, objective(weight)
        while size > _GRADIENT and objective(weight - size * step) > here - 1e-4 * size * (gradient @ step):
            size /= 2
        weight = weight - size * step
    return space.lift(weight[:-1])


@register
@dataclass(frozen=True, kw_only=True)
class Logistic(Method):
    r"""The weight of logistic regression with an intercept and a penalty on the squared weight.

    See `logistic_weight`. The penalty is :math:`\lambda = \frac cn\,\overline{\|x - \bar x\|^2}`: the direction does
    not depend on the unit of the inputs, and the penalty fades as examples come. For c = 1 it says that, before any
    example, the log-odds are expected to change by about one over the typical distance of an example from the mean.
    With a large c the direction is the mean difference; with a small one it is that of the widest margin, which only
    the examples between the classes decide. Pairs are taken as examples of two classes; graded labels are refused.

    Rank 1.

    Parameters
    ----------
    penalty : c > 0.

    Source: le Cessie & van Houwelingen, Applied Statistics 41 (1992) 191 (ridge penalty).
    """

    penalty: float = 1.0

    name: ClassVar[str] = "logistic"
    source: ClassVar[str] = "le Cessie & van Houwelingen, Applied Statistics 41 (1992) 191"
    most: ClassVar[int | None] = 1

    def for_share(self, share: float) -> Self:
        """See `Method.for_share`: the penalty on an example stays."""
        return replace(self, penalty=share * self.penalty)

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        self.check_classes(examples)
        x = examples.inputs
        unit = float((x - x.mean(dim=0)).square().sum(dim=1).mean())
        if not unit > 0:
            raise GnomonError("all inputs are equal", mend="give examples whose inputs differ")
        return Subspace.line(logistic_weight(x, examples.labels, penalty=self.penalty * unit / len(x)))
