"""Laws by which planted features fire: independent, in a hierarchy, or correlated, with their rates in closed form."""

from __future__ import annotations

import abc
from dataclasses import dataclass

import torch
from scipy.special import ndtri
from torch import Tensor

from gnomon.errors import GnomonError

_NODES = 48  # of Gauss and Legendre; for |ρ| ≤ 0.99 the integral of Drezner & Wesolowsky is then exact to 1e-12


class Firing(abc.ABC):
    """Which of m features fire in a vector.

    Attributes
    ----------
    rates : ``(m,)`` float64, probability that each fires.
    """

    rates: Tensor

    @property
    @abc.abstractmethod
    def joint(self) -> Tensor:
        """``(m, m)`` float64: the probability that both of a pair fire; ``rates`` on the diagonal."""

    @abc.abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """``(count, m)`` bool, on the generator's device; rows are independent."""


def zipfian_rates(features: int, *, active: float, exponent: float = 1.0) -> Tensor:
    r""":math:`p_i \propto i^{-s}` with :math:`\sum_i p_i` = ``active``, ``(features,)``: Zipf's law of frequencies.

    Raises GnomonError when the most frequent feature would have to fire more often than always.

    >>> [round(float(p), 3) for p in zipfian_rates(3, active=1.1)]
    [0.6, 0.3, 0.2]
    """
    ranks = torch.arange(1, features + 1, dtype=torch.float64)
    shares = ranks.pow(-exponent)
    rates: Tensor = active * shares / shares.sum()
    if not 0 < float(rates[0]) <= 1:
        raise GnomonError(
            f"the first of {features} features would fire with probability {float(rates[0]):.3g}",
            mend="ask for fewer active features or a smaller exponent",
        )
    return rates


