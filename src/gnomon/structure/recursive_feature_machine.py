"""The recursive feature machine: a kernel machine that learns its metric from its own gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.kernel_machine import KernelMachine, fit
from gnomon.structure.kernels import Kernel


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """One round of a recursive feature machine.

    Parameters
    ----------
    number : 0 for the machine with M = I, which is plain kernel ridge regression.
    machine : the predictor of this round, with its metric.
    train_error : its mean squared error on the training examples, over rows and outputs.
    agop : its average gradient outer product, ``(d, d)`` in float64: what the next metric is made from.
    """

    number: int
    machine: KernelMachine
    train_error: float
    agop: Tensor


@dataclass(frozen=True, kw_only=True)
class RecursiveFeatureMachine:
    r"""Kernel ridge regression whose metric is, round by round, a power of its average gradient outer product.

    :math:`M_0 = I`; round t solves :math:`(K_{M_t} + \lambda I)\alpha = Y`, takes
    :math:`G_t = \frac1n \sum_{i,c} \nabla f_c(x_i) \nabla f_c(x_i)^\top` in closed form, and sets

    .. math:: M_{t+1} = d \, G_t^{\,s} / \operatorname{tr} G_t^{\,s}.

    The power s is that of the matrix, so that s = 1 takes the AGOP itself for the metric and s = 1/2 its square root.
    The trace does not depend on the basis: on rotated inputs the machine is the same, rotated. It is d, that of
    :math:`M_0`, so that the mean squared distance of isotropic data, and with it the meaning of a bandwidth, is the
    same in every round.

    Parameters
    ----------
    kernel : see `gnomon.structure.kernels`.
    power : s > 0.
    ridge : λ, see `gnomon.structure.kernel_machine.fit`.
    rounds : how many times the metric is learned; there are ``rounds + 1`` machines.
    centred : whether gradients are taken about their mean, see `KernelMachine.agop`.

    Cost of a round: :math:`n^3/3 + 2 n^2 d\,c` operations for n examples and c outputs.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.

    >>> from gnomon.structure.kernels import Laplace
    >>> x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> machine = RecursiveFeatureMachine(kernel=Laplace(5.0), rounds=3).fit(x, x[:, :1].abs())
    >>> bool(machine.metric[0, 0] / machine.metric.trace() > 0.9)
    True
    """

    kernel: Kernel
    power: float = 1.0
    ridge: float = 1e-3
    rounds: int = 5
    centred: bool = False

    def __post_init__(self) -> None:
        if not self.power > 0:
            raise GnomonError(f"power {self.power} is not positive")
        if self.rounds < 0:
            raise GnomonError(f"rounds {self.rounds} is negative")

    def iterate(self, inputs: Tensor, targets: Tensor) -> Iterator[Round]:
        """Round after round, each computed when it is asked for; see `fit`.

        Raises GnomonError also when a predictor does not depend on its inputs, so that there is no next metric.
        """
        metric = torch.eye(inputs.shape[1], dtype=torch.float64, device=inputs.device)
        for number in range(self.rounds + 1):
            machine = fit(self.kernel, inputs, targets, metric=metric, ridge=self.ridge)
            error = (machine.predict(inputs) - targets).to(torch.float64).square().mean()
            agop = machine.agop(inputs, centred=self.centred)
            yield Round(number=number, machine=machine, train_error=float(error), agop=agop)
            if number < self.rounds:
                metric = learned_metric(agop, self.power)

    def fit(self, inputs: Tensor, targets: Tensor) -> KernelMachine:
        """The machine of the last round.

        Parameters
        ----------
        inputs : ``(n, d)``; float64 on the CPU unless there is a reason.
        targets : ``(n, outputs)``, e.g. one-hot classes.

        Raises
        ------
        GnomonError : see `gnomon.structure.kernel_machine.fit`.
        """
        *_, last = self.iterate(inputs, targets)
        return last.machine


def learned_metric(agop: Tensor, power: float) -> Tensor:
    r""":math:`d\,G^s / \operatorname{tr} G^s` of a positive semi-definite matrix G, ``(d, d)``.

    Raises GnomonError when G is zero.
    """
    values, vectors = torch.linalg.eigh((agop + agop.T) / 2)
    raised = values.clamp(min=0.0).pow(power)
    total = raised.sum()
    if not total > 0:
        raise GnomonError("the predictor does not depend on its inputs", mend="give targets that vary, or lower ridge")
    metric: Tensor = (vectors * (len(values) * raised / total)) @ vectors.T
    return metric
