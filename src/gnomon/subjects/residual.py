"""What a residual block adds to its stream, read off the autograd graph of one pass through it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from gnomon.subjects.batch import Batch
from gnomon.subjects.outputs import Argument, input_of, tensor_in, with_input, with_tensor
from gnomon.subjects.probe import run_probe

Edge = tuple[Node, int]
# nodes through which a value passes unchanged but for its shape or precision
_TRANSPARENT = ("View", "UnsafeView", "ReshapeAlias", "Reshape", "ToCopy", "Alias", "Clone", "Squeeze", "Unsqueeze")
_PRODUCTS = ("Addmm", "Mm", "Bmm", "Baddbmm", "Convolution", "Linear", "Embedding", "ScaledDotProduct")


@dataclass(frozen=True)
class Contribution:
    """Something added to the residual stream.

    Parameters
    ----------
    path : the module whose output it is.
    mixes : whether it moves information between positions.
    folded : whether that output has batch and positions folded into one axis.
    """

    path: str
    mixes: bool
    folded: bool


def contributions(module: nn.Module, batch: Batch, blocks: Mapping[str, Argument]) -> dict[str, list[Contribution]]:
    """For each of ``blocks``, what it adds to its stream on the way to its output, in order of execution.

    ``blocks`` gives, by path, which argument of the block is the stream.

    A block's output is followed back through normalisations and reshapes to each addition. Of the two summands, the
    one that the other was computed from is the stream, the other a contribution; where neither was, both are
    contributions (parallel sublayers). No name is looked at. Summands that are no module's output are left out.
    """
    watches = {path: _Watch(argument) for path, argument in blocks.items()}
    with contextlib.ExitStack() as stack:
        for path, watch in watches.items():
            block = module.get_submodule(path)
            handles = [block.register_forward_pre_hook(watch.enter, with_kwargs=True)]
            # hooks run in the order in which they are made: the block's own closing hook comes last
            for name, part in block.named_modules():
                if name:
                    handles += watch.follow(f"{path}.{name}", part)
            handles.append(block.register_forward_hook(watch.leave))
            for handle in handles:
                stack.callback(handle.remove)
        run_probe(module, batch, gradients=True)
    return {path: watch.found for path, watch in watches.items()}


@dataclass
class _Output:
    path: str
    edge: Edge
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    given: Edge | None
    normalises: bool


@dataclass
class _Watch:
    """Hooks on one block, and what they found."""

    argument: Argument
    found: list[Contribution] = field(default_factory=list)
    _outputs: list[_Output] = field(default_factory=list)
    _start: Tensor | None = None
    _given: list[Edge | None] = field(default_factory=list)

    def enter(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = input_of(block, args, kwargs, self.argument)
        if given is None:
            return None
        # the clone is no leaf, so the block may work on it in place
        self._start = given[1].detach().requires_grad_(True).clone()
        self._outputs = []
        return with_input(args, kwargs, self.argument, self._start)

    def follow(self, path: str, part: nn.Module) -> list[Any]:
        normalises = not any(True for _ in part.children()) and all(p.ndim <= 1 for p in part.parameters())

        def before(_part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = input_of(part, args, kwargs)
            self._given.append(None if given is None else _edge(given[1]))

        def after(_part: nn.Module, _args: Any, output: Any) -> None:
            given, tensor = self._given.pop(), tensor_in(output)
            edge = _edge(tensor)
            if edge is not None and tensor is not None:
                self._outputs.append(
                    _Output(path, edge, tuple(tensor.shape), tensor.dtype, tensor.device, given, normalises)
                )

        return [part.register_forward_pre_hook(before, with_kwargs=True), part.register_forward_hook(after)]

    def leave(self, _block: nn.Module, _args: Any, output: Any) -> Any:
        end, start = tensor_in(output), self._start
        if end is None or start is None:
            return None
        first, last = _edge(start), _edge(end)
        if first is not None and last is not None:
            summands = list(self._summands(last, first))
            self.found = self._located(summands, start.shape)
        self._outputs, self._start = [], None
        return with_tensor(output, end.detach())

    def _summands(self, last: Edge, first: Edge) -> Iterator[tuple[Edge, Edge]]:
        """(contribution, stream before it), from the end of the block to its start."""
        normalised = {o.edge: o.given for o in self._outputs if o.normalises and o.given and o.given != o.edge}
        made = {o.edge for o in self._outputs}
        edge = last
        while edge != first:
            parents = _parents(edge)
            if len(parents) == 2 and _kind(edge) == "Add":
                stream, parts = _split(parents, made)
                if stream is None:
                    return
                for part in parts:
                    yield part, stream
                edge = stream
            elif len(parents) == 1 and _kind(edge) not in _PRODUCTS:
                edge = parents[0]
            elif edge in normalised:
                edge = normalised[edge]
            else:
                return

    def _located(self, summands: list[tuple[Edge, Edge]], stream_shape: torch.Size) -> list[Contribution]:
        located = []
        for edge, stream in summands:
            output = self._module_of(edge)
            if output is None:
                continue
            position = self._outputs.index(output)
            folded = len(stream_shape) == 3 and output.shape == (stream_shape[0] * stream_shape[1], stream_shape[2])
            located.append((position, Contribution(output.path, _mixes(output, stream), folded)))
        return [c for _, c in sorted(located, key=lambda pair: pair[0])]

    def _module_of(self, edge: Edge) -> _Output | None:
        """The outermost module with this output; of several side by side, the first."""
        while True:
            makers = [o for o in self._outputs if o.edge == edge]
            if makers:
                outer = [o for o in makers if not any(o.path.startswith(p.path + ".") for p in makers)]
                return outer[0]
            parents = _parents(edge)
            if len(parents) != 1 or _kind(edge) not in _TRANSPARENT:
                return None
            edge = parents[0]


def _split(parents: list[Edge], made: set[Edge]) -> tuple[Edge | None, list[Edge]]:
    """The stream among two summands, and the contributions."""
    a, b = parents
    for stream, added in ((a, b), (b, a)):
        if _depends(added, stream):
            return stream, _flattened(added, made)
    # x + f(x) + g(x): neither summand was computed from the other, but both from a summand of one of them
    for inner, added in ((a, b), (b, a)):
        parents = _parents(inner)
        if inner not in made and len(parents) == 2 and _kind(inner) == "Add":
            stream_inside, parts = _split(parents, made)
            if stream_inside is not None and _depends(added, stream_inside):
                return stream_inside, [*parts, *_flattened(added, made)]
    return None, []


def _flattened(edge: Edge, made: set[Edge]) -> list[Edge]:
    """The parts of a contribution that is itself a sum of parallel ones."""
    parents = _parents(edge)
    if edge in made or len(parents) != 2 or _kind(edge) != "Add":
        return [edge]
    return [part for parent in parents for part in _flattened(parent, made)]


def _depends(edge: Edge, on: Edge) -> bool:
    todo, seen = [edge], {edge}
    while todo:
        current = todo.pop()
        if current == on:
            return True
        new = [p for p in _parents(current) if p not in seen]
        seen.update(new)
        todo += new
    return False


def _mixes(output: _Output, stream: Edge) -> bool:
    """Whether the last row of a contribution depends on any other row of the stream it was computed from."""
    if len(output.shape) not in (2, 3):
        return False
    pick = torch.zeros(output.shape, dtype=output.dtype, device=output.device)
    pick.reshape(-1, output.shape[-1])[-1] = 1.0
    (slope,) = torch.autograd.grad(
        [GradientEdge(*output.edge)], [GradientEdge(*stream)], [pick], retain_graph=True, allow_unused=True
    )
    return slope is not None and bool(slope.reshape(-1, slope.shape[-1])[:-1].any())


def _edge(tensor: Tensor | None) -> Edge | None:
    if tensor is None or not tensor.requires_grad:
        return None
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def _parents(edge: Edge) -> list[Edge]:
    return [(node, number) for node, number in edge[0].next_functions if node is not None]


def _kind(edge: Edge) -> str:
    return edge[0].name().split("::")[-1].removesuffix("0").removesuffix("Backward")
