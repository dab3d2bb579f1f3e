"""The linear maps inside a network, each as a matrix."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from gnomon.subjects.sites import Site


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """One linear map inside a subject.

    ``site`` is ``<site>:<parameter>`` with the site that owns it, e.g. ``blocks.0.attention:q_proj.weight``;
    ``parameter`` is the full name of the parameter (and ``.i`` for the i-th of a stack of experts); ``values`` has
    shape ``(outputs, inputs)``.
    """

    site: str
    parameter: str
    values: Tensor


def matrices(module: nn.Module, sites: Sequence[Site], not_linear: frozenset[str] = frozenset()) -> list[WeightMatrix]:
    """Every linear map of ``module``, detached, on its own device; a weight used in two places comes once.

    Convolution kernels become ``(out, in · k)``; an embedding is the map from one-hot tokens, ``(width, tokens)``;
    a parameter with more axes is a stack of matrices along its first ones (experts, heads). ``not_linear`` names
    parameters that are known to be something else.
    """
    parts = {
        f"{path}.{name}".lstrip("."): (path, part)
        for path, part in module.named_modules()
        for name, _ in part.named_parameters(recurse=False)
    }
    found: list[tuple[str, str, Tensor]] = []
    for name, parameter in module.named_parameters():
        if name not in not_linear:
            path, part = parts[name]
            found += [(path, name + suffix, values) for suffix, values in _maps(part, parameter.detach())]
    owners = {path: _owner(path, sites) for path, _, _ in found}
    prefixes = _prefixes(found, owners)
    labelled = []
    for path, name, values in found:
        owner = owners[path]
        label = name if owner is None else f"{owner.name}:{name.removeprefix(prefixes[owner.name])}"
        labelled.append(WeightMatrix(label, name, values))
    return labelled


def layers(module: nn.Module, found: Sequence[WeightMatrix], folded: frozenset[str]) -> dict[str, Site]:
    """The output of each layer that multiplies its input, or patches of it, by one of ``found``; by its label.

    ``folded`` are the modules known to have batch and positions in one axis.
    """
    parts = dict(module.named_modules())
    out = {}
    for matrix in found:
        path = matrix.parameter.removesuffix(".weight")
        part = parts.get(path)
        plain = isinstance(part, _ConvNd) and part.groups == 1 and not isinstance(part, _ConvTransposeNd)
        if part is not None and (plain or isinstance(part, nn.Linear) or _is_input_major(part)):
            out[matrix.site] = Site(matrix.site, path, feature_axis=1 if plain else -1, folded=path in folded)
    return out


def _maps(part: nn.Module, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(suffix of the name, matrix) of each linear map that one parameter holds."""
    if weight.ndim < 2:
        return
    if isinstance(part, nn.Embedding) or _is_input_major(part):
        yield "", weight.T
    elif isinstance(part, _ConvNd):
        # a transposed convolution keeps its inputs first
        kernel = weight.movedim(1, 0) if isinstance(part, _ConvTransposeNd) else weight
        yield "", kernel.reshape(kernel.shape[0], -1)
    elif isinstance(part, (nn.Bilinear, nn.Linear)):
        yield "", weight.reshape(weight.shape[0], -1)
    else:
        yield from _stacked(part, weight)


def _stacked(part: nn.Module, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    if weight.ndim > 2 and weight.numel() == max(weight.shape):
        return  # a vector, shaped to be broadcast
    while weight.ndim > 2 and weight.shape[0] == 1:
        weight = weight[0]
    flip = bool(getattr(part, "is_transposed", False))  # how Hugging Face marks experts kept as (inputs, outputs)
    if weight.ndim == 2:
        yield "", weight
        return
    stack = weight.reshape(-1, *weight.shape[-2:])
    for number, matrix in enumerate(stack):
        yield f".{number}", matrix.T if flip else matrix


def _is_input_major(part: nn.Module) -> bool:
    """Whether it is Hugging Face's ``Conv1D``, a linear layer that keeps its weight as (inputs, outputs)."""
    library = sys.modules.get("transformers.pytorch_utils")
    return library is not None and isinstance(part, library.Conv1D)


def _owner(path: str, sites: Sequence[Site]) -> Site | None:
    claims = [s for s in sites if path in s.owns]
    if claims:
        return claims[0]
    around = [s for s in sites if not s.owns and s.module and (path + ".").startswith(s.module + ".")]
    return max(around, key=lambda s: len(s.module), default=None)


def _prefixes(found: Sequence[tuple[str, str, Tensor]], owners: dict[str, Site | None]) -> dict[str, str]:
    """What is cut from the front of the names of each site's weights."""
    paths: dict[str, list[str]] = {}
    for path, _, _ in found:
        owner = owners[path]
        if owner is not None:
            paths.setdefault(owner.name, []).append(path if owner.owns else owner.module)
    common = {site: _common_path(p) for site, p in paths.items()}
    return {site: prefix + "." if prefix else "" for site, prefix in common.items()}


def _common_path(paths: Sequence[str]) -> str:
    first, last = min(s := [p.split(".") for p in paths]), max(s)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return ".".join(first[:same])
