"""Directions that tell two classes apart, from raw arrays."""

from __future__ import annotations

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.recursive_feature_machine import RecursiveFeatureMachine

_MOST_STEPS = 100
_GRADIENT = 1e-8  # relative to that at zero; Newton's steps square the error, so that it is passed far


def mean_difference(inputs: Tensor, classes: Tensor) -> Tensor:
    r"""Half the difference of the class means, :math:`\frac12(\bar x_+ - \bar x_-)`, at unit length.

    Parameters
    ----------
    inputs : ``(n, d)``.
    classes : ``(n,)`` of +1 and -1, both present.

    Source: Fisher's discriminant for isotropic covariance, Annals of Eugenics 7 (1936) 179.

    >>> x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [-1.0, 2.0], [-3.0, -2.0]])
    >>> mean_difference(x, torch.tensor([1.0, 1.0, -1.0, -1.0]))
    tensor([1., 0.])
    """
    _check(inputs, classes)
    difference = (inputs[classes > 0].mean(dim=0) - inputs[classes < 0].mean(dim=0)) / 2
    return _unit(difference)


def logistic(inputs: Tensor, classes: Tensor, *, penalty: float) -> Tensor:
    r"""The weight of penalised logistic regression with an intercept, at unit length.

    It minimises :math:`\frac1n \sum_i \ln(1 + e^{-y_i (w^\top x_i + b)}) + \frac\lambda2 \|w\|^2` by Newton's method
    with halved steps; for λ > 0 the minimum exists and is unique, also where the classes are separable.

    Parameters
    ----------
    inputs : ``(n, d)``.
    classes : ``(n,)`` of +1 and -1, both present.
    penalty : λ > 0.

    Raises GnomonError on bad input. Cost: :math:`n d^2 + d^3/3` operations a step, 5 to 15 steps.
    """
    _check(inputs, classes)
    if not penalty > 0:
        raise GnomonError(f"penalty {penalty} is not positive", mend="separable classes need one")
    x = torch.cat([inputs, inputs.new_ones(len(inputs), 1)], dim=1)
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
    return _unit(weight[:-1])


def agop_direction(inputs: Tensor, classes: Tensor, machine: RecursiveFeatureMachine) -> Tensor:
    """The leading eigenvector of the average gradient outer product of a machine fitted to the classes.

    Its sign is that of the mean difference. The gradients need not share a sign, so that it also finds a direction
    along which the classes alternate.

    Parameters
    ----------
    inputs : ``(n, d)``.
    classes : ``(n,)`` of +1 and -1, both present.
    machine : what is fitted; the product is that of its last round.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.
    """
    _check(inputs, classes)
    *_, last = machine.iterate(inputs, classes[:, None])
    leading: Tensor = torch.linalg.eigh(last.agop).eigenvectors[:, -1].to(inputs)
    return leading if leading @ mean_difference(inputs, classes) >= 0 else -leading


def _check(inputs: Tensor, classes: Tensor) -> None:
    if inputs.ndim != 2 or classes.shape != inputs.shape[:1]:
        raise GnomonError(f"inputs {tuple(inputs.shape)} and classes {tuple(classes.shape)} do not belong together")
    if not ((classes == 1) | (classes == -1)).all() or (classes == classes[:1]).all():
        raise GnomonError("classes are not +1 and -1, both present", mend="code them so")


def _unit(direction: Tensor) -> Tensor:
    length = direction.norm()
    if not length > 0:
        raise GnomonError("the direction is zero", mend="give classes that differ")
    unit: Tensor = direction / length
    return unit
