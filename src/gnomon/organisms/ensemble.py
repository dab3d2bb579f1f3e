"""An ensemble: replicas of one architecture that are trained together, each as if it were alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call, vmap
from torch.utils._pytree import tree_map

from gnomon.errors import GnomonError
from gnomon.organisms.ensemble_optimizers import Optimizer

_CACHE = 8 * 2**20  # bytes kept for one backward pass; with more of them the processor's cache no longer helps


@dataclass(frozen=True, eq=False)
class Each:
    """A tensor ``(R, …)`` of which each of R replicas gets its own row; a bare tensor is the same for all."""

    values: Tensor


Given = Tensor | Each


class Ensemble:
    r"""Replicas of one architecture, as one stack of their parameters.

    Replica r has parameters :math:`\theta_r`, and one step of all is one step of each on its own data,
    :math:`\theta_r \leftarrow \theta_r - u_r(\nabla_\theta L(\theta_r; D_r))`, by `torch.func` (``functional_call``
    under ``vmap``). Replicas share only data that the caller shares: each trains as it would alone, within
    rounding, and one that diverges leaves the others as they are.

    Replicas may differ in initial weights (the modules that are given), in hyperparameters (see
    `gnomon.organisms.ensemble_optimizers`) and in data: order, split, labels (see `Each`). What they have in common
    is the architecture, the loss function and the shapes of the data. The networks must run under ``vmap``; they
    must not draw random numbers (no dropout while training).

    Parameters
    ----------
    modules : the replicas; their weights are copied, and the modules left alone.
    memory : bytes that may be kept for a backward pass at a time. Replicas go through in chunks of as many as fit,
        at least one; how many changes time and memory only. The default suits a processor's cache.

    Raises
    ------
    GnomonError : without modules, or when their parameters differ in name, shape, type or device.

    Cost: a step has the floating point operations of R steps, in as many calls as one step makes for each chunk. It
    is faster than a loop where calls are what costs, so for small networks and batches.

    >>> from gnomon.organisms.ensemble_optimizers import Sgd
    >>> ensemble = Ensemble([torch.nn.Linear(3, 1) for _ in range(4)])
    >>> x, y = torch.ones(5, 3), torch.zeros(5, 1)
    >>> losses, outputs = ensemble.step(Sgd([0.1, 0.2, 0.3, 0.4]), torch.nn.functional.mse_loss, x, y)
    >>> losses.shape, outputs.shape, ensemble.module(2).weight.shape
    (torch.Size([4]), torch.Size([4, 5, 1]), torch.Size([1, 3]))
    """

    def __init__(self, modules: Sequence[nn.Module], *, memory: int = _CACHE) -> None:
        if not modules:
            raise GnomonError("an ensemble needs networks", mend="give at least one")
        self._template = copy.deepcopy(modules[0])
        self._memory = memory
        self._chunks: dict[tuple[Any, ...], int] = {}
        self.parameters = _stacked([dict(m.named_parameters()) for m in modules])
        self.buffers = _stacked([dict(m.named_buffers()) for m in modules])
        self.size = len(modules)

    def __len__(self) -> int:
        return self.size

    def module(self, replica: int) -> nn.Module:
        """A network of its own with the present weights of ``replica``."""
        module = copy.deepcopy(self._template)
        with torch.no_grad():
            for own, stacked in ((module.named_parameters(), self.parameters), (module.named_buffers(), self.buffers)):
                for name, tensor in own:
                    tensor.copy_(stacked[name][replica])
        return module

    def outputs(self, inputs: Given) -> Tensor:
        """What each replica computes, ``(R, n, …)``; no gradient."""
        return self.evaluate(lambda output: output, inputs)

    def evaluate(self, function: Callable[..., Tensor], inputs: Given, *targets: Given) -> Tensor:
        """``function(output, *targets)`` of each replica, stacked ``(R, …)``; no gradient. See `step`."""
        data = (inputs, *targets)
        with torch.no_grad():
            found = [
                self._mapped(function, _of(self.parameters, rows), _of(self.buffers, rows), rows, data)
                for rows in self._rows(function, data)
            ]
        return torch.cat(found)

    def gradients(
        self, loss: Callable[..., Tensor], inputs: Given, *targets: Given
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Losses ``(R,)``, outputs ``(R, n, …)`` and gradients, stacked as the parameters are. See `step`."""
        _, losses, outputs, gradients = zip(*self._passes(loss, (inputs, *targets)), strict=True)
        return (
            torch.cat(losses),
            torch.cat(outputs),
            {n: torch.cat([chunk[n] for chunk in gradients]) for n in self.parameters},
        )

    def step(
        self, optimizer: Optimizer, loss: Callable[..., Tensor], inputs: Given, *targets: Given
    ) -> tuple[Tensor, Tensor]:
        """One update of every replica; the losses ``(R,)`` and outputs ``(R, n, …)`` are those *before* it.

        A replica whose loss is not finite has diverged; that shows in its own entry of the losses and nowhere else.

        Parameters
        ----------
        optimizer : always the same one for this ensemble, as it may keep moments.
        loss : ``loss(output, *targets)``, a scalar, for the output and the targets of one replica.
        inputs : ``(n, …)`` for all replicas, or `Each` of ``(R, n, …)``.
        targets : likewise; any number of tensors, whatever the loss takes.

        Raises GnomonError when an `Each` has not one row a replica, or the loss is not a scalar.
        """
        optimizer.begin(self.parameters)
        losses, outputs = [], []
        for rows, values, output, gradients in self._passes(loss, (inputs, *targets)):
            optimizer.update(rows, gradients)
            losses.append(values)
            outputs.append(output)
        return torch.cat(losses), torch.cat(outputs)

    def _passes(
        self, loss: Callable[..., Tensor], data: tuple[Given, ...]
    ) -> Iterator[tuple[slice, Tensor, Tensor, dict[str, Tensor]]]:
        """Chunks of replicas: which, their losses, outputs and gradients."""
        for rows in self._rows(loss, data):
            parameters = _of(self.parameters, rows, trained=True)
            losses, outputs = self._mapped(
                lambda output, *targets: (loss(output, *targets), output),
                parameters,
                _of(self.buffers, rows),
                rows,
                data,
            )
            if losses.ndim != 1:
                raise GnomonError(f"the loss of a replica has shape {tuple(losses.shape[1:])}", mend="take its mean")
            # parameters of a replica enter its own loss only, so the gradient of the sum is that of each
            gradients = torch.autograd.grad(losses.sum(), list(parameters.values()), materialize_grads=True)
            yield rows, losses.detach(), outputs.detach(), dict(zip(parameters, gradients, strict=True))

    def _mapped(
        self,
        function: Callable[..., Any],
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        rows: slice,
        data: tuple[Given, ...],
    ) -> Any:
        """``function(output, *targets)`` of the replicas ``rows``."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Tensor, *targets: Tensor) -> Any:
            return function(functional_call(self._template, (parameters, buffers), (inputs,)), *targets)

        if rows.stop - rows.start == 1:  # without vmap, whose operations on large tensors are slower
            single = [d.values[rows.start] if isinstance(d, Each) else d for d in data]
            found = one({n: p[0] for n, p in parameters.items()}, {n: b[0] for n, b in buffers.items()}, *single)
            return tree_map(lambda tensor: tensor.unsqueeze(0), found)
        tensors = [d.values[rows] if isinstance(d, Each) else d for d in data]
        dims = (0, 0, *(0 if isinstance(d, Each) else None for d in data))
        return vmap(one, in_dims=dims)(parameters, buffers, *tensors)

    def _rows(self, function: Callable[..., Any], data: tuple[Given, ...]) -> Iterator[slice]:
        """Chunks of replicas whose backward pass keeps no more than ``memory`` bytes."""
        for d in data:
            if isinstance(d, Each) and len(d.values) != self.size:
                raise GnomonError(
                    f"{len(d.values)} rows of data for {self.size} replicas", mend="give Each one row a replica"
                )
        shapes = tuple((type(d), (d.values if isinstance(d, Each) else d).shape) for d in data)
        if shapes not in self._chunks:
            self._chunks[shapes] = max(1, self._memory // max(1, self._kept(function, data)))
        size = self._chunks[shapes]
        return (slice(i, min(i + size, self.size)) for i in range(0, self.size, size))

    def _kept(self, function: Callable[..., Any], data: tuple[Given, ...]) -> int:
        """Bytes that a backward pass of one replica keeps: those of the first, which is run for that."""
        storages = {}

        def pack(tensor: Tensor) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        first = slice(0, 1)
        buffers = {n: b[first].clone() for n, b in self.buffers.items()}
        with torch.enable_grad(), saved_tensors_hooks(pack, lambda tensor: tensor):
            self._mapped(function, _of(self.parameters, first, trained=True), buffers, first, data)
        return sum(storages.values())


def _of(stacked: Mapping[str, Tensor], rows: slice, *, trained: bool = False) -> dict[str, Tensor]:
    """The tensors of the replicas ``rows``."""
    return {n: t[rows].detach().requires_grad_(trained) for n, t in stacked.items()}


def _stacked(replicas: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    described = [{n: (t.shape, t.dtype, t.device) for n, t in one.items()} for one in replicas]
    for i, one in enumerate(described):
        if one != described[0]:
            unlike = sorted(n for n in one.keys() | described[0].keys() if one.get(n) != described[0].get(n))
            raise GnomonError(f"replica {i} is unlike the first: {', '.join(unlike)}", mend="give one architecture")
    return {n: torch.stack([one[n].detach() for one in replicas]) for n in replicas[0]}
