"""Reading and editing activations by hooks on the real modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.subjects.sites import Site, tensor_in
from gnomon.subjects.subject import Subject

Visitor = Callable[[Tensor], Tensor | None]


@contextlib.contextmanager
def visiting(subject: Subject, visitors: Mapping[str, Visitor]) -> Iterator[None]:
    """While inside, call ``visitors[site]`` with the activation at each site, in every forward pass.

    A visitor that returns a tensor puts it in the activation's place; one that returns ``None`` only reads.
    All hooks are removed on exit, also after an exception. Raises UnknownNameError for an unknown site.
    """
    with contextlib.ExitStack() as stack:
        for name, visitor in visitors.items():
            site = subject.site(name)
            stack.callback(_hook(subject.submodule(site), site, visitor).remove)
        yield


def _hook(module: nn.Module, site: Site, visitor: Visitor) -> Any:
    if site.end == "output":

        def after(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            changed = visitor(_found(site, output))
            return None if changed is None else _replaced(output, changed)

        return module.register_forward_hook(after)

    def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            changed = visitor(_found(site, args))
            return None if changed is None else ((changed, *args[1:]), kwargs)
        key = next((k for k, v in kwargs.items() if isinstance(v, Tensor)), "")
        changed = visitor(_found(site, kwargs.get(key)))
        return None if changed is None else (args, {**kwargs, key: changed})

    return module.register_forward_pre_hook(before, with_kwargs=True)


def _found(site: Site, value: Any) -> Tensor:
    tensor = tensor_in(value)
    if tensor is None:
        raise GnomonError(f"site {site.name!r}: module {site.module!r} gave a {type(value).__name__}, not a tensor")
    return tensor


def _replaced(output: Any, tensor: Tensor) -> Any:
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, tuple):
        return (tensor, *output[1:])
    for field in ("logits", "last_hidden_state"):
        if isinstance(getattr(output, field, None), Tensor):
            output[field] = tensor
            return output
    raise GnomonError(f"cannot edit an output of type {type(output).__name__}")
