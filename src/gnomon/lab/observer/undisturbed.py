"""A training run is left exactly as it was, whatever is done inside."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn


@contextlib.contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Inside, ``module`` can be measured in the midst of training; on exit training goes on as if nothing had been.

    Restored: the global random states of Python, NumPy and torch (all devices in use), training and evaluation
    modes, which parameters require gradients, and the gradients themselves (which are set aside, so that not even a
    stray ``backward`` can add to them). Switched off inside: autocast, inference mode, ``no_grad``, compiled code
    (hooks must be called) and the half-precision wrapper that accelerate puts around ``forward``.
    """
    parameters = [(p, p.grad, p.requires_grad) for p in module.parameters()]
    modes = [(m, m.training) for m in module.modules()]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_random_state())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in {"cpu", *(p.device.type for p, _, _ in parameters)}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_own_forward(module))
        try:
            for parameter, _, _ in parameters:
                parameter.grad = None
            yield
        finally:
            for parameter, gradient, required in parameters:
                parameter.grad = gradient
                if parameter.requires_grad != required:
                    parameter.requires_grad_(required)
            for part, mode in modes:
                part.training = mode


@contextlib.contextmanager
def _random_state() -> Iterator[None]:
    pythons, numpys, torchs = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    cudas = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    apples = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002
        torch.set_rng_state(torchs)
        if cudas:
            torch.cuda.set_rng_state_all(cudas)
        if apples is not None:
            torch.mps.set_rng_state(apples)


@contextlib.contextmanager
def _own_forward(module: nn.Module) -> Iterator[None]:
    """Accelerate's mixed precision replaces ``forward`` on the instance and keeps the original beside it."""
    wrapped = [(m, m.__dict__["forward"]) for m in module.modules() if "_original_forward" in m.__dict__]
    try:
        for part, _ in wrapped:
            part.__dict__["forward"] = part.__dict__["_original_forward"]
        yield
    finally:
        for part, forward in wrapped:
            part.__dict__["forward"] = forward


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside the wrappers of ``torch.compile`` and of data-parallel training."""
    while True:
        inner = module._modules.get("_orig_mod")
        parallel = isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel))
        if inner is None and parallel:
            inner = module._modules["module"]
        if inner is None:
            return module
        module = inner
