"""Calling a network, and the activation inside whatever a module takes or returns."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch

_FIELDS = ("logits", "last_hidden_state")


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


def input_place(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | str | None:
    """Where among its arguments a module is given its activation: index 0, or a keyword; ``None`` without tensor.

    By keyword it is the first floating tensor in the order of the module's signature.
    """
    if args:
        return 0 if isinstance(args[0], Tensor) else None
    given = [k for k, v in kwargs.items() if isinstance(v, Tensor)]
    order = [p for p in inspect.signature(module.forward).parameters if p in given]
    names = [*order, *(k for k in given if k not in order)]
    return next((n for n in names if kwargs[n].is_floating_point()), names[0] if names else None)


def input_of(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The activation that a module is given."""
    place = input_place(module, args, kwargs)
    if place is None:
        return None
    found: Tensor = args[0] if isinstance(place, int) else kwargs[place]
    return found


def _field(value: Any) -> str | None:
    names = (*_FIELDS, *value) if isinstance(value, Mapping) else _FIELDS
    return next((n for n in names if isinstance(n, str) and isinstance(_get(value, n), Tensor)), None)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
