"""Watch a forward pass: which layer used which parameter, on what input, and where its output's gradient will be."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from gnomon.estimators.tangent.pieces import (
    Entrywise,
    Layout,
    Lookup,
    Piece,
    Product,
    aligned,
    examples_first,
    guesses,
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a function that parameters enter: where its output's gradient is, and what follows from it."""

    edge: GradientEdge
    layout: Layout
    pieces: tuple[Piece, ...]
    ambiguous: bool


class Recording(TorchFunctionMode):
    """While active, notes the calls that the parameters called ``names`` enter.

    A parameter that enters a function whose derivative is not known here is put among the ``others``.

    Parameters
    ----------
    names : name of each watched parameter, by its ``id``.
    batch : number of examples in the pass.
    layouts : layout of each call in turn, as an earlier recording found them; ``None`` to guess.
    transposed : parameters of layers for which the second guess is to be taken, where there is one.

    Attributes
    ----------
    calls : in order.
    others : parameters of which not every use is known.
    """

    def __init__(
        self,
        names: Mapping[int, str],
        batch: int,
        layouts: Sequence[Layout] | None = None,
        transposed: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.others: set[str] = set()
        self._names = names
        self._batch = batch
        self._layouts = layouts
        self._transposed = transposed
        self._kept: list[tuple[Tensor, int, str]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run ``func``, and note it if a watched parameter is among its arguments."""
        del types
        kwargs = kwargs or {}
        entering = [self._names[id(t)] for t in tree_leaves((args, kwargs)) if id(t) in self._names]
        if not entering:
            return func(*args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return _undispatched(func)(*args, **kwargs)
        reader = _READERS.get(func)
        if func is F.embedding:
            args = self._one_for_each_example(args)
        result = func(*args, **kwargs)
        if reader is None or not isinstance(result, Tensor):
            made = [t for t in tree_leaves(result) if isinstance(t, Tensor) and id(t) not in self._names]
            self.others |= set(entering) if made else set()
            return result
        self._note(reader, entering, _bound(reader, args, kwargs), result)
        return result

    def _note(self, reader: _Reader, entering: list[str], given: dict[str, Any], result: Tensor) -> None:
        layout = self._layout(result, entering)
        pieces = None
        if layout is not None:
            pieces = reader.read(_Arguments(given, self._names, layout, self._batch), result)
        if layout is None or pieces is None or sorted(p.parameter for p in pieces) != sorted(entering):
            self.others |= set(entering)
            return
        for piece in pieces:
            kept = piece.inputs if isinstance(piece, Product) else getattr(piece, "factor", None)
            if kept is not None:
                self._kept.append((kept, kept._version, piece.parameter))
        ambiguous = self._layouts is None and len(guesses(result.shape, self._batch)) > 1
        self.calls.append(Call(get_gradient_edge(result), layout, tuple(pieces), ambiguous))

    def _layout(self, result: Tensor, entering: Sequence[str]) -> Layout | None:
        if self._layouts is None:
            found = guesses(result.shape, self._batch)
            second = len(found) > 1 and bool(self._transposed.intersection(entering))
            return found[second] if found else None
        at = len(self.calls)
        return self._layouts[at] if at < len(self._layouts) else None

    def _one_for_each_example(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Look up what all examples share once for each of them, so that their gradients stay apart."""
        ids = args[0]
        if self._batch > 1 and ids.ndim == 2 and len(ids) == 1:
            return (ids.expand(self._batch, -1), *args[1:])
        return args

    def overwritten(self) -> set[str]:
        """Parameters whose layer's input has been changed in place since."""
        return {name for tensor, version, name in self._kept if tensor._version != version}


@dataclass(frozen=True)
class _Arguments:
    """The arguments of a call by name."""

    given: dict[str, Any]
    names: Mapping[int, str]
    layout: Layout
    batch: int

    def __getitem__(self, name: str) -> Any:
        return self.given.get(name)

    def parameter(self, name: str) -> str | None:
        """Which watched parameter the argument is."""
        return self.names.get(id(self.given.get(name)))

    def examples_first(self, tensor: Tensor) -> Tensor:
        return examples_first(tensor.detach(), self.layout, self.batch)

    def entrywise(
        self, name: str, output: Tensor, factor: Tensor | None, shape: torch.Size | None = None
    ) -> list[Piece] | None:
        """The piece of a broadcast parameter; nothing where the argument is none that is watched."""
        parameter = self.parameter(name)
        if parameter is None:
            return []
        fitted = aligned(shape or self.given[name].shape, output.shape, self.layout)
        if fitted is None:
            return None
        return [Entrywise(parameter, None if factor is None else self.examples_first(factor), fitted)]


Pieces = list[Piece] | None


@dataclass(frozen=True)
class _Reader:
    """How to read one function: the names of its positional arguments, and its pieces."""

    arguments: tuple[str, ...]
    read: Callable[[_Arguments, Tensor], Pieces] = field(compare=False)


def _bound(reader: _Reader, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(reader.arguments, args, strict=False)), **kwargs}


def _joined(*parts: Pieces) -> Pieces:
    return None if any(p is None for p in parts) else [piece for p in parts if p is not None for piece in p]


def _linear(a: _Arguments, output: Tensor) -> Pieces:
    weight = a.parameter("weight")
    if a["weight"].ndim != 2 or output.ndim < 2:
        return None
    product: list[Piece] = [Product(weight, _vectors(a, a["input"]))] if weight else []
    return _joined(product, a.entrywise("bias", output, None))


def _vectors(a: _Arguments, tensor: Tensor) -> Tensor:
    """``(batch, positions, features)``."""
    return a.examples_first(tensor).reshape(a.batch, -1, tensor.shape[-1])


def _matmul(a: _Arguments, _: Tensor) -> Pieces:
    weight = a.parameter("other")
    if weight is None or a["other"].ndim != 2 or a["input"].ndim < 2:
        return None
    return [Product(weight, _vectors(a, a["input"]), input_major=True)]


def _addmm(a: _Arguments, output: Tensor) -> Pieces:
    if a["beta"] not in (None, 1) or a["alpha"] not in (None, 1):
        return None
    weight = a.parameter("mat2")
    product: list[Piece] = [Product(weight, _vectors(a, a["mat1"]), input_major=True)] if weight else []
    return _joined(product, a.entrywise("input", output, None))


def _convolution(a: _Arguments, output: Tensor) -> Pieces:
    x, kernel = a["input"], a["weight"]
    if a.layout != "first" or x.ndim != kernel.ndim:
        return None
    weight = a.parameter("weight")
    groups = a["groups"] or 1
    product: list[Piece] = []
    if weight is not None:
        patches = _patches(x.detach(), kernel.shape[2:], a["stride"], a["padding"], a["dilation"])
        product = [Product(weight, patches, channels_first=True, groups=groups)]
    bias = a["bias"]
    spread = None if bias is None else torch.Size((len(bias), *(1 for _ in kernel.shape[2:])))
    return _joined(product, a.entrywise("bias", output, None, spread))


def _patches(x: Tensor, kernel: torch.Size, stride: Any, padding: Any, dilation: Any) -> Tensor:
    """``(batch, positions, channels · kernel)``: what each output position of a convolution sees."""
    axes = len(kernel)
    strides, dilations = _each(stride, axes, 1), _each(dilation, axes, 1)
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilations, kernel, strict=True)]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in _each(padding, axes, 0)]
    x = F.pad(x, [p for pair in reversed(pads) for p in pair])
    for axis, (k, s, d) in enumerate(zip(kernel, strides, dilations, strict=True), start=2):
        x = x.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
    # (batch, channels, *positions, *kernel)
    order = (0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes))
    return x.permute(order).flatten(1 + axes).flatten(1, axes)


