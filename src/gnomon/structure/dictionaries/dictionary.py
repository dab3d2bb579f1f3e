"""The contract of a dictionary of latents, and what all architectures share."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.randomness import Rng
from gnomon.structure.dictionaries import sparse_products
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.latents import DenseLatents, Latents, SparseLatents
from gnomon.structure.dictionaries.selection import Chosen, preactivations
from gnomon.structure.dictionaries.sparse_products import Pattern, decode


class Architecture(Spec):
    """What decides the form of a dictionary and of its loss; a subclass for each kind."""

    kind: str
    latents: int = Field(ge=1)
    auxiliary: float = Field(default=1 / 32, ge=0.0)


@dataclass(frozen=True, eq=False)
class Loss:
    """The loss of one batch, in units of the target's variance.

    Parameters
    ----------
    total : what is minimised, differentiable.
    reconstruction : mean squared error over mean squared scaled target: the share of variance not explained.
    penalty : the sparsity penalty, times its coefficient.
    auxiliary : the loss of dead latents, times its coefficient.
    active : mean number of active latents a vector.
    fired : ``(m,)`` bool, latents that were active for any vector.
    """

    total: Tensor
    reconstruction: Tensor
    penalty: Tensor
    auxiliary: Tensor
    active: float
    fired: Tensor

    @property
    def explained(self) -> float:
        """Share of the target's variance that is explained."""
        return 1.0 - float(self.reconstruction)


