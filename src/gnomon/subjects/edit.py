"""Reading and editing activations by hooks on the real modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.subjects.outputs import input_of, tensor_in, with_input, with_tensor
from gnomon.subjects.sites import Site
from gnomon.subjects.subject import Subject

Visitor = Callable[[Tensor], Tensor | None]


@contextlib.contextmanager
def visiting(subject: Subject, visitors: Mapping[str, Visitor]) -> Iterator[None]:
    """While inside, call ``visitors[site]`` with the activation at each site, in every forward pass.

    A visitor that returns a tensor puts it in the activation's place; one that returns ``None`` only reads. Where
    the network is known to work in place on an activation (`Subject.overwritten`), visitors are given a copy, and
    what they return is copied, so that neither changes afterwards. All hooks are removed on exit, also after an
    exception. Raises UnknownNameError for an unknown site.

    >>> import torch
    >>> subject = Subject(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)))
    >>> with visiting(subject, {"blocks.0": torch.zeros_like}):
    ...     subject.module(torch.ones(1, 3)).tolist()
    [[0.0, 0.0]]
    """
    with contextlib.ExitStack() as stack:
        sizes: list[int] = []
        sites = [subject.site(name) for name in visitors]
        if any(site.folded for site in sites):
            stack.callback(subject.module.register_forward_pre_hook(_batch_size(sizes), with_kwargs=True).remove)
        for site in sites:
            visitor = visitors[site.name]
            if site.name in subject.overwritten:
                visitor = _apart(visitor)
            if site.folded:
                visitor = _unfolded(visitor, sizes)
            stack.callback(_hook(subject.submodule(site), site, visitor).remove)
        yield


def _hook(module: nn.Module, site: Site, visitor: Visitor) -> Any:
    if site.end == "output":

        def after(_module: nn.Module, _args: Any, output: Any) -> Any:
            changed = visitor(_found(site, tensor_in(output), output))
            return None if changed is None else with_tensor(output, changed)

        return module.register_forward_hook(after)

    def before(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        argument, activation = input_of(part, args, kwargs, site.argument) or (0, None)
        changed = visitor(_found(site, activation, args))
        return None if changed is None else with_input(args, kwargs, argument, changed)

    return module.register_forward_pre_hook(before, with_kwargs=True)


def _found(site: Site, tensor: Tensor | None, value: Any) -> Tensor:
    if tensor is None:
        raise GnomonError(
            f"site {site.name!r}: module {site.module!r} has a {type(value).__name__} and no tensor as its {site.end}",
            mend="choose another site",
        )
    return tensor


def _apart(visitor: Visitor) -> Visitor:
    """``visitor`` on copies, so that in-place work of the network reaches nothing that the visitor holds."""

    def visit(activation: Tensor) -> Tensor | None:
        changed = visitor(activation.clone())
        return None if changed is None else changed.clone()

    return visit


def _unfolded(visitor: Visitor, sizes: list[int]) -> Visitor:
    """``visitor`` on ``(batch, positions, width)`` where the module has ``(batch · positions, width)``."""

    def visit(activation: Tensor) -> Tensor | None:
        changed = visitor(activation.reshape(sizes[-1], -1, activation.shape[-1]))
        return None if changed is None else changed.reshape(activation.shape)

    return visit


def _batch_size(sizes: list[int]) -> Callable[..., None]:
    def note(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor = next(t for t in (*args, *kwargs.values()) if isinstance(t, Tensor))
        sizes[:] = [len(tensor)]

    return note