def _each(value: Any, axes: int, default: int) -> tuple[int, ...]:
    if value is None:
        return (default,) * axes
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values


def _embedding(a: _Arguments, _: Tensor) -> Pieces:
    weight = a.parameter("weight")
    if weight is None or a["max_norm"] is not None or a["scale_grad_by_freq"] or a["sparse"]:
        return None
    tokens = a.examples_first(a["input"]).reshape(a.batch, -1)
    padding, rows = a["padding_idx"], len(a["weight"])
    if padding is not None:
        tokens = tokens.masked_fill(tokens == padding % rows, -1)
    return [Lookup(weight, tokens, rows)]


def _affine(a: _Arguments, output: Tensor, normalised: Callable[[], Tensor], shape: torch.Size) -> Pieces:
    factor = normalised() if a.parameter("weight") else None
    return _joined(a.entrywise("weight", output, factor, shape), a.entrywise("bias", output, None, shape))


def _layer_norm(a: _Arguments, output: Tensor) -> Pieces:
    x, shape, eps = a["input"].detach(), a["normalized_shape"], a["eps"]
    eps = 1e-5 if eps is None else eps
    return _affine(a, output, lambda: F.layer_norm(x, shape, eps=eps), torch.Size(shape))


def _rms_norm(a: _Arguments, output: Tensor) -> Pieces:
    x, shape, eps = a["input"].detach(), a["normalized_shape"], a["eps"]
    return _affine(a, output, lambda: F.rms_norm(x, shape, eps=eps), torch.Size(shape))


