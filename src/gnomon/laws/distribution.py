"""What is believed of a number before it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    r"""A mixture :math:`\sum_i w_i\, p((g(y) - m_i) / s_i)\, g'(y) / s_i` of components of one kind.

    A forecast is one: a component for each draw of the parameters (and each form), as wide as the residuals.

    Parameters
    ----------
    locations, spreads, weights : shape ``(components,)``; the spread of a normal is its standard deviation, of a
        Laplace its mean absolute deviation. Weights are normalised.
    kind : shape of the components.
    scale : ``log`` when g is the logarithm (the number is positive), ``linear`` when it is the identity.
    """

    locations: Array
    spreads: Array
    weights: Array
    kind: Literal["normal", "laplace"] = "normal"
    scale: Literal["linear", "log"] = "linear"

    @classmethod
    def single(
        cls,
        location: float,
        spread: float,
        *,
        kind: Literal["normal", "laplace"] = "normal",
        scale: Literal["linear", "log"] = "linear",
    ) -> Self:
        """One component."""
        one = np.ones(1)
        return cls(locations=location * one, spreads=spread * one, weights=one, kind=kind, scale=scale)

    def cdf(self, y: float) -> float:
        """Probability of at most ``y``."""
        raise NotImplementedError

    def quantile(self, p: float) -> float:
        """The number below which the probability is ``p``."""
        raise NotImplementedError

    def log_density(self, y: float) -> float:
        """Logarithm of the density at ``y``, in nats; the log score."""
        raise NotImplementedError

    def crps(self, y: float) -> float:
        r"""Continuous ranked probability score :math:`\int (F(t) - 1[t \ge y])^2\,dt`, in the unit of y."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        raise NotImplementedError
