"""JumpReLU latents: a threshold for each latent, trained through a kernel estimate."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Architecture, Dictionary
from gnomon.structure.dictionaries.latents import Latents
from gnomon.structure.dictionaries.selection import Chosen, above


class JumpReLUSpec(Architecture):
    """Options of `JumpReLU`.

    Parameters
    ----------
    penalty : λ, the coefficient of the number of active latents: one pays where it explains a share of λ or more.
    threshold : that all latents start with, θ.
    bandwidth : ε of the kernel estimate. The paper has 0.001 for both, in runs of a million steps: a logarithm that
        moves by the learning rate a step needs as many to rise to where latents are, about 0.1 to 0.3 in this unit.
    """

    kind: Literal["jump_relu"] = "jump_relu"
    penalty: float = Field(default=1e-2, ge=0.0)
    threshold: float = Field(default=0.1, gt=0.0)
    bandwidth: float = Field(default=0.05, gt=0.0)


class JumpReLU(Dictionary):
    r""":math:`z = a H(a - \theta)`, :math:`a = W_e \tilde x + b_e`; loss :math:`\lVert e \rVert^2 + \lambda \lVert z
    \rVert_0`.

    The step :math:`H` has no useful gradient. That of the expected loss is estimated with the rectangle kernel K
    (1 within 1/2 of zero): :math:`\partial z / \partial \theta = -(\theta / \varepsilon) K((a - \theta) /
    \varepsilon)` and :math:`\partial H(a - \theta) / \partial \theta = -(1 / \varepsilon) K((a - \theta) /
    \varepsilon)`. The threshold is positive: its logarithm is what is trained.

    Source: Rajamanoharan et al., arXiv:2407.14435.

    Attributes
    ----------
    log_threshold : ``(m,)``.
    """

    kind: ClassVar[str] = "jump_relu"
    architecture: JumpReLUSpec

    def __init__(self, architecture: JumpReLUSpec, inputs: int, targets: int | None, rng: Rng) -> None:
        super().__init__(architecture, inputs, targets, rng)
        self.log_threshold = nn.Parameter(torch.full((architecture.latents,), math.log(architecture.threshold)))

    @property
    def threshold(self) -> Tensor:
        """``(m,)``."""
        return self.log_threshold.exp()

    def chosen(self, scaled: Tensor) -> Chosen:
        """See `Dictionary.chosen`."""
        found = above(scaled, self.encoder, self.encoder_bias, self.threshold, most=1.0)
        assert found is not None
        return found

    def select(self, scaled: Tensor) -> Chosen | None:
        """See `Dictionary.select`: also those just below their threshold, from which it learns."""
        bound = self.threshold - self.architecture.bandwidth / 2
        return above(scaled, self.encoder, self.encoder_bias, bound)

    def activation(self, preactivations: Tensor, columns: Tensor | slice) -> Tensor:
        """See `Dictionary.activation`."""
        return jump(preactivations, self.threshold[columns], self.architecture.bandwidth)

    def penalty(self, latents: Latents, values: Tensor, n: int) -> Tensor:
        """See `Dictionary.penalty`."""
        del values
        threshold = self.threshold[latents.columns]
        steps = step(latents.preactivations, threshold, self.architecture.bandwidth)
        return self.architecture.penalty * steps.sum() / n


def jump(preactivations: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """The pre-activation where it exceeds its threshold, else zero; with the gradients that `JumpReLU` states."""
    found: Tensor = _Jump.apply(preactivations, threshold, bandwidth)  # type: ignore[no-untyped-call]
    return found


def step(preactivations: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    """1 where the pre-activation exceeds its threshold, else 0; with the gradient that `JumpReLU` states."""
    found: Tensor = _Step.apply(preactivations, threshold, bandwidth)  # type: ignore[no-untyped-call]
    return found


def _kernel(preactivations: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
    return ((preactivations - threshold).abs() < bandwidth / 2).to(preactivations.dtype) / bandwidth


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, preactivations: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(preactivations, threshold)
        ctx.bandwidth = bandwidth
        return torch.where(preactivations > threshold, preactivations, preactivations.new_zeros(()))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        preactivations, threshold = ctx.saved_tensors
        of_threshold = -threshold * _kernel(preactivations, threshold, ctx.bandwidth) * gradient
        return gradient * (preactivations > threshold), of_threshold.sum_to_size(threshold.shape), None


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, preactivations: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(preactivations, threshold)
        ctx.bandwidth = bandwidth
        return (preactivations > threshold).to(preactivations.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None]:
        preactivations, threshold = ctx.saved_tensors
        of_threshold = -_kernel(preactivations, threshold, ctx.bandwidth) * gradient
        return None, of_threshold.sum_to_size(threshold.shape), None
