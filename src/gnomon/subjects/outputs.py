"""Calling a network, and the activation inside whatever a module takes or returns."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch

_FIELDS = ("logits", "last_hidden_state")
Argument = int | str


def call(module: nn.Module, batch: Batch) -> Any:
    """What ``module`` returns for ``batch``.

    A Hugging Face decoder is told to keep no cache of keys and values: nobody generates here, and some update it in
    place, which breaks the backward pass. (On GPT-J and GPT-Neo the cache changes the layout of the keys in memory, and
    so the last bit of the logits; on others it changes nothing.)
    """
    keeps = hasattr(module, "config") and "use_cache" in inspect.signature(module.forward).parameters
    return module(*batch.args, **({"use_cache": False} if keeps else {}), **batch.kwargs)


def tensor_in(value: Any) -> Tensor | None:
    """The activation: the tensor itself, the first of a tuple, or the logits, last state or first tensor of a mapping.

    >>> import torch
    >>> tensor_in((torch.zeros(2), None)).shape
    torch.Size([2])
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (tuple, list)):
        return value[0] if value and isinstance(value[0], Tensor) else None
    key = _field(value)
    return None if key is None else _get(value, key)


def with_tensor(value: Any, tensor: Tensor) -> Any:
    """``value`` with its activation replaced by ``tensor``. Raises GnomonError where it holds none."""
    if isinstance(value, Tensor):
        return tensor
    if isinstance(value, tuple) and value:
        parts = (tensor, *value[1:])
        return type(value)(*parts) if hasattr(value, "_fields") else parts
    if isinstance(value, list) and value:
        return [tensor, *value[1:]]
    key = _field(value)
    if key is None:
        raise GnomonError(f"cannot edit an output of type {type(value).__name__}", mend="choose another site")
    if isinstance(value, Mapping):
        value[key] = tensor  # type: ignore[index]  # Hugging Face outputs are mutable mappings
    else:
        setattr(value, key, tensor)
    return value


def inputs_of(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[Argument, Tensor]:
    """The tensors among a module's arguments, by place or keyword: positional ones, then in its signature's order."""
    given: dict[Argument, Any] = dict(enumerate(args))
    order = [p for p in inspect.signature(module.forward).parameters if p in kwargs]
    given |= {k: kwargs[k] for k in (*order, *kwargs)}
    return {k: v for k, v in given.items() if isinstance(v, Tensor)}


def input_of(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], argument: Argument | None = None
) -> tuple[Argument, Tensor] | None:
    """The activation that a module is given, and as which argument: ``argument``, or the first with fractions."""
    found = inputs_of(module, args, kwargs)
    if argument is None:
        argument = next((k for k, v in found.items() if v.is_floating_point()), next(iter(found), None))
    return None if argument is None or argument not in found else (argument, found[argument])


def with_input(
    args: tuple[Any, ...], kwargs: dict[str, Any], argument: Argument, tensor: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The same arguments with one replaced."""
    if isinstance(argument, int):
        return (*args[:argument], tensor, *args[argument + 1 :]), kwargs
    return args, {**kwargs, argument: tensor}


def _field(value: Any) -> str | None:
    names = (*_FIELDS, *value) if isinstance(value, Mapping) else _FIELDS
    return next((n for n in names if isinstance(n, str) and isinstance(_get(value, n), Tensor)), None)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
