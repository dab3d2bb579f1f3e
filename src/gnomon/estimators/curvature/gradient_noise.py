"""The gradient of the mean loss against what the choice of examples does to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from gnomon.randomness import Rng

_FLIPS = 1999


@dataclass(frozen=True, kw_only=True)
class GradientNoise:
    """What the gradients of independent groups of examples say of the gradient over all that could be drawn.

    Parameters
    ----------
    norm : estimate of its norm, 0 when the groups agree less than chance would have it.
    low, high : interval for the norm.
    sample_norm : norm of the gradient over just these examples.
    noise : the norm that sampling alone gives it: the root of the trace of its covariance.
    p_value : of the hypothesis that the gradient is zero.
    """

    norm: float
    low: float
    high: float
    sample_norm: float
    noise: float
    p_value: float


def gradient_noise(
    gram: NDArray[np.float64], counts: NDArray[np.float64], rng: Rng, *, level: float = 0.95
) -> GradientNoise:
    r"""From the inner products of group gradients, :math:`K_{kl} = S_k \cdot S_l` with sums S over groups.

    *Norm.* :math:`\hat U = \sum_{k \ne l} K_{kl} / \sum_{k \ne l} N_k N_l` is an unbiased estimate of
    :math:`\|g\|^2`, as different groups are independent; its interval is the jackknife's over groups.

    *Test.* If g is zero, each group's sum is as likely as its opposite (nearly so, as it is a sum over many), and
    flipping signs at random shows how large :math:`\|\sum_k S_k\|^2` gets by chance.

    Parameters
    ----------
    gram : ``(groups, groups)``. counts : ``(groups,)`` predictions in each.

    Source: Efron & Stein, Ann. Statist. 9 (1981) 586 (jackknife); Fisher, The Design of Experiments (1935), §21
    (sign flips).
    """
    g = len(counts)
    total = counts.sum()
    sums, squares = gram.sum(axis=1), np.diag(gram)
    off = sums - squares  # Σ_{l≠k} K_kl
    weights = counts * (total - counts)
    estimate = off.sum() / weights.sum()
    without = (off.sum() - 2 * off) / (weights.sum() - 2 * weights)
    error = float(np.sqrt((g - 1) / g * np.square(without - without.mean()).sum()))
    half = float(t.ppf(0.5 + level / 2, g - 1)) * error
    # covariance of the mean gradient, from residuals S_k − N_k ḡ
    residuals = squares - 2 * counts * sums / total + np.square(counts) * gram.sum() / total**2
    # gradients that are all alike leave residuals of rounding, of either sign
    noise = _root(g / (g - 1) * residuals.sum()) / float(total)
    signs = rng.child("flips").numpy().choice([-1.0, 1.0], size=(_FLIPS, g))
    flipped = ((signs @ gram) * signs).sum(axis=1)
    # rounding must not make equal sums unequal
    at_least = np.sum(flipped >= gram.sum() * (1 - 1e-9))
    return GradientNoise(
        norm=_root(estimate),
        low=_root(estimate - half),
        high=_root(estimate + half),
        sample_norm=_root(gram.sum()) / float(total),
        noise=noise,
        p_value=float((1 + at_least) / (1 + _FLIPS)),
    )


def _root(square: float) -> float:
    return float(np.sqrt(max(square, 0.0)))
