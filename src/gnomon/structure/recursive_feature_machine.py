"""The recursive feature machine: a kernel machine that learns its metric from its own gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernel_machine import KernelMachine, Solver, fit
from gnomon.structure.kernels import Kernel

_CONSTANT, _VARY = "the predictor does not depend on its inputs", "give targets that vary, or lower ridge"


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """One round of a recursive feature machine.

    Parameters
    ----------
    number : 0 for the machine with M = I, which is plain kernel ridge regression.
    machine : the predictor of this round, with its metric.
    targets : of the training examples, which are the centres of ``machine``.
    rows : the training examples that gradients are averaged over.
    centred : whether they are taken about their mean.
    """

    number: int
    machine: KernelMachine
    targets: Tensor
    rows: Tensor
    centred: bool

    @cached_property
    def train_error(self) -> float:
        """Mean squared error on the training examples, over rows and outputs; computed when it is asked for."""
        return mean_squared_error(self.machine, self.machine.centres, self.targets)

    @cached_property
    def agop(self) -> Tensor:
        """The average gradient outer product, ``(d, d)`` in float64, that the next metric is made from."""
        return self.machine.agop(self.rows, centred=self.centred)


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
    power : s > 0, or one for each time that the metric is learned.
    ridge : λ, see `gnomon.structure.kernel_machine.fit`.
    rounds : how many times the metric is learned; there are ``rounds + 1`` machines.
    centred : whether gradients are taken about their mean, see `KernelMachine.agop`.
    sample : gradients are averaged over so many training examples, drawn at random; by default over all.
    solver : see `gnomon.structure.kernel_machine.fit`.

    Cost of a round: :math:`n^3/3 + 2 n^2 d\,(c + 1)` operations for n examples and c outputs.

    Source: Radhakrishnan, Beaglehole, Pandit & Belkin, Science 383 (2024) 1461, arXiv:2212.13881.

    >>> from gnomon.structure.kernels import Laplace
    >>> x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> machine = RecursiveFeatureMachine(kernel=Laplace(5.0), rounds=3).fit(x, x[:, :1].abs())
    >>> bool(machine.metric[0, 0] / machine.metric.trace() > 0.9)
    True
    """

    kernel: Kernel
    power: float | tuple[float, ...] = 1.0
    ridge: float = 1e-3
    rounds: int = 5
    centred: bool = False
    sample: int | None = None
    solver: Solver = "auto"

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise GnomonError(f"rounds {self.rounds} is negative")
        if isinstance(self.power, tuple) and len(self.power) != self.rounds:
            raise GnomonError(f"{len(self.power)} powers are not one for each of {self.rounds} rounds")
        for power in self._powers:
            if not power > 0:
                raise GnomonError(f"power {power} is not positive")
        if self.sample is not None and self.sample < 1:
            raise GnomonError(f"sample {self.sample} is not positive")

    @property
    def _powers(self) -> tuple[float, ...]:
        return self.power if isinstance(self.power, tuple) else (self.power,) * max(1, self.rounds)

    def iterate(self, inputs: Tensor, targets: Tensor, *, rng: Rng | None = None) -> Iterator[Round]:
        """Round after round, each computed when it is asked for; see `fit`.

        Raises GnomonError also when a predictor does not depend on its inputs, so that there is no next metric.
        """
        metric = torch.eye(inputs.shape[1], dtype=torch.float64, device=inputs.device)
        for number in range(self.rounds + 1):
            one = self.round(inputs, targets, metric, number, rng=rng)
            yield one
            if number < self.rounds:
                metric = learned_metric(one.agop, self._powers[number])

    def round(self, inputs: Tensor, targets: Tensor, metric: Tensor, number: int, *, rng: Rng | None = None) -> Round:
        """Round ``number``, with a metric that is given; see `fit`."""
        rng = (Rng(0) if rng is None else rng).child("round", number)
        machine = fit(
            self.kernel, inputs, targets, metric=metric, ridge=self.ridge, solver=self.solver, rng=rng.child("solver")
        )
        rows = inputs
        if self.sample is not None and self.sample < len(inputs):
            drawn = torch.randperm(len(inputs), generator=rng.child("rows").torch())[: self.sample]
            rows = inputs[drawn.to(inputs.device)]
        return Round(number=number, machine=machine, targets=targets, rows=rows, centred=self.centred)

    def fit(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        validation: tuple[Tensor, Tensor] | None = None,
        rng: Rng | None = None,
    ) -> KernelMachine:
        """The machine of the last round, or of the one with the least mean squared error on ``validation``.

        Parameters
        ----------
        inputs : ``(n, d)``; what is computed is computed in their dtype, on their device. In float32 it takes half
            the time; see `gnomon.structure.solvers.solve_exactly` for what that costs in accuracy.
        targets : ``(n, outputs)``, e.g. one-hot classes.
        validation : inputs and targets of further examples.
        rng : chooses the ``sample`` and the preconditioner of the iterative solver; seed 0 by default.

        Raises
        ------
        GnomonError : see `gnomon.structure.kernel_machine.fit`.
        """
        rounds = self.iterate(inputs, targets, rng=rng)
        if validation is None:
            *_, last = rounds
            return last.machine
        errors = ((mean_squared_error(one.machine, *validation), one) for one in rounds)
        return min(errors, key=lambda pair: pair[0])[1].machine


def mean_squared_error(machine: KernelMachine, inputs: Tensor, targets: Tensor) -> float:
    """Over rows and outputs."""
    return float((machine.predict(inputs) - targets).to(torch.float64).square().mean())


def learned_metric(agop: Tensor, power: float) -> Tensor:
    r""":math:`d\,G^s / \operatorname{tr} G^s` of a positive semi-definite matrix G, ``(d, d)``.

    Raises GnomonError when G is zero.
    """
    symmetric = (agop + agop.T) / 2
    if power == 1.0:  # as most machines have it: nothing to decompose
        trace = symmetric.trace()
        if not trace > 0:
            raise GnomonError(_CONSTANT, mend=_VARY)
        return symmetric * (len(symmetric) / trace)
    values, vectors = torch.linalg.eigh(symmetric)
    raised = values.clamp(min=0.0).pow(power)
    total = raised.sum()
    if not total > 0:
        raise GnomonError(_CONSTANT, mend=_VARY)
    metric: Tensor = (vectors * (len(values) * raised / total)) @ vectors.T
    return metric
