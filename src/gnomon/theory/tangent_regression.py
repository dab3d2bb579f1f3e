r"""What networks of infinite width predict: a Gaussian process before training, during gradient flow, and after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, eigh

from gnomon.errors import GnomonError
from gnomon.theory.infinite_width import Array, FullyConnected


@dataclass(frozen=True, kw_only=True)
class GaussianPrediction:
    """A Gaussian at each test input.

    Parameters
    ----------
    mean : ``(m, outputs)``.
    variance : ``(m,)``, of each output; outputs are independent.
    """

    mean: Array
    variance: Array

    def squared_error(self, targets: Array) -> float:
        r""":math:`\mathbb{E}\,(f(x) - y)^2`, mean over the test inputs and outputs ``(m, outputs)``."""
        return float(((self.mean - targets) ** 2).mean() + self.variance.mean())


def bayesian(network: FullyConnected, x: Array, y: Array, z: Array, *, noise: float) -> GaussianPrediction:
    r"""The posterior of f at ``z`` under the prior GP(0, K), from ``y`` seen with noise of variance :math:`\sigma^2`.

    .. math:: K_{zx} (K_{xx} + \sigma^2 I)^{-1} y, \qquad
        K_{zz} - K_{zx} (K_{xx} + \sigma^2 I)^{-1} K_{xz}.

    It is also kernel ridge regression with ridge :math:`\sigma^2` (sum over examples), and where only the last layer of
    a wide network is trained, gradient flow ends there for :math:`\sigma^2 = 0`.

    Parameters
    ----------
    x, y, z : ``(n, d)``, ``(n, outputs)``, ``(m, d)``.
    noise : :math:`\sigma^2 \ge 0`.

    Raises
    ------
    GnomonError : on shapes that do not match, a negative noise, or a matrix that is singular in float64.

    Cost: :math:`n^3/3 + n^2 m` operations. Source: Lee et al., arXiv:1711.00165.
    """
    _check(x, y, z)
    if not noise >= 0:
        raise GnomonError(f"the variance of the noise, {noise}, is negative")
    gram = network.nngp(x, x)
    try:
        factor = cholesky(gram + noise * np.eye(len(x)), lower=True)
    except np.linalg.LinAlgError:
        raise GnomonError("the kernel matrix is singular", mend="add noise, or leave out repeated inputs") from None
    cross = network.nngp(z, x)
    solved = cho_solve((factor, True), cross.T)
    variance = network.variances(z)[-1] - (cross * solved.T).sum(axis=1)
    return GaussianPrediction(mean=solved.T @ y, variance=np.maximum(variance, 0.0))


@dataclass(frozen=True, kw_only=True)
class TangentFlow:
    r"""Gradient flow of a network of infinite width on :math:`\frac{1}{2n}\sum_i \lVert f(x_i) - y_i \rVert^2`.

    With :math:`A = \Theta_{zx} \Theta_{xx}^{-1} (I - e^{-t\Theta_{xx}/n})`, over random starts,

    .. math::
        \mathbb{E} f_t(z) = A y, \qquad
        \mathrm{Cov} f_t(z) = K_{zz} - A K_{xz} - K_{zx} A^\top + A K_{xx} A^\top.

    With the start subtracted, :math:`f_t - f_0`, the mean is the same and the covariance vanishes as 1/N: it is given
    as zero. s steps of gradient descent at a small rate η are :math:`t = s\eta`.

    Build one with `of`; then any number of times costs two products each.

    Source: Jacot, Gabriel & Hongler, arXiv:1806.07572; Lee et al., arXiv:1902.06720, equations 13–15.
    """

    targets: Array
    eigenvalues: Array
    modes: Array
    cross: Array
    prior: tuple[Array, Array, Array] | None

    @classmethod
    def of(
        cls, network: FullyConnected, x: Array, y: Array, z: Array, *, start_subtracted: bool = False
    ) -> TangentFlow:
        """Diagonalise the tangent kernel at the inputs ``x``, ``(n, d)``, to predict at ``z``, ``(m, d)``.

        ``y`` has shape ``(n, outputs)``. Raises GnomonError on shapes that do not match.
        Cost: :math:`10 n^3 + n^2 m` operations.
        """
        _check(x, y, z)
        own, tangent = network.kernels(x, x)
        across, cross = network.kernels(z, x)
        eigenvalues, modes = eigh(tangent)
        prior = None if start_subtracted else (own, across, network.variances(z)[-1])
        return cls(targets=y, eigenvalues=eigenvalues, modes=modes, cross=cross, prior=prior)

    @property
    def condition(self) -> float:
        """Largest eigenvalue of Θ over the smallest; infinite where that is not positive."""
        least = float(self.eigenvalues[0])
        return float(self.eigenvalues[-1]) / least if least > 0 else math.inf

    @property
    def critical_rate(self) -> float:
        r"""Gradient descent diverges at rates above :math:`2n/\lambda_{\max}(\Theta)`."""
        return 2 * len(self.eigenvalues) / float(self.eigenvalues[-1])

    def movement(self, time: float = math.inf) -> float:
        r"""Squared distance that the parameters have gone, where f = 0 at the start.

        Over the modes of Θ, :math:`\lVert \theta_t - \theta_0 \rVert^2 = \sum_k (1 - e^{-t\mu_k/n})^2\,
        \lvert u_k \cdot y \rvert^2/\mu_k`.
        """
        shares = ((self.modes.T @ self.targets) ** 2).sum(axis=1)
        return float(self._learned(time) ** 2 @ (self.eigenvalues * shares))

    def at(self, time: float = math.inf) -> GaussianPrediction:
        """The prediction at time t; at infinity, the end of training. Raises GnomonError when t is negative."""
        operator = self._operator(time)
        mean = operator @ self.targets
        if self.prior is None:
            return GaussianPrediction(mean=mean, variance=np.zeros(len(mean)))
        own, across, alone = self.prior
        variance = alone - 2 * (operator * across).sum(axis=1) + ((operator @ own) * operator).sum(axis=1)
        return GaussianPrediction(mean=mean, variance=np.maximum(variance, 0.0))

    def _operator(self, time: float) -> Array:
        """A, ``(m, n)``."""
        found: Array = ((self.cross @ self.modes) * self._learned(time)) @ self.modes.T
        return found

    def _learned(self, time: float) -> Array:
        r""":math:`(1 - e^{-t\mu_k/n})/\mu_k`, ``(n,)``; zero for modes that rounding hides."""
        if not time >= 0:
            raise GnomonError(f"time {time} is negative")
        n = len(self.eigenvalues)
        seen = self.eigenvalues > n * np.finfo(np.float64).eps * self.eigenvalues[-1]
        values = np.where(seen, self.eigenvalues, 1.0)
        found: Array = np.where(seen, -np.expm1(-time * values / n) / values, 0.0)
        return found


def _check(x: Array, y: Array, z: Array) -> None:
    if y.ndim != 2 or x.ndim != 2 or len(x) != len(y) or not len(x) or z.shape[1:] != x.shape[1:]:
        raise GnomonError(
            f"inputs {x.shape}, targets {y.shape} and test inputs {z.shape} do not fit",
            mend="give (n, d), (n, outputs) and (m, d)",
        )