def _per_channel(output: Tensor) -> torch.Size:
    return torch.Size((output.shape[1], *(1 for _ in output.shape[2:])))


def _group_norm(a: _Arguments, output: Tensor) -> Pieces:
    x, eps = a["input"].detach(), a["eps"]
    eps = 1e-5 if eps is None else eps
    return _affine(a, output, lambda: F.group_norm(x, a["num_groups"], eps=eps), _per_channel(output))


def _batch_norm(a: _Arguments, output: Tensor) -> Pieces:
    if a["training"] or a["running_mean"] is None:
        return None
    x, mean, var = a["input"].detach(), a["running_mean"], a["running_var"]
    eps = 1e-5 if a["eps"] is None else a["eps"]
    return _affine(a, output, lambda: F.batch_norm(x, mean, var, eps=eps), _per_channel(output))


def _multiply(a: _Arguments, output: Tensor) -> Pieces:
    left, right = a["input"], a["other"]
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return None
    return _joined(
        a.entrywise("input", output, right.expand(output.shape)),
        a.entrywise("other", output, left.expand(output.shape)),
    )


def _add(a: _Arguments, output: Tensor) -> Pieces:
    if a["alpha"] not in (None, 1):
        return None
    return _joined(a.entrywise("input", output, None), a.entrywise("other", output, None))


def _expand(a: _Arguments, output: Tensor) -> Pieces:
    return a.entrywise("input", output, None) if output.shape[0] == a.batch else None


def _undispatched(func: Any) -> Any:
    """A function of `torch.nn.functional` that runs instead of asking the active mode what to do."""
    within = {**func.__globals__, "has_torch_function": lambda _: False}
    return types.FunctionType(func.__code__, within, func.__name__, func.__defaults__, func.__closure__)


_CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TWO = ("input", "other")
_EMBEDDING = ("input", "weight", "padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse")
_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")

_READERS: dict[Any, _Reader] = {
    F.linear: _Reader(("input", "weight", "bias"), _linear),
    **dict.fromkeys((torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__), _Reader(_TWO, _matmul)),
    **dict.fromkeys((torch.addmm, Tensor.addmm), _Reader(("input", "mat1", "mat2"), _addmm)),
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d), _Reader(_CONVOLUTION, _convolution)),
    F.embedding: _Reader(_EMBEDDING, _embedding),
    F.layer_norm: _Reader(("input", "normalized_shape", "weight", "bias", "eps"), _layer_norm),
    F.rms_norm: _Reader(("input", "normalized_shape", "weight", "eps"), _rms_norm),
    F.group_norm: _Reader(("input", "num_groups", "weight", "bias", "eps"), _group_norm),
    F.batch_norm: _Reader(_BATCH_NORM, _batch_norm),
    **dict.fromkeys((torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__), _Reader(_TWO, _multiply)),
    **dict.fromkeys((torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__), _Reader(_TWO, _add)),
    **dict.fromkeys((Tensor.add_, Tensor.__iadd__), _Reader(_TWO, _add)),
    Tensor.expand: _Reader(("input",), _expand),
}
