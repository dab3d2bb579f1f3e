"""What is believed of a number before it is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, logsumexp, ndtri, ndtri_exp

from gnomon.errors import GnomonError
from gnomon.laws import crps

Array = NDArray[np.float64]
Kind = Literal["normal", "laplace"]
Scale = Literal["linear", "log"]

COMPONENTS = 256
"""How many components are kept of a mixture that is written down."""

_HALVINGS = 80
"""Bisections of a quantile's bracket: to the last bit of a double."""


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

    Raises
    ------
    GnomonError : when shapes disagree, a number is not finite, a spread is not positive, or the weights are negative
        or all 0.

    >>> belief = Mixture.single(2.0, 0.5)
    >>> round(belief.cdf(2.5), 4), round(belief.crps(2.0), 4), [round(end, 3) for end in belief.interval(0.9)]
    (0.8413, 0.1168, [1.178, 2.822])
    """

    locations: Array
    spreads: Array
    weights: Array
    kind: Kind = "normal"
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        if self.kind not in ("normal", "laplace"):
            raise GnomonError(f"no kind of component {self.kind!r}", mend="choose normal or laplace")
        if self.scale not in ("linear", "log"):
            raise GnomonError(f"no scale {self.scale!r}", mend="choose linear or log")
        for name in ("locations", "spreads", "weights"):
            given = np.asarray(getattr(self, name), dtype=np.float64)
            if given.ndim != 1 or len(given) == 0 or len(given) != np.size(self.locations):
                raise GnomonError(f"{name} of a mixture of shape {given.shape}", mend="give a number a component")
            if not np.isfinite(given).all():
                raise GnomonError(f"{name} of a mixture are not finite")
            object.__setattr__(self, name, given)
        if (self.spreads <= 0).any():
            raise GnomonError("a spread of a mixture is not positive", mend="give positive spreads")
        if (self.weights < 0).any() or self.weights.sum() == 0:
            raise GnomonError("weights of a mixture are negative or all 0", mend="give non-negative weights")
        object.__setattr__(self, "weights", self.weights / self.weights.sum())

    @classmethod
    def single(cls, location: float, spread: float, *, kind: Kind = "normal", scale: Scale = "linear") -> Self:
        """One component."""
        one = np.ones(1)
        return cls(locations=location * one, spreads=spread * one, weights=one, kind=kind, scale=scale)

    @classmethod
    def pooled(cls, parts: Sequence[Mixture], weights: Sequence[float] | Array) -> Self:
        """The mixture of mixtures. Raises GnomonError when they are not of one kind and scale."""
        if len({(part.kind, part.scale) for part in parts}) != 1 or len(parts) != len(weights):
            raise GnomonError("mixtures of several kinds or scales are not pooled", mend="give them one noise")
        return cls(
            locations=np.concatenate([part.locations for part in parts]),
            spreads=np.concatenate([part.spreads for part in parts]),
            weights=np.concatenate([w * part.weights for part, w in zip(parts, weights, strict=True)]),
            kind=parts[0].kind,
            scale=parts[0].scale,
        )

    @overload
    def cdf(self, y: float) -> float: ...
    @overload
    def cdf(self, y: Array) -> Array: ...
    def cdf(self, y: float | Array) -> float | Array:
        """Probability of at most ``y``; one number, or one for each of an array."""
        return _like(y, self._below(self._g(y)))

    @overload
    def quantile(self, p: float) -> float: ...
    @overload
    def quantile(self, p: Array) -> Array: ...
    def quantile(self, p: float | Array) -> float | Array:
        """The number below which the probability is ``p``, by bisection. Raises GnomonError unless 0 < p < 1."""
        levels = np.atleast_1d(np.asarray(p, dtype=np.float64))
        if not ((levels > 0) & (levels < 1)).all():
            raise GnomonError(f"a quantile at {p}", mend="give a probability between 0 and 1")
        unit = ndtri(levels) if self.kind == "normal" else -np.sign(levels - 0.5) * np.log1p(-2 * abs(levels - 0.5))
        ends = self.locations + self.spreads * unit[:, None]
        low, high = ends.min(axis=1), ends.max(axis=1)
        for _ in range(_HALVINGS):
            middle = low + (high - low) / 2
            above = self._below(middle) >= levels
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        found = high if self.scale == "linear" else np.exp(high)
        return _like(p, found if np.ndim(p) else found[0])

    def interval(self, level: float) -> tuple[float, float]:
        """The central interval that holds ``level`` of the probability."""
        low, high = self.quantile(np.array([(1 - level) / 2, (1 + level) / 2]))
        return float(low), float(high)

    @property
    def median(self) -> float:
        """The number that is exceeded half the time."""
        return self.quantile(0.5)

    @property
    def mean(self) -> float:
        """The expectation; infinite for a Laplace of the logarithm whose spread is 1 or more."""
        with np.errstate(over="ignore"):
            return float(self.weights @ crps.means(self.locations, self.spreads, self.kind, self.scale))

    @overload
    def log_density(self, y: float) -> float: ...
    @overload
    def log_density(self, y: Array) -> Array: ...
    def log_density(self, y: float | Array) -> float | Array:
        """Logarithm of the density at ``y``, in nats; the log score. −∞ for numbers that the scale excludes."""
        u = self._g(y)
        z = abs(np.where(np.isfinite(u), u, 0.0)[..., None] - self.locations) / self.spreads
        if self.kind == "normal":
            each = -(z**2) / 2 - np.log(self.spreads) - math.log(2 * math.pi) / 2
        else:
            each = -z - np.log(2 * self.spreads)
        found = logsumexp(each, b=self.weights, axis=-1) - (u if self.scale == "log" else 0.0)
        return _like(y, np.where(np.isfinite(u), found, -np.inf))

    def z(self, y: float) -> float:
        r""":math:`\Phi^{-1}(F(y))`: standard normal where the forecast is right, :math:`(y - m) / s` for one normal.

        The smaller tail is summed in logarithms, so that a miss by many spreads is still told from a larger one.
        """
        u = self._g(y)
        if not np.isfinite(u):
            return -math.inf
        z = (u - self.locations) / self.spreads
        with np.errstate(divide="ignore"):
            weights = np.log(self.weights)
        low, high = (float(logsumexp(weights + _log_below(sign * z, self.kind))) for sign in (1, -1))
        return float(ndtri_exp(low)) if low <= high else -float(ndtri_exp(high))

    def crps(self, y: float) -> float:
        r"""Continuous ranked probability score :math:`\int (F(t) - 1[t \ge y])^2\,dt`, in the unit of y.

        Infinite for a Laplace of the logarithm whose spread is 2 or more, and where it is beyond a double. Method and
        cost: `gnomon.laws.crps`.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == "normal":
                distance = crps.normal_distance(y, self.locations, self.spreads, self.scale)
                found = float(self.weights @ distance) - self._half_difference
            else:
                found = crps.laplace_score(y, self.locations, self.spreads, self.weights, self.scale)
        return found if math.isfinite(found) else math.inf

    def compressed(self, components: int = COMPONENTS) -> Mixture:
        """The same with at most ``components``: neighbours are merged into one of their mean and variance (of g(y)).

        Neighbours have about equal weight together, so that the far tails, too, are kept in mean and variance.
        """
        if len(self.locations) <= components:
            return self
        order = np.argsort(self.locations, kind="stable")
        m, s, w = self.locations[order], self.spreads[order], self.weights[order]
        middle = np.cumsum(w) - w / 2
        group = np.minimum((middle * components).astype(np.int64), components - 1)
        total: Array = np.bincount(group, w, components).astype(np.float64)
        kept = total > 0
        mean = np.bincount(group, w * m, components)[kept] / total[kept]
        centre = np.zeros(components)
        centre[kept] = mean
        factor = 1.0 if self.kind == "normal" else 2.0  # variance of a component of spread 1
        variance = np.bincount(group, w * (factor * s**2 + (m - centre[group]) ** 2), components)[kept] / total[kept]
        return Mixture(
            locations=mean, spreads=np.sqrt(variance / factor), weights=total[kept], kind=self.kind, scale=self.scale
        )

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        numbers = {name: getattr(self, name).tolist() for name in ("locations", "spreads", "weights")}
        return {"kind": self.kind, "scale": self.scale, **numbers}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote. Raises GnomonError where something is missing or is no number."""
        try:
            numbers = {n: np.array(data[n], dtype=np.float64) for n in ("locations", "spreads", "weights")}
            return cls(**numbers, kind=data["kind"], scale=data["scale"])
        except KeyError as error:
            raise GnomonError(f"a mixture without {error.args[0]!r}", mend="write it with Mixture.to_json") from error
        except (TypeError, ValueError) as error:
            raise GnomonError("a mixture whose numbers are none", mend="write it with Mixture.to_json") from error

    def _g(self, y: float | Array) -> Array:
        """g(y); −∞ for numbers that are not positive on the scale of logarithms."""
        given = np.asarray(y, dtype=np.float64)
        if self.scale == "linear":
            return given
        positive = given > 0
        return np.where(positive, np.log(np.where(positive, given, 1.0)), -np.inf)

    def _below(self, u: Array) -> Array:
        z = (u[..., None] - self.locations) / self.spreads
        found: Array = crps.unit_cdf(z, self.kind) @ self.weights
        return found

    @cached_property
    def _half_difference(self) -> float:
        """Half the mean distance of two independent draws."""
        return crps.normal_half_difference(self.locations, self.spreads, self.weights, self.scale)


def exact(locations: Array) -> Array:
    """The spread that stands for none: 10⁻¹² of each location, so that an exact law still has a density."""
    return 1e-12 * np.maximum(abs(locations), 1e-200)


def _log_below(z: Array, kind: Kind) -> Array:
    if kind == "normal":
        found: Array = log_ndtr(z)
        return found
    return np.where(z < 0, z - math.log(2), np.log1p(-np.exp(-abs(z)) / 2))


@overload
def _like(given: float, found: Array) -> float: ...
@overload
def _like(given: Array, found: Array) -> Array: ...
def _like(given: float | Array, found: Array) -> float | Array:
    return found if np.ndim(given) else float(found)