@dataclass(frozen=True, eq=False)
class Independent(Firing):
    """Every feature fires by itself.

    Parameters
    ----------
    rates : ``(m,)`` probabilities, above 0.
    """

    rates: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", _probabilities(self.rates))

    @property
    def joint(self) -> Tensor:
        """See `Firing.joint`: the product of the rates."""
        joint = torch.outer(self.rates, self.rates)
        joint.diagonal().copy_(self.rates)
        return joint

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Firing.draw`."""
        uniform = torch.rand(count, len(self.rates), generator=generator, device=generator.device)
        return uniform < self.rates.to(uniform)


@dataclass(frozen=True, eq=False)
class Hierarchical(Firing):
    """A feature fires only where its parent does, and then by itself with a probability of its own.

    Parameters
    ----------
    parents : ``(m,)`` int64, the parent of each feature, before it in order; −1 for none.
    given_parent : ``(m,)``, the probability that a feature fires where its parent does (or at all, without one).

    Source: the setting in which absorption was found, Chanin et al., arXiv:2409.14507.
    """

    parents: Tensor
    given_parent: Tensor

    def __post_init__(self) -> None:
        parents = torch.as_tensor(self.parents, dtype=torch.int64)
        given = _probabilities(self.given_parent)
        late = torch.nonzero((parents < -1) | (parents >= torch.arange(len(parents))))
        if parents.shape != given.shape or len(late):
            where = f"feature {int(late[0])} has parent {int(parents[late[0]])}" if len(late) else "shapes differ"
            raise GnomonError(f"no hierarchy: {where}", mend="put every parent before its children")
        object.__setattr__(self, "parents", parents)
        object.__setattr__(self, "given_parent", given)
        # which features have to fire for feature i to fire: itself and all above it
        above = torch.eye(len(parents), dtype=torch.bool)
        for child, parent in enumerate(parents.tolist()):
            if parent >= 0:
                above[child] |= above[parent]
        object.__setattr__(self, "_above", above)
        object.__setattr__(self, "rates", (above.double() @ given.log()).exp())

    def below(self) -> dict[int, Tensor]:
        """For each feature with children, the indices of all features below it."""
        above: Tensor = self._above  # type: ignore[attr-defined]
        under = above.T & ~torch.eye(len(above), dtype=torch.bool)
        return {parent: torch.nonzero(row)[:, 0] for parent, row in enumerate(under) if bool(row.any())}

    @property
    def joint(self) -> Tensor:
        """See `Firing.joint`: over the features that have to fire for both, the product of ``given_parent``."""
        above: Tensor = self._above.double()  # type: ignore[attr-defined]
        weighted = above * self.given_parent.log()
        alone = weighted.sum(dim=1)
        shared = weighted @ above.T
        return (alone[:, None] + alone[None, :] - shared).exp()

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Firing.draw`."""
        uniform = torch.rand(count, len(self.parents), generator=generator, device=generator.device)
        fires = uniform < self.given_parent.to(uniform)
        for child, parent in enumerate(self.parents.tolist()):
            if parent >= 0:
                fires[:, child] &= fires[:, parent]
        return fires


@dataclass(frozen=True, eq=False)
class Correlated(Firing):
    r"""Feature i fires where :math:`Z_i > \Phi^{-1}(1 - p_i)`, Z Gaussian with correlations R (a Gaussian copula).

    :math:`P(i, j) = p_i p_j + \frac{1}{2\pi} \int_0^{\arcsin R_{ij}} e^{-(h^2 - 2hk \sin\theta + k^2) /
    (2\cos^2\theta)} d\theta` with thresholds h and k.

    Parameters
    ----------
    rates : ``(m,)`` probabilities, above 0 and below 1.
    correlation : ``(m, m)``, positive definite, ones on its diagonal, others within ±0.99.

    Source: Drezner & Wesolowsky, J. Statistical Computation and Simulation 35 (1990) 101 (the integral).
    """

    rates: Tensor
    correlation: Tensor

    def __post_init__(self) -> None:
        rates = _probabilities(self.rates)
        correlation = torch.as_tensor(self.correlation, dtype=torch.float64)
        if correlation.shape != (len(rates), len(rates)) or not bool((rates < 1).all()):
            raise GnomonError(f"correlation {tuple(correlation.shape)} is not of {len(rates)} rates below 1")
        between = correlation - torch.eye(len(rates), dtype=torch.float64)
        factor, failed = torch.linalg.cholesky_ex(correlation)
        if int(failed) or not torch.equal(correlation, correlation.T) or not bool((between.abs() <= 0.99).all()):
            raise GnomonError(
                "correlation is no correlation matrix within ±0.99", mend="make it symmetric and positive definite"
            )
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "correlation", correlation)
        object.__setattr__(self, "_factor", factor)
        object.__setattr__(self, "_thresholds", torch.from_numpy(ndtri(1 - rates.numpy())))

    @classmethod
    def in_groups(cls, rates: Tensor, *, size: int, correlation: float) -> Correlated:
        """Features in successive groups of ``size``, equally correlated inside a group and not between groups."""
        group = torch.arange(len(rates)) // size
        matrix = correlation * (group[:, None] == group[None, :]).double()
        matrix.diagonal().fill_(1.0)
        return cls(rates, matrix)

    @property
    def joint(self) -> Tensor:
        """See `Firing.joint`. Cost: 48 m² exponentials."""
        thresholds: Tensor = self._thresholds  # type: ignore[attr-defined]
        h, k = thresholds[:, None], thresholds[None, :]
        end = (self.correlation - torch.eye(len(h), dtype=torch.float64)).asin()
        nodes, weights = _legendre(_NODES)
        total = torch.zeros_like(end)
        for node, weight in zip(nodes, weights, strict=True):
            angle = end * (node + 1) / 2
            total += weight * torch.exp(-(h * h - 2 * h * k * angle.sin() + k * k) / (2 * angle.cos().square()))
        joint = torch.outer(self.rates, self.rates) + end / 2 * total / (2 * torch.pi)
        joint.diagonal().copy_(self.rates)
        return joint

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """See `Firing.draw`."""
        normal = torch.randn(count, len(self.rates), generator=generator, device=generator.device)
        factor: Tensor = self._factor  # type: ignore[attr-defined]
        thresholds: Tensor = self._thresholds  # type: ignore[attr-defined]
        return normal @ factor.T.to(normal) > thresholds.to(normal)


def _legendre(count: int) -> tuple[list[float], list[float]]:
    from numpy.polynomial.legendre import leggauss

    nodes, weights = leggauss(count)
    return nodes.tolist(), weights.tolist()


def _probabilities(values: Tensor) -> Tensor:
    rates = torch.as_tensor(values, dtype=torch.float64)
    if rates.ndim != 1 or not len(rates) or not bool(((rates > 0) & (rates <= 1)).all()):
        raise GnomonError(f"firing rates {tuple(rates.shape)} are not probabilities above 0")
    return rates
