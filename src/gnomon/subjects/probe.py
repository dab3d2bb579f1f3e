"""A tiny forward pass that shows how a network runs: which modules fire, in what order, with what shapes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.subjects.batch import Batch
from gnomon.subjects.data import Data
from gnomon.subjects.outputs import Argument, call, inputs_of, tensor_in
from gnomon.subjects.untouched import evaluating, frozen, seeded

_TOKENS = (2, 3)
_CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.GroupNorm,
    nn.InstanceNorm2d,
)


@dataclass(frozen=True)
class Firing:
    """One call of one module, on the common clock of the forward pass.

    ``shape`` is that of its output's activation (``None`` where it returned no tensor); ``alike`` is its first
    argument with fractions of that shape (``None`` where it has none).
    """

    path: str
    started: int
    finished: int
    shape: tuple[int, ...] | None
    floating: bool
    alike: Argument | None
    feature_axis: int


@dataclass(frozen=True)
class Trace:
    """What happened in one forward pass: the firings in the order in which they finished, and the batch size."""

    firings: tuple[Firing, ...]
    batch: int

    def of(self, path: str) -> list[Firing]:
        """The firings of the module at ``path``."""
        return [f for f in self.firings if f.path == path]


def probe_batch(module: nn.Module, data: Data | None) -> Batch | None:
    """A small batch that ``module`` accepts: made up for a Hugging Face model, else repeats of an example of ``data``.

    ``None`` where neither is at hand.
    """
    made_up = _hugging_face_batch(module)
    if made_up is not None or data is None:
        return made_up
    lengths = np.where(data.lengths >= 3, data.lengths, np.iinfo(np.int64).max)
    example = int(np.argmin(lengths))
    single = data.batch([example])
    tensors = (*single.args, *single.kwargs.values())
    # a batch size that no other leading axis has, so that the batch axis is told apart
    sizes = {t.shape[1] for t in tensors if t.ndim > 1}
    size = next(n for n in itertools.count(2) if n not in sizes)
    return data.batch([example] * size)


def _hugging_face_batch(module: nn.Module) -> Batch | None:
    config: Any = getattr(module, "config", None)
    name = getattr(module, "main_input_name", None)
    if name == "input_ids" and hasattr(config, "get_text_config"):
        vocabulary = int(config.get_text_config().vocab_size)
        tokens = (torch.arange(3, 3 + _TOKENS[0] * _TOKENS[1]) % vocabulary).reshape(_TOKENS)
        kwargs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        return Batch(args=(), kwargs=kwargs, examples=torch.arange(_TOKENS[0]))
    if name == "pixel_values" and hasattr(config, "image_size"):
        size = config.image_size
        height, width = (size, size) if isinstance(size, int) else size
        shape = (2, getattr(config, "num_channels", 3), height, width)
        pixels = torch.linspace(-1, 1, shape[0] * shape[1] * height * width).reshape(shape)
        return Batch(args=(pixels,), examples=torch.arange(2))
    return None


def run_probe(module: nn.Module, batch: Batch, *, gradients: bool = False) -> Any:
    """The module's output for ``batch``, with nothing about the module or the random state changed.

    Raises GnomonError when the module does not accept the batch.
    """
    device = first_device(module)
    moved = batch.to(device)
    with evaluating(module), frozen(module), seeded(0, device), torch.set_grad_enabled(gradients):
        try:
            return call(module, moved)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise GnomonError(
                f"{type(module).__name__} cannot be run on {_described(moved)}: {first}",
                mend="give data of the shape that the network takes",
            ) from error


def trace(module: nn.Module, batch: Batch) -> Trace:
    """Run ``module`` once on ``batch`` and record every module's firings."""
    recorder = _Recorder()
    with contextlib.ExitStack() as stack:
        for path, part in module.named_modules():
            for handle in recorder.attach(path, part):
                stack.callback(handle.remove)
        run_probe(module, batch)
    return Trace(tuple(recorder.firings), len(batch))


class _Recorder:
    def __init__(self) -> None:
        self.firings: list[Firing] = []
        self._clock = itertools.count()
        self._open: list[tuple[int, dict[Argument, tuple[int, ...]]]] = []

    def attach(self, path: str, module: nn.Module) -> Iterator[Any]:
        def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = inputs_of(module, args, kwargs)
            shapes = {k: tuple(v.shape) for k, v in given.items() if v.is_floating_point()}
            self._open.append((next(self._clock), shapes))

        def after(_module: nn.Module, _args: Any, output: Any) -> None:
            tensor = tensor_in(output)
            started, shapes = self._open.pop()
            shape = None if tensor is None else tuple(tensor.shape)
            self.firings.append(
                Firing(
                    path=path,
                    started=started,
                    finished=next(self._clock),
                    shape=shape,
                    floating=tensor is not None and tensor.is_floating_point(),
                    alike=next((k for k, s in shapes.items() if s == shape), None),
                    feature_axis=self._feature_axis(module, tensor),
                )
            )

        yield module.register_forward_pre_hook(before, with_kwargs=True)
        yield module.register_forward_hook(after)

    def _feature_axis(self, module: nn.Module, output: Tensor | None) -> int:
        if output is None or output.ndim < 3:
            return -1
        if isinstance(module, _CHANNELS_FIRST):
            return 1
        if any(True for _ in module.parameters(recurse=False)):
            return -1
        # activations, dropouts and containers keep the layout of what came before them
        alike = (f for f in reversed(self.firings) if f.shape is not None and len(f.shape) == output.ndim)
        return next((f.feature_axis for f in alike), -1)


def is_channels_first(module: nn.Module) -> bool:
    """Whether the module's own kind says that its features are on axis 1."""
    return isinstance(module, _CHANNELS_FIRST)


def first_device(module: nn.Module) -> torch.device:
    """Device of the first parameter or buffer; the CPU for a module without any."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")


def _described(batch: Batch) -> str:
    tensors = {**{f"argument {i + 1}": a for i, a in enumerate(batch.args)}, **batch.kwargs}
    return ", ".join(f"{n} {tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for n, t in tensors.items())
