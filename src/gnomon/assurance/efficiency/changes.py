"""Changes that make a network cheaper: fewer bits a weight, fewer weights, or another network."""

from __future__ import annotations

import abc
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.efficiency.held import weight_bytes
from gnomon.errors import GnomonError
from gnomon.subjects import Subject

_SCALE_BYTES = 4
_FEWEST_BITS, _MOST_BITS = 2, 8
_NAMES = "int8, int4, pruned=50%, pruned_rows=25%"


@dataclass(frozen=True, eq=False)
class Changed:
    """A deployment after a change.

    Parameters
    ----------
    deployment : with a subject of its own; the safeguards are those it had.
    bytes : what its weights take in the form that the change gives them.
    simulated : whether that form is only computed with: the numbers in memory are rounded or zero and as wide as
        before, so that no time is saved here. What answers is the same as of the real form up to rounding.
    idle_flops : a token, of products with weights that the change made zero, which a kernel that knows may leave out.
    """

    deployment: Deployment
    bytes: int
    simulated: bool
    idle_flops: float = 0.0


class Change(abc.ABC):
    """A change of efficiency. It never touches the deployment that it is given."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """For tables, as ``--change`` takes it."""

    @abc.abstractmethod
    def apply(self, deployment: Deployment) -> Changed:
        """``deployment`` with the change. Raises GnomonError where there is nothing to change.

        Cost: a copy of the weights, and a pass over them.
        """


@dataclass(frozen=True)
class Quantised(Change):
    r"""Weights of linear maps and convolutions in b bits, symmetric, with a scale for each output.

    .. math:: \hat w_{oi} = s_o \operatorname{round}(w_{oi} / s_o), \quad s_o = \max_i |w_{oi}| / (2^{b-1} - 1)

    Rounding to the nearest, without data to calibrate on: what needs calibration (GPTQ, AWQ) does better at 4 bits.
    Embeddings, normalisations and biases stay; a head that shares the embedding's weights changes with it. Activations
    stay as wide as they are. Simulated: a scale takes 4 bytes an output, and arithmetic is that of the original.

    Source: Jacob et al., arXiv:1712.05877; Krishnamoorthi, arXiv:1806.08342 (per-channel weights).

    Raises GnomonError for bits outside 2 to 8.
    """

    bits: int

    def __post_init__(self) -> None:
        if not _FEWEST_BITS <= self.bits <= _MOST_BITS:
            raise GnomonError(f"weights of {self.bits} bits", mend=f"give {_FEWEST_BITS} to {_MOST_BITS}")

    @property
    def name(self) -> str:
        """See `Change.name`."""
        return f"int{self.bits}"

    def apply(self, deployment: Deployment) -> Changed:
        """See `Change.apply`."""
        copied = _copied(deployment, self.name)
        saved = 0
        for weight, rows in _matrices(copied.subject):
            scale = rows.abs().amax(dim=1, keepdim=True) / (2 ** (self.bits - 1) - 1)
            rows.copy_(torch.where(scale > 0, torch.round(rows / scale) * scale, rows))
            packed = (weight.numel() * self.bits + 7) // 8 + rows.shape[0] * _SCALE_BYTES
            saved += weight.numel() * weight.element_size() - packed
        return Changed(copied, weight_bytes(copied.subject) - saved, simulated=True)


@dataclass(frozen=True)
class Pruned(Change):
    """The smallest weights of each linear map and convolution at zero: ``share`` of them, or of their whole outputs.

    Single weights by magnitude, or with ``rows`` outputs by the norm of their weights; without training afterwards.
    Simulated: single weights are stored as those that are left and a bit for each place, outputs as those that are
    left and a bit for each output. The head's outputs are tokens and are left whole.

    Source: Han et al., arXiv:1506.02626 (single weights); Li et al., arXiv:1608.08710 (outputs).

    Raises GnomonError for a share outside (0, 1).
    """

    share: float
    rows: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise GnomonError(f"a share of {self.share:g} of weights", mend="give one between 0 and 1, such as 50%")

    @property
    def name(self) -> str:
        """See `Change.name`."""
        return f"pruned{'_rows' if self.rows else ''}={self.share:.4g}"

    def apply(self, deployment: Deployment) -> Changed:
        """See `Change.apply`."""
        copied = _copied(deployment, self.name)
        vocabulary = _head(copied.subject)
        saved, zeros = 0, 0
        for weight, rows in _matrices(copied.subject):
            if self.rows and weight is vocabulary:
                continue
            sizes = torch.linalg.vector_norm(rows, dim=1) if self.rows else rows.abs().flatten()
            count = round(self.share * len(sizes))
            smallest = torch.argsort(sizes, stable=True)[:count]
            kept = torch.ones(len(sizes), dtype=torch.bool, device=rows.device)
            kept[smallest] = False
            rows.mul_(kept[:, None] if self.rows else kept.view_as(rows))
            gone = count * rows.shape[1] if self.rows else count
            saved += gone * weight.element_size() - (len(sizes) + 7) // 8
            zeros += gone
        return Changed(copied, weight_bytes(copied.subject) - saved, simulated=True, idle_flops=2.0 * zeros)


@dataclass(frozen=True, eq=False)
class Smaller(Change):
    """Another network in its place, which is as it is: nothing is simulated.

    Raises GnomonError where the deployment has safeguards: they were made for the network that it has.
    """

    subject: Subject
    folder_name: str

    @property
    def name(self) -> str:
        """See `Change.name`."""
        return self.folder_name

    def apply(self, deployment: Deployment) -> Changed:
        """See `Change.apply`. Materials of the original are kept."""
        if deployment.guarded:
            raise GnomonError("the safeguards were made for another network", mend="compare without --with")
        return Changed(replace(deployment, subject=self.subject), weight_bytes(self.subject), simulated=False)


def change_of(text: str) -> Change:
    """Read ``int8``, ``pruned=50%`` or ``pruned_rows=0.25``. Raises GnomonError otherwise."""
    if match := re.fullmatch(r"int(\d+)", text.strip()):
        return Quantised(int(match[1]))
    name, _, share = text.strip().partition("=")
    if name in ("pruned", "pruned_rows") and (match := re.fullmatch(r"(\d*\.?\d+)(%?)", share.strip())):
        return Pruned(float(match[1]) / (100 if match[2] else 1), rows=name == "pruned_rows")
    raise GnomonError(f"cannot read the change {text!r}", mend=f"write for example {_NAMES}")


def _copied(deployment: Deployment, name: str) -> Deployment:
    original = deployment.subject
    subject = Subject(
        copy.deepcopy(original.module),
        loss=original.loss,
        data=original.data,
        name=f"{original.name} {name}",
        context=original.context,
        tokenizer=original.tokenizer,
    )
    if not any(True for _ in _matrices(subject)):
        raise GnomonError(f"{original.name} has no linear map or convolution", mend="give another subject")
    return replace(deployment, subject=subject)


def _matrices(subject: Subject) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Each weight of a linear map or convolution once, and a view of it as ``(outputs, the rest)``."""
    seen: set[int] = set()
    for part in subject.module.modules():
        weight = getattr(part, "weight", None)
        if not isinstance(weight, nn.Parameter) or id(weight) in seen:
            continue
        if isinstance(part, (nn.Linear, _ConvNd)) and not isinstance(part, _ConvTransposeNd):
            seen.add(id(weight))
            yield weight, weight.data.view(weight.shape[0], -1)
        elif type(part).__name__ == "Conv1D" and weight.ndim == 2:  # of transformers: inputs first
            seen.add(id(weight))
            yield weight, weight.data.T


def _head(subject: Subject) -> nn.Parameter | None:
    """The weight whose outputs are tokens."""
    head = getattr(subject.module, "get_output_embeddings", lambda: None)()
    return getattr(head, "weight", None)
