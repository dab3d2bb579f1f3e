"""A subject: a network, how to feed it, its loss, and its sites."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.subjects.batch import Batch
from gnomon.subjects.data import Data
from gnomon.subjects.losses import Loss
from gnomon.subjects.sites import Site, first_device, resolve_sites, tensor_in


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """One linear map inside a subject.

    ``site`` is ``<site>:<parameter>`` with the innermost site that owns it, e.g.
    ``blocks.0.attention:q_proj.weight``; ``values`` has shape ``(outputs, inputs)``.
    """

    site: str
    parameter: str
    values: Tensor


class Subject:
    """What is measured.

    Parameters
    ----------
    module : any ``torch.nn.Module``; it is hooked, never copied or changed.
    loss : how its output is scored; ``None`` for a network without a task (an encoder).
    data : default data.
    sites : places by name; resolved from the structure when not given.
    name : for reports.
    context : longest sequence the network accepts, if it has a limit.
    tokenizer : callable that turns a text into token ids, for language models.

    Raises
    ------
    GnomonError : when a weight is NaN or infinite, or a site cannot be found.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        loss: Loss | None = None,
        data: Data | None = None,
        sites: Sequence[Site] | None = None,
        name: str = "",
        context: int | None = None,
        tokenizer: Any = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.data = data
        self.name = name or type(module).__name__
        self.context = context
        self.tokenizer = tokenizer
        self.sites: Mapping[str, Site] = {s.name: s for s in (sites or resolve_sites(module))}
        self._modules: dict[str, nn.Module] = dict(module.named_modules())
        for site in self.sites.values():
            if site.module not in self._modules:
                raise GnomonError(
                    f"site {site.name!r} names module {site.module!r}, which {self.name} does not have",
                    mend=f"it has {', '.join(list(self._modules)[1:9])}, …",
                )
        self.check_finite()

    @property
    def device(self) -> torch.device:
        """Device of the first parameter."""
        return first_device(self.module)

    def check_finite(self) -> None:
        """Raises GnomonError naming the first parameter that holds a NaN or infinity."""
        for name, parameter in self.module.named_parameters():
            if parameter.is_floating_point() and not bool(torch.isfinite(parameter).all()):
                raise GnomonError(f"{self.name}: weight {name!r} holds NaN or infinite numbers", mend="load it anew")

    def site(self, name: str) -> Site:
        """The site called ``name``. Raises UnknownNameError that lists the nearest."""
        if name not in self.sites:
            raise UnknownNameError("site", name, self.sites)
        return self.sites[name]

    def weights_hash(self) -> str:
        """SHA-256 over the names, shapes and values of all parameters and buffers, as they are now."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict(keep_vars=True).items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def output(self, batch: Batch) -> Tensor:
        """Logits (or whatever tensor the network returns) for ``batch``, on the subject's device."""
        moved = batch.to(self.device)
        found = tensor_in(self.module(*moved.args, **moved.kwargs))
        if found is None:
            raise GnomonError(f"{self.name} returned no tensor", mend="wrap it so that it returns its logits")
        return found

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode inside; every submodule's own mode is restored on exit."""
        modes = [(m, m.training) for m in self.module.modules()]
        self.module.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode

    def submodule(self, site: Site) -> nn.Module:
        """The module that ``site`` hooks."""
        return self._modules[site.module]

    def matrices(self) -> list[WeightMatrix]:
        """Every weight with at least two axes, as a matrix ``(outputs, inputs)``, detached, on its own device."""
        owners = sorted(((s.module, s.name) for s in self.sites.values() if s.module), key=lambda o: -len(o[0]))
        found = []
        for name, parameter in self.module.named_parameters():
            if parameter.ndim < 2:
                continue
            owner = next(((m, s) for m, s in owners if name.startswith(m + ".")), None)
            label = name if owner is None else f"{owner[1]}:{name[len(owner[0]) + 1 :]}"
            values = parameter.detach()
            found.append(WeightMatrix(label, name, values.reshape(values.shape[0], -1)))
        return found
