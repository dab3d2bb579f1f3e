"""How well a kernel and a ridge explain targets: the marginal likelihood, and the leave-one-out residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.kernels import ExponentialPower, Kernel

_RANGE = 1e4  # how far the search goes from where it begins, as a factor


@dataclass(frozen=True, kw_only=True)
class Evidence:
    r"""The logarithm of a marginal likelihood, and its gradient.

    Parameters
    ----------
    value : in nats.
    by_bandwidth : its derivative by :math:`\log L`.
    by_ridge : its derivative by :math:`\log\lambda`.
    """

    value: float
    by_bandwidth: float
    by_ridge: float


def marginal_likelihood(
    kernel: ExponentialPower, inputs: Tensor, targets: Tensor, *, metric: Tensor, ridge: float
) -> Evidence:
    r"""Of a Gaussian process with covariance :math:`\sigma_c^2 (K + \lambda I)` for output c, at the likeliest scale.

    .. math:: -\sum_c \frac n2 \left(1 + \log\frac{2\pi\, y_c^\top (K + \lambda I)^{-1} y_c}{n}\right)
              - \frac{C}{2} \log\det(K + \lambda I)

    Parameters
    ----------
    inputs : ``(n, d)``; the computation is in float64.
    targets : ``(n, C)``, about zero; none of them zero throughout.
    metric : M, ``(d, d)``.
    ridge : λ > 0: the variance of the noise in units of :math:`\sigma_c^2`.

    Raises
    ------
    GnomonError : where the kernel matrix is singular, or an output is zero.

    Cost: :math:`n^3` operations and a few matrices of n² numbers.

    Source: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), section 5.4.1.
    """
    arguments, values, inverse, determinant = _inverted(kernel, inputs, metric, ridge)
    n, outputs = targets.shape
    targets = targets.to(values)
    coefficients = inverse @ targets
    energies = (targets * coefficients).sum(dim=0)
    if not bool((energies > 0).all()):
        raise GnomonError("an output is zero throughout", mend="give targets that vary")
    value = -(n / 2) * (1 + torch.log(2 * math.pi * energies / n)).sum() - outputs / 2 * determinant
    # the bandwidth only enters as u / L²
    slopes = kernel.slope(arguments.clone().masked_fill_(arguments == 0, math.inf))
    stretched = (-2 * arguments * slopes).nan_to_num_(nan=0.0)
    weighted = coefficients * (n / energies)

    def derivative(through: Tensor, trace: Tensor) -> float:
        return float((weighted * through).sum() / 2 - outputs / 2 * trace)

    return Evidence(
        value=float(value),
        by_bandwidth=derivative(stretched @ coefficients, (inverse * stretched).sum()),
        by_ridge=derivative(ridge * coefficients, ridge * inverse.trace()),
    )


def leave_one_out(kernel: Kernel, inputs: Tensor, targets: Tensor, *, metric: Tensor, ridge: float) -> Tensor:
    r"""``(n, outputs)``: each target less what the machine fitted to all other examples predicts there.

    :math:`\alpha_i / [(K + \lambda I)^{-1}]_{ii}`, in float64: exact, for a ridge that does not depend on n.

    Raises GnomonError where the kernel matrix is singular. Cost: :math:`n^3` operations.

    Source: Allen, Technometrics 16 (1974) 125; Rasmussen & Williams (2006), section 5.4.2.
    """
    _, _, inverse, _ = _inverted(kernel, inputs, metric, ridge)
    return (inverse @ targets.to(inverse)) / inverse.diagonal()[:, None]


def most_likely(
    kernel: ExponentialPower, inputs: Tensor, targets: Tensor, *, metric: Tensor, ridge: float, rows: int, rng: Rng
) -> tuple[ExponentialPower, float]:
    """Bandwidth and ridge of the highest marginal likelihood near those given, on at most ``rows`` rows at random.

    Raises GnomonError when the targets of those rows do not vary.

    Source: as `marginal_likelihood`; the search is L-BFGS-B on logarithms (Byrd, Lu, Nocedal & Zhu, SIAM Journal on
    Scientific Computing 16 (1995) 1190), within a factor of 10,000 either way.
    """
    drawn = torch.randperm(len(inputs), generator=rng.child("rows").torch())[:rows].to(inputs.device)
    some, aims = inputs[drawn].to(torch.float64), targets[drawn].to(torch.float64)
    aims = aims - aims.mean(dim=0)
    aims = aims[:, aims.square().sum(dim=0) > 0]
    if not aims.shape[1]:
        raise GnomonError("the targets do not vary", mend="give targets that vary")
    metric = metric.to(torch.float64)

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factor, regular = np.exp(at)
        try:
            found = marginal_likelihood(
                kernel.rescaled(float(factor)), some, aims, metric=metric, ridge=float(ridge * regular)
            )
        except GnomonError:
            return float("inf"), np.zeros(2)
        return -found.value / len(some), np.array([-found.by_bandwidth, -found.by_ridge]) / len(some)

    reach = math.log(_RANGE)
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-reach, reach)] * 2)
    factor, regular = np.exp(found.x)
    return kernel.rescaled(float(factor)), float(ridge * regular)


def _inverted(kernel: Kernel, inputs: Tensor, metric: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""u, :math:`K + \lambda I`, its inverse, and the logarithm of its determinant, in float64."""
    wide = inputs.to(torch.float64)
    pairs = kernel.pairs(wide, metric.to(wide))
    arguments = pairs.arguments(pairs.points)
    values = kernel.profile(arguments.clone())
    values.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(values)
    if failed.any():
        raise GnomonError("the kernel matrix is singular", mend="raise ridge, or leave out repeated examples")
    return arguments, values, torch.cholesky_inverse(factor), 2 * factor.diagonal().log().sum()
