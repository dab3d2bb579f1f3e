"""The difference of the class means, and which way along a line the labels rise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.directions.method import Method, register
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_ROUNDINGS = 1e-12  # a difference below this share of the spread of the inputs is rounding


def label_slope(inputs: Tensor, labels: Tensor) -> Tensor:
    r"""Slope of the least-squares fit of the inputs on the label, ``(d,)``; not normalised.

    :math:`\hat\delta = \sum_i (y_i - \bar y)\,x_i \,/\, \sum_i (y_i - \bar y)^2`: the covariance with the label, in
    units of the label's variance. For labels :math:`\pm 1` it is half the difference of the class means, whatever
    their numbers; for pairs that is half the mean of their differences.

    Parameters
    ----------
    inputs : ``(n, d)``.
    labels : ``(n,)``, not all equal.
    """
    y = (labels - labels.mean()) / (labels - labels.mean()).square().sum()
    return y @ (inputs - inputs.mean(dim=0))


def pointed(directions: Tensor, examples: Examples) -> Tensor:
    """The columns of ``directions``, ``(d, r)``, each turned to where labels are higher on average."""
    rising = label_slope(examples.inputs, examples.labels) @ directions
    return directions * torch.where(rising < 0, -1.0, 1.0).to(directions)


@register
@dataclass(frozen=True, kw_only=True)
class MeanDifference(Method):
    r"""Half the difference of the class means, :math:`\hat w \propto \bar x_+ - \bar x_-`.

    For pairs it is the mean of their differences; for graded labels the covariance with the label,
    :math:`\sum_i (y_i - \bar y)\,x_i` (`label_slope`). It is the best linear direction where the variation within a
    class is isotropic, and no estimate needs fewer examples. It is off where examples of one class vary along a
    direction that the class means also differ in by accident, and blind where the class means are equal.

    Rank 1. Cost: :math:`2nd` operations.

    Source: Fisher's discriminant for isotropic covariance, Annals of Eugenics 7 (1936) 179.

    >>> x = torch.tensor([[1.0, 2.0], [3.0, -2.0], [-1.0, 1.0], [-3.0, -1.0]])
    >>> examples = Examples(inputs=x, labels=torch.tensor([1.0, 1.0, -1.0, -1.0]))
    >>> MeanDifference().subspace(examples, rank=1, rng=Rng(0)).direction.abs().tolist()
    [1.0, 0.0]
    """

    name: ClassVar[str] = "mean_difference"
    source: ClassVar[str] = "Fisher, Annals of Eugenics 7 (1936) 179, for isotropic covariance"
    most: ClassVar[int | None] = 1

    def subspace(self, examples: Examples, *, rank: int, rng: Rng) -> Subspace:  # noqa: ARG002
        """See `Method.subspace`."""
        self.check_rank(rank, examples)
        slope = label_slope(examples.inputs, examples.labels)
        spread = (examples.inputs - examples.inputs.mean(dim=0)).square().sum(dim=1).mean().sqrt()
        if not bool(slope.norm() * (examples.labels - examples.labels.mean()).norm() > _ROUNDINGS * spread):
            raise GnomonError("the class means are equal", mend="give examples whose inputs differ with the label")
        return Subspace.line(slope)
