"""Optimisers of an ensemble: as those of torch, but each replica may have hyperparameters of its own."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gnomon.errors import GnomonError

Values = float | Sequence[float] | Tensor
"""A hyperparameter: one number for all replicas, or one for each."""
_Held = float | Tensor


class Optimizer(abc.ABC):
    """What turns the gradients of an ensemble into updates. One belongs to one ensemble, as it may keep moments.

    For a schedule set ``learning_rate`` between steps.
    """

    learning_rate: _Held

    def __init__(self) -> None:
        self._parameters: Mapping[str, Tensor] = {}
        self._steps = 0
        self._now: dict[str, _Held] = {}

    def begin(self, parameters: Mapping[str, Tensor]) -> None:
        """A step begins: each replica of ``parameters`` (stacked, by name) will be updated once.

        Raises GnomonError when the optimiser belongs to another ensemble, or has hyperparameters for another number
        of replicas.
        """
        if not self._parameters:
            replicas = len(next(iter(parameters.values())))
            for name, value in vars(self).items():
                if isinstance(value, Tensor) and len(value) != replicas:
                    raise GnomonError(
                        f"{len(value)} values of {name} for {replicas} replicas", mend="give one for each"
                    )
            self._parameters = parameters
        elif self._parameters is not parameters:
            raise GnomonError("the optimiser belongs to another ensemble", mend="make one for each")
        self._steps += 1
        like = next(iter(parameters.values()))
        self._now = {
            name: value.to(like) if isinstance(value, Tensor) else value for name, value in self._factors().items()
        }

    @abc.abstractmethod
    def _factors(self) -> dict[str, _Held]:
        """The numbers of the present step."""

    def _along(self, name: str, rows: slice, parameter: Tensor) -> _Held:
        """The number ``name`` of the replicas ``rows``, to be broadcast against their ``parameter``."""
        value = self._now[name]
        return value[rows].view(-1, *[1] * (parameter.ndim - 1)).to(parameter) if isinstance(value, Tensor) else value

    @abc.abstractmethod
    def update(self, rows: slice, gradients: Mapping[str, Tensor]) -> None:
        """Update the replicas ``rows`` by ``gradients``, which are stacked for those only."""

    def _moments(self) -> dict[str, Tensor]:
        return {name: torch.zeros_like(p) for name, p in self._parameters.items()}


class Sgd(Optimizer):
    r"""Gradient descent with momentum, as `torch.optim.SGD`.

    :math:`d = g + \lambda\theta`, then :math:`b \leftarrow \mu b + d` from :math:`b = 0`, then
    :math:`\theta \leftarrow \theta - \eta b`.

    Parameters
    ----------
    learning_rate, momentum, weight_decay : :math:`\eta, \mu, \lambda`, each one number or one for each replica.

    Raises GnomonError for values that are not finite or negative.
    """

    def __init__(self, learning_rate: Values, *, momentum: Values = 0.0, weight_decay: Values = 0.0) -> None:
        super().__init__()
        self.learning_rate = held("learning_rate", learning_rate)
        self.momentum = held("momentum", momentum)
        self.weight_decay = held("weight_decay", weight_decay)
        self._buffers: dict[str, Tensor] = {}

    def _factors(self) -> dict[str, _Held]:
        return {"rate": self.learning_rate, "momentum": self.momentum, "decay": self.weight_decay}

    def update(self, rows: slice, gradients: Mapping[str, Tensor]) -> None:
        """See `Optimizer.update`."""
        moving, decaying = (isinstance(v, Tensor) or v > 0 for v in (self.momentum, self.weight_decay))
        if moving and not self._buffers:
            self._buffers = self._moments()
        for name, gradient in gradients.items():
            parameter = self._parameters[name][rows]
            move = gradient + self._along("decay", rows, parameter) * parameter if decaying else gradient
            if moving:
                move = self._buffers[name][rows].mul_(self._along("momentum", rows, parameter)).add_(move)
            parameter.sub_(self._along("rate", rows, parameter) * move)


class AdamW(Optimizer):
    r"""Adam with decoupled weight decay, as `torch.optim.AdamW`.

    :math:`\theta \leftarrow (1 - \eta\lambda)\theta - \eta\,\hat m / (\sqrt{\hat v} + \epsilon)` with the usual
    moments :math:`\hat m, \hat v` of the gradient, corrected for their start.

    Parameters
    ----------
    learning_rate, betas, weight_decay : :math:`\eta, (\beta_1, \beta_2), \lambda`; each number (each of the betas)
        one for all, or one for each replica.
    eps : :math:`\epsilon`.

    Raises GnomonError for values that are not finite or negative, and for betas of 1 or more.

    Source: Loshchilov & Hutter, arXiv:1711.05101.
    """

    def __init__(
        self,
        learning_rate: Values,
        *,
        betas: tuple[Values, Values] = (0.9, 0.999),
        weight_decay: Values = 0.01,
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        self.learning_rate = held("learning_rate", learning_rate)
        self.weight_decay = held("weight_decay", weight_decay)
        self.beta_1, self.beta_2 = (held("betas", beta, below=1.0) for beta in betas)
        self.eps = eps
        self._first: dict[str, Tensor] = {}
        self._second: dict[str, Tensor] = {}

    def _factors(self) -> dict[str, _Held]:
        # The moments are kept without their factors (1 - beta), which join the corrections: fewer passes over memory
        spread = ((1 - self.beta_2) / (1 - self.beta_2**self._steps)) ** 0.5
        return {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "kept": 1 - self.learning_rate * self.weight_decay,
            "eps": self.eps / spread,
            "size": self.learning_rate * (1 - self.beta_1) / (1 - self.beta_1**self._steps) / spread,
        }

    def update(self, rows: slice, gradients: Mapping[str, Tensor]) -> None:
        """See `Optimizer.update`."""
        if not self._first:
            self._first, self._second = self._moments(), self._moments()
        for name, gradient in gradients.items():
            parameter, first, second = (of[name][rows] for of in (self._parameters, self._first, self._second))
            beta_1, beta_2, kept, eps, size = (self._along(n, rows, parameter) for n in self._now)
            parameter.mul_(kept)
            first.mul_(beta_1).add_(gradient)
            second.mul_(beta_2).addcmul_(gradient, gradient)
            move = second.sqrt().add_(eps)
            torch.div(first, move, out=move)
            parameter.sub_(move.mul_(size))


def held(name: str, values: Values, below: float = float("inf")) -> _Held:
    """A hyperparameter as a number, or as a tensor of one for each replica, in float64."""
    tensor = torch.as_tensor(values, dtype=torch.float64)
    if tensor.ndim > 1 or not bool(((tensor >= 0) & (tensor < below)).all()):
        raise GnomonError(f"bad {name}: {values}", mend=f"give numbers in [0, {below})")
    return tensor if tensor.ndim else float(tensor)
