"""A subject: a network, how to feed it, its loss, and its sites."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.subjects.batch import Batch
from gnomon.subjects.data import Data
from gnomon.subjects.losses import Loss
from gnomon.subjects.outputs import call, tensor_in
from gnomon.subjects.probe import first_device, probe_batch
from gnomon.subjects.resolve import Resolution, resolve_sites
from gnomon.subjects.sites import Site
from gnomon.subjects.symmetry.declared import Symmetry
from gnomon.subjects.untouched import evaluating
from gnomon.subjects.verify import verify
from gnomon.subjects.weights import WeightMatrix, layers, matrices


class Subject:
    """What is measured.

    Parameters
    ----------
    module : any ``torch.nn.Module``; it is hooked, never copied or changed.
    loss : how its output is scored; ``None`` for a network without a task (an encoder).
    data : default data. Where it is given (and for every Hugging Face model) the network is run once on two or three
        tiny examples, to find its sites and to verify that each of them is reached once.
    sites : places by name; resolved from the structure when not given.
    name : for reports.
    context : longest sequence the network accepts, if it has a limit.
    tokenizer : callable that turns a text into token ids, for language models.
    symmetry : where the network has to do with the elements of a group, if it does.
    initial : a copy of the network as it was before training, for what tells how training changed it.

    Raises
    ------
    GnomonError : when a weight is NaN or infinite, when a site cannot be found or is not reached exactly once with
        floating-point numbers for each example, or when the network cannot be run on its data.

    Attributes
    ----------
    widths : number of features at each site, where it is known.
    left_out : modules that cannot be sites, with the reason.
    overwritten : sites whose activation the network later changes in place; captures learn more of them.

    >>> network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> subject = Subject(network)
    >>> list(subject.sites)
    ['blocks.0', 'logits']
    >>> [(m.site, tuple(m.values.shape)) for m in subject.matrices()]
    [('blocks.0:weight', (8, 3)), ('logits:weight', (2, 8))]
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
        symmetry: Symmetry | None = None,
        initial: Subject | None = None,
    ) -> None:
        self.module = module
        self.loss = loss
        self.data = data
        self.name = name or type(module).__name__
        self.context = context
        self.tokenizer = tokenizer
        self.symmetry = symmetry
        self.initial = initial
        self._modules: dict[str, nn.Module] = dict(module.named_modules())
        self.check_finite()
        batch = probe_batch(module, data)
        resolution = Resolution(tuple(sites)) if sites else resolve_sites(module, batch)
        self.sites: Mapping[str, Site] = {s.name: s for s in resolution.sites}
        if len(self.sites) < len(resolution.sites):
            raise GnomonError(f"{self.name}: two sites have the same name", mend="give each its own")
        self.left_out: Mapping[str, str] = resolution.left_out
        for site in self.sites.values():
            if site.module not in self._modules:
                raise GnomonError(
                    f"site {site.name!r} names module {site.module!r}, which {self.name} does not have",
                    mend=f"it has {', '.join(list(self._modules)[1:9])}, …",
                )
        checked = verify(module, resolution.sites, batch, self.name)
        self.widths: Mapping[str, int] = checked.widths
        self.overwritten: set[str] = set(checked.overwritten)
        self._not_linear, self._folded = checked.not_linear, checked.folded

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
        """The site called ``name``, or the output of the layer whose weight has that label (see `layers`).

        Raises UnknownNameError that lists the nearest.
        """
        if name in self.left_out:
            raise GnomonError(f"site {name!r} cannot be read: {self.left_out[name]}", mend="choose another site")
        if name in self.sites:
            return self.sites[name]
        if name in self.layers:
            return self.layers[name]
        raise UnknownNameError("site", name, self.sites)

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
        found = tensor_in(call(self.module, moved))
        if found is None:
            raise GnomonError(f"{self.name} returned no tensor", mend="wrap it so that it returns its logits")
        return found

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluation mode inside; every submodule's own mode is restored on exit."""
        with evaluating(self.module):
            yield

    def submodule(self, site: Site) -> nn.Module:
        """The module that ``site`` hooks."""
        return self._modules[site.module]

    def matrices(self) -> list[WeightMatrix]:
        """Every linear map as a matrix ``(outputs, inputs)``, detached, on its own device: see `WeightMatrix`."""
        return matrices(self.module, tuple(self.sites.values()), self._not_linear)

    @functools.cached_property
    def layers(self) -> Mapping[str, Site]:
        """The outputs of linear and convolution layers, by the label of their weight matrix.

        They can be read like sites, but nothing is known about whether the network reaches each of them once.
        """
        return layers(self.module, self.matrices(), self._folded)
