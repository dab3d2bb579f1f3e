"""The contract of a dictionary of latents."""

from __future__ import annotations

import abc
from typing import ClassVar

from torch import Tensor, nn

from gnomon.structure.dictionaries.codes import Codes


class Dictionary(nn.Module, abc.ABC):
    r"""Latents that vectors are sums of: :math:`\hat y = s_y (W_d^\top z(x) + b_d) + \mu_y`.

    :math:`z` is a sparse code of :math:`(x - \mu_x) / s_x`. Input and target are the same vector for an autoencoder,
    and activations at two sites for a transcoder. The means μ and scales s are measured on the first training rows and
    kept.

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

    @property
    def latents(self) -> int:
        """How many latents there are, m."""
        return self.encoder.shape[0]

    @abc.abstractmethod
    def encode(self, inputs: Tensor) -> Codes:
        """Codes of the rows of ``inputs``, ``(n, d)``, as at evaluation; values are in the unit of the scaled input."""

    @abc.abstractmethod
    def decode(self, codes: Codes) -> Tensor:
        """Reconstructed targets ``(n, e)`` in their own unit."""
