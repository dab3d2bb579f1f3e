"""Vectors with planted features: sums of known directions, whose moments are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.planted_firing import Firing

Magnitudes = Literal["half_normal", "uniform", "constant"]
BLOCK = 8192
# first and second moment of a magnitude: |N(0, 1)|, U(0, 1), 1
_MOMENTS = {"half_normal": (math.sqrt(2 / math.pi), 1.0), "uniform": (0.5, 1 / 3), "constant": (1.0, 1.0)}
_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Planted:
    r"""Vectors :math:`x = \mu + \sum_i a_i f_i + \varepsilon` with known features.

    :math:`a_i` is zero where feature i does not fire and otherwise a magnitude of its own, independent of all else:
    half-normal :math:`|N(0, 1)|`, uniform on (0, 1), or 1. :math:`\varepsilon \sim N(0, \sigma^2 I)`.

    Parameters
    ----------
    features : ``(m, d)``, rows :math:`f_i` of unit length.
    firing : the law by which they fire, of m features.
    magnitudes : the law of a magnitude.
    noise : σ.
    offset : μ, ``(d,)``; zero by default.

    Source: sparse linear codes as in Olshausen & Field, Nature 381 (1996) 607, and as toy data for dictionaries in
    Sharkey, Braun & Millidge, "Taking features out of superposition with sparse autoencoders" (2022).

    Raises
    ------
    GnomonError : when the rows are not of unit length, or when shapes or names do not match.

    >>> from gnomon.structure.dictionaries.planted_firing import Independent
    >>> law = Independent(torch.tensor([0.5, 0.25]))
    >>> planted = Planted(features=torch.eye(2), firing=law, magnitudes="constant")
    >>> planted.mean.tolist(), planted.covariance.diagonal().tolist()
    ([0.5, 0.25], [0.25, 0.1875])
    """

    features: Tensor
    firing: Firing
    magnitudes: Magnitudes = "half_normal"
    noise: float = 0.0
    offset: Tensor | None = None

    def __post_init__(self) -> None:
        features = torch.as_tensor(self.features, dtype=torch.float64)
        if features.ndim != 2 or len(features) != len(self.firing.rates):
            raise GnomonError(f"features {tuple(features.shape)} are not of {len(self.firing.rates)} firing rates")
        if not bool(((features.norm(dim=1) - 1).abs() <= _TOLERANCE).all()):
            raise GnomonError("features are not of unit length", mend="give random_directions, or divide by the norm")
        if self.magnitudes not in get_args(Magnitudes):
            raise GnomonError(f"unknown magnitudes {self.magnitudes!r}", mend=", ".join(get_args(Magnitudes)))
        if not self.noise >= 0:
            raise GnomonError(f"noise {self.noise} is not a standard deviation")
        offset = torch.zeros(features.shape[1]) if self.offset is None else torch.as_tensor(self.offset)
        if offset.shape != features.shape[1:]:
            raise GnomonError(f"offset {tuple(offset.shape)} is not of vectors of width {features.shape[1]}")
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "offset", offset.double())

    @property
    def width(self) -> int:
        """d, the length of a vector."""
        return self.features.shape[1]

    @property
    def mean(self) -> Tensor:
        """``(d,)`` float64: the mean of the vectors."""
        assert self.offset is not None  # set when it was made
        first, _ = _MOMENTS[self.magnitudes]
        return self.offset + first * self.firing.rates @ self.features

    @property
    def code_covariance(self) -> Tensor:
        r"""``(m, m)`` float64: :math:`m_1^2 (P - p p^\top)` off the diagonal, :math:`m_2 p - m_1^2 p^2` on it.

        P and p are the joint and single rates, :math:`m_1, m_2` the moments of a magnitude.
        """
        first, second = _MOMENTS[self.magnitudes]
        rates = self.firing.rates
        covariance = first**2 * (self.firing.joint - torch.outer(rates, rates))
        covariance.diagonal().copy_(second * rates - first**2 * rates.square())
        return covariance

    @property
    def covariance(self) -> Tensor:
        """``(d, d)`` float64: the covariance of the vectors."""
        noise = self.noise**2 * torch.eye(self.width, dtype=torch.float64)
        return self.features.T @ self.code_covariance @ self.features + noise

    def blocks(self, rows: int, rng: Rng, *, device: str | torch.device = "cpu") -> Iterator[tuple[Tensor, Tensor]]:
        """Codes ``(b, m)`` and vectors ``(b, d)``, float32, in blocks of at most 8,192 until there are ``rows``.

        Every block has a stream of its own below ``rng``, so that the first n of more rows are the same n rows.
        Memory: one block.
        """
        features = self.features.to(device, torch.float32)
        assert self.offset is not None  # set when it was made
        offset = self.offset.to(features)
        for number, start in enumerate(range(0, rows, BLOCK)):
            generator = rng.child("block", number).torch(device)
            codes = self.firing.draw(BLOCK, generator).float()
            if self.magnitudes == "half_normal":
                codes *= torch.randn(codes.shape, generator=generator, device=codes.device).abs()
            elif self.magnitudes == "uniform":
                codes *= torch.rand(codes.shape, generator=generator, device=codes.device)
            vectors = codes @ features + offset
            if self.noise:
                vectors += self.noise * torch.randn(vectors.shape, generator=generator, device=codes.device)
            stop = min(BLOCK, rows - start)
            yield codes[:stop], vectors[:stop]


def random_directions(count: int, width: int, rng: Rng) -> Tensor:
    """``(count, width)`` float64 unit vectors, uniform on the sphere and independent."""
    normal = torch.randn(count, width, dtype=torch.float64, generator=rng.child("directions").torch())
    unit: Tensor = normal / normal.norm(dim=1, keepdim=True)
    return unit