class Dictionary(nn.Module, abc.ABC):
    r"""Latents that vectors are sums of: :math:`\hat y = s_y (W_d^\top z(x) + b_d) + \mu_y`.

    :math:`z` is a sparse code of :math:`\tilde x = (x - \mu_x) / s_x`. Input and target are the same vector for an
    autoencoder, and activations at two sites for a transcoder. The means μ and scales s are measured on the first
    training rows and kept; they make the mean squared length of the scaled vectors 1, so that the reconstruction loss
    :math:`\mathbb E \lVert \tilde y - W_d^\top z - b_d \rVert^2` is the share of variance that is not explained.

    Parameters
    ----------
    architecture : its kind, number of latents m, sparsity.
    inputs : d, width of the vectors that are encoded.
    targets : e, width of those that are reconstructed, for a transcoder; ``None`` for an autoencoder.
    rng : decides the initial directions: uniform on the sphere, the encoder of an autoencoder starts as its decoder's
        transpose (Gao et al., arXiv:2406.04093, section 2.4).

    Attributes
    ----------
    kind : of the architecture, on the command line and in JSON.
    encoder, encoder_bias : ``(m, d)`` and ``(m,)``.
    decoder, decoder_bias : ``(m, e)``, rows are the latents' directions, of unit length; and ``(e,)``.
    input_mean, input_scale, target_mean, target_scale : buffers ``(d,)``, ``()``, ``(e,)``, ``()``.
    """

    kind: ClassVar[str]
    encoder: nn.Parameter
    encoder_bias: nn.Parameter
    decoder: nn.Parameter
    decoder_bias: nn.Parameter
    input_mean: Tensor
    input_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, architecture: Architecture, inputs: int, targets: int | None, rng: Rng) -> None:
        super().__init__()
        self.architecture = architecture
        self.transcodes = targets is not None
        width = inputs if targets is None else targets
        decoder = _directions(architecture.latents, width, rng.child("decoder"))
        encoder = decoder if targets is None else _directions(architecture.latents, inputs, rng.child("encoder"))
        self.encoder = nn.Parameter(encoder.clone())
        self.encoder_bias = nn.Parameter(torch.zeros(architecture.latents))
        self.decoder = nn.Parameter(decoder)
        self.decoder_bias = nn.Parameter(torch.zeros(width))
        for name, size in (("input", inputs), ("target", width)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(()))

    @property
    def latents(self) -> int:
        """How many latents there are, m."""
        return self.encoder.shape[0]

    def calibrate(self, inputs: Tensor, targets: Tensor) -> None:
        """Measure means and scales on these rows. Raises GnomonError when all rows are equal or not finite."""
        for name, rows in (("input", inputs), ("target", targets)):
            # float64: rows may lie far from zero compared with their spread
            mean = rows.mean(dim=0, dtype=torch.float64)
            square = torch.stack(
                [(part.double() - mean).square().sum() for part in torch.split(rows, 8192)]
            ).sum() / len(rows)
            if not bool(torch.isfinite(square)) or float(square) == 0.0:
                cause = "equal" if float(square) == 0.0 else "NaN, infinite or too large"
                raise GnomonError(f"the {name} rows are {cause}", mend="give finite rows that differ")
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_scale").copy_(square.sqrt())

    def scaled(self, inputs: Tensor) -> Tensor:
        r"""``(n, d)``: :math:`(x - \mu_x) / s_x`. Raises GnomonError on a wrong width."""
        return _standardised("inputs", inputs, self.input_mean, self.input_scale)

    def scaled_targets(self, targets: Tensor) -> Tensor:
        r"""``(n, e)``: :math:`(y - \mu_y) / s_y`. Raises GnomonError on a wrong width."""
        return _standardised("targets", targets, self.target_mean, self.target_scale)

    def encode(self, inputs: Tensor) -> Codes:
        """Codes of the rows of ``inputs``, ``(n, d)``, as at evaluation; values are in the unit of the scaled input."""
        with torch.no_grad():
            pattern, seen = self.chosen(self.scaled(inputs))
            return pattern.codes(self.activation(seen, pattern.columns))

    def decode(self, codes: Codes) -> Tensor:
        """Reconstructed targets ``(n, e)`` in their own unit."""
        pattern = Pattern.even(codes.indices, codes.latents)
        scaled = decode(pattern, codes.values.reshape(-1).to(self.decoder.dtype), self.decoder) + self.decoder_bias
        return scaled * self.target_scale + self.target_mean

    def forward(self, inputs: Tensor) -> Tensor:
        """Reconstruction of the targets of ``inputs``."""
        return self.decode(self.encode(inputs))

    @abc.abstractmethod
    def chosen(self, scaled: Tensor) -> Chosen:
        """The places that are active for scaled inputs at evaluation, and pre-activations there."""

    @abc.abstractmethod
    def select(self, scaled: Tensor) -> Chosen | None:
        """The places that matter to the loss of a batch; ``None`` where too many do for sparse products to pay."""

    def mask(self, preactivations: Tensor) -> Tensor | None:  # noqa: ARG002
        """``(n, m)`` bool: what `select` would choose, for the dense path; ``None`` where the activation decides."""
        return None

    def activation(self, preactivations: Tensor, columns: Tensor | slice) -> Tensor:  # noqa: ARG002
        """Values of the latents ``columns`` from their pre-activations, of any shape that these broadcast to."""
        return preactivations.relu()

    def penalty(self, latents: Latents, values: Tensor, n: int) -> Tensor:  # noqa: ARG002
        """The sparsity penalty of n vectors, times its coefficient."""
        return values.new_zeros(())

    def reconstruction(self, latents: Latents, values: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of reconstruction, and what is left of the scaled target, ``(n, e)``."""
        left = target - latents.decode(values, self.decoder) - self.decoder_bias
        return left.square().sum() / len(target), left

    def learn(self, values: Tensor) -> None:
        """Update what is estimated along the training, from the active values of a batch."""

    def latents_of(self, scaled: Tensor, *, dense: bool = False) -> Latents:
        """The latents of a training batch: sparse unless too many are active, or ``dense`` asks for the other path."""
        found = None if dense else self.select(scaled)
        if found is None:
            every = torch.addmm(self.encoder_bias, scaled, self.encoder.T)
            return DenseLatents(every, self.mask(every.detach()))
        pattern, seen = found
        return SparseLatents(pattern, sparse_products.encode(pattern, seen, scaled, self.encoder, self.encoder_bias))

    def loss(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        dead: Tensor | None = None,
        strength: float = 1.0,
        dense: bool = False,
    ) -> Loss:
        r"""The loss of a batch: reconstruction, sparsity penalty, and what dead latents make of what is left.

        :math:`\mathcal L = \lVert e \rVert^2 + \text{strength} \cdot \text{penalty} + \alpha \lVert e - \hat e
        \rVert^2`, means over the batch, :math:`e` what is left of the scaled target. :math:`\hat e` decodes e from the
        :math:`\min(e/2, \text{dead})` dead latents of largest pre-activation (Gao et al., arXiv:2406.04093, A.2;
        here they are not rectified, so that latents that are never positive get a gradient too).

        Parameters
        ----------
        inputs, targets : ``(n, d)`` and ``(n, e)`` rows in their own units.
        dead : ``(m,)`` bool: latents that are counted as dead.
        strength : factor of the sparsity penalty, which grows from 0 to 1 at the start of training.
        dense : take the dense path even where few latents are active.
        """
        x = self.scaled(inputs)
        y = x if targets is inputs and not self.transcodes else self.scaled_targets(targets)
        latents = self.latents_of(x, dense=dense)
        values = self.activation(latents.preactivations, latents.columns)
        reconstruction, left = self.reconstruction(latents, values, y)
        penalty = strength * self.penalty(latents, values, len(x))
        auxiliary = values.new_zeros(())
        if dead is not None and self.architecture.auxiliary > 0:
            auxiliary = self.architecture.auxiliary * self._revival(x, left.detach(), dead)
        active = values.detach() > 0
        if self.training:
            self.learn(values.detach()[active])
        return Loss(
            total=reconstruction + penalty + auxiliary,
            reconstruction=left.detach().square().sum() / y.square().sum(),
            penalty=penalty.detach(),
            auxiliary=auxiliary.detach(),
            active=int(active.sum()) / len(x),
            fired=latents.fired(values.detach()),
        )

    def _revival(self, x: Tensor, left: Tensor, dead: Tensor) -> Tensor:
        which = torch.nonzero(dead).squeeze(1)
        if not len(which):
            return left.new_zeros(())
        encoder, bias, decoder = self.encoder[which], self.encoder_bias[which], self.decoder[which]
        k = min(max(1, left.shape[1] // 2), len(which))
        with torch.no_grad():
            seen, columns = zip(
                *(torch.topk(piece, k, dim=1, sorted=False) for _, piece in preactivations(x, encoder, bias)),
                strict=True,
            )
            pattern = Pattern.even(torch.cat(columns), len(which))
        values = sparse_products.encode(pattern, torch.cat(seen).reshape(-1), x, encoder, bias)
        found: Tensor = (left - decode(pattern, values, decoder)).square().sum() / len(left)
        return found


def _directions(n: int, width: int, rng: Rng) -> Tensor:
    rows = torch.randn(n, width, generator=rng.torch())
    return torch.nn.functional.normalize(rows, dim=1)


def _standardised(name: str, rows: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    if rows.ndim != 2 or rows.shape[1] != len(mean):
        raise GnomonError(f"{name} are {tuple(rows.shape)}, the dictionary takes rows of {len(mean)}")
    return (rows.to(mean) - mean) / scale
