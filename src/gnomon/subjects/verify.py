"""Verification: every site is reached exactly once, with floating-point numbers for each example."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch
from gnomon.subjects.outputs import input_of, tensor_in
from gnomon.subjects.probe import run_probe
from gnomon.subjects.sites import Site

# a parameter that goes through one of these is no linear map (the decay rates of a state-space model)
_CURVED = ("aten::exp", "aten::log", "aten::softplus", "aten::sigmoid", "aten::tanh", "aten::softmax")


@dataclass(frozen=True)
class Verified:
    """What the tiny run showed: ``folded`` are the modules whose output has batch and positions in one axis."""

    widths: Mapping[str, int] = field(default_factory=dict)
    overwritten: frozenset[str] = frozenset()
    not_linear: frozenset[str] = frozenset()
    folded: frozenset[str] = frozenset()


def verify(module: nn.Module, sites: Sequence[Site], batch: Batch | None, name: str) -> Verified:
    """Run ``module`` on ``batch`` and look at each site; nothing is known without a batch.

    Raises
    ------
    GnomonError : naming the first site that is not reached once, holds no floating-point tensor, or whose first
        axis is not the batch; the message lists the sites that are in order.
    """
    if batch is None:
        return Verified()
    seen: dict[str, list[Tensor | None]] = {s.name: [] for s in sites}
    versions: dict[str, int] = {}

    def note(site: Site, tensor: Tensor | None) -> None:
        seen[site.name].append(tensor)
        if tensor is not None:
            versions[site.name] = tensor._version

    folded: set[str] = set()
    curved = _CurvedParameters(module)
    with contextlib.ExitStack() as stack:
        for site in sites:
            stack.callback(_reader(module.get_submodule(site.module), site, note).remove)
        for path, part in module.named_modules():
            if not any(True for _ in part.children()):
                stack.callback(part.register_forward_hook(_folding(path, batch, folded)).remove)
        stack.enter_context(curved)
        run_probe(module, batch)
    faults = {s.name: _fault(s, seen[s.name], len(batch)) for s in sites}
    broken = next((n for n, fault in faults.items() if fault), None)
    if broken is not None:
        sound = [n for n, fault in faults.items() if not fault]
        raise GnomonError(
            f"{name}: site {broken!r} cannot be read: {faults[broken]}",
            mend=f"found in order: {', '.join(sound[:12]) or 'none'}{', …' if len(sound) > 12 else ''}",
        )
    tensors = {n: t for n, (t,) in seen.items() if t is not None}
    return Verified(
        widths={s.name: s.rows(tensors[s.name]).shape[-1] for s in sites},
        overwritten=frozenset(n for n, t in tensors.items() if t._version != versions[n]),
        not_linear=frozenset(curved.names),
        folded=frozenset(folded),
    )


def _reader(part: nn.Module, site: Site, note: Callable[[Site, Tensor | None], None]) -> Any:
    if site.end == "output":
        return part.register_forward_hook(lambda _m, _args, output: note(site, tensor_in(output)))

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found = input_of(module, args, kwargs, site.argument)
        note(site, None if found is None else found[1])

    return part.register_forward_pre_hook(before, with_kwargs=True)


def _folding(path: str, batch: Batch, folded: set[str]) -> Callable[..., None]:
    shapes = [tuple(t.shape[:2]) for t in (*batch.args, *batch.kwargs.values()) if t.ndim > 1]

    def note(_module: nn.Module, _args: Any, output: Any) -> None:
        tensor = tensor_in(output)
        if tensor is not None and tensor.ndim == 2 and any(len(tensor) == b * n > b for b, n in shapes):
            folded.add(path)

    return note


def _fault(site: Site, tensors: list[Tensor | None], batch: int) -> str:
    if len(tensors) != 1:
        return f"module {site.module!r} runs {len(tensors)} times in a forward pass"
    (tensor,) = tensors
    if tensor is None:
        return f"module {site.module!r} has no tensor as its {site.end}"
    if not tensor.is_floating_point():
        return f"it holds {str(tensor.dtype).removeprefix('torch.')}, not floating-point numbers"
    if tensor.ndim == 0 or (len(tensor) % batch if site.folded else len(tensor) != batch):
        return f"its first axis, of shape {tuple(tensor.shape)}, is not the batch of {batch}"
    return ""


class _CurvedParameters(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Names of the parameters that a curved function is applied to directly."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: set[str] = set()
        self._of = {p.untyped_storage()._cdata: n for n, p in module.named_parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func``, and note a parameter among its arguments if it is curved."""
        del types
        if args and isinstance(args[0], Tensor) and func._schema.name in _CURVED:
            name = self._of.get(args[0].untyped_storage()._cdata)
            if name is not None:
                self.names.add(name)
        return func(*args, **(kwargs or {}))
