"""How far gradients are off because numbers are rounded."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.estimators.tangent.predictions import Chosen, gathered, scored
from gnomon.subjects import Batch, Subject

_EXAMPLES = 3
_SAFETY = 4.0
_UNKNOWN = 1e3  # in units of epsilon, for a network that runs in one precision only


def gradient_rounding(subject: Subject, chosen: Chosen) -> float:
    """Bound on the relative rounding error of a gradient, from a few examples' gradients in two precisions.

    A network in single precision (or less) is compared with itself in double; one in double with itself in single,
    whose rounding is larger by the ratio of the spacings. What is found is multiplied by 4, for those not looked at.
    """
    own = next(p.dtype for p in subject.module.parameters() if p.requires_grad)
    other = torch.float32 if own == torch.float64 else torch.float64
    eps = torch.finfo(own).eps
    scale = eps / torch.finfo(torch.float32).eps if own == torch.float64 else 1.0
    twin = copy.copy(subject)
    twin.module = copy.deepcopy(subject.module).to(other)
    worst = eps
    for example in [i for i, places in enumerate(chosen.places) if len(places)][:_EXAMPLES]:
        here = _gradient(subject, chosen, example, own)
        try:
            there = _gradient(twin, chosen, example, other)
        except RuntimeError:
            return _UNKNOWN * eps
        norm = float(there.double().norm())
        if norm > 0:
            worst = max(worst, scale * float((here.double() - there.double()).norm()) / norm)
    return _SAFETY * worst


def _gradient(subject: Subject, chosen: Chosen, example: int, dtype: torch.dtype) -> Tensor:
    batch = _cast(chosen.data.batch(np.array([example])).to(subject.device), dtype)
    parameters: list[nn.Parameter] = [p for p in subject.module.parameters() if p.requires_grad]
    with torch.enable_grad():
        scores = gathered(scored(subject, batch), [chosen.places[example]], chosen.slots)
        weights = torch.randn(scores.shape, generator=torch.Generator().manual_seed(example)).to(scores)
        grads = torch.autograd.grad((scores * weights).sum(), parameters, allow_unused=True)
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zip(grads, parameters, strict=True)]
    )


def _cast(batch: Batch, dtype: torch.dtype) -> Batch:
    """The same batch with its fractions in the precision ``dtype``."""

    def cast(tensor: Tensor) -> Tensor:
        return tensor.to(dtype) if tensor.is_floating_point() else tensor

    return Batch(
        args=tuple(cast(a) for a in batch.args),
        examples=batch.examples,
        kwargs={k: cast(v) for k, v in batch.kwargs.items()},
        mask=batch.mask,
        targets=batch.targets,
    )
