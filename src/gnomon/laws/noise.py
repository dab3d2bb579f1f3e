"""Families of noise: their losses, spreads and likelihoods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.laws.fit import Noise
from gnomon.laws.solver import Loss

Array = NDArray[np.float64]

_ROUNDED = 1e-3  # of the value: Hoffmann et al. (2022)

families: Mapping[str, Noise] = MappingProxyType(
    {
        "normal": Noise(kind="normal", scale="linear", delta=0.0, spread=np.nan),
        "log_normal": Noise(kind="normal", scale="log", delta=0.0, spread=np.nan),
        "laplace": Noise(kind="laplace", scale="linear", delta=np.nan, spread=np.nan),
        "log_laplace": Noise(kind="laplace", scale="log", delta=_ROUNDED, spread=np.nan),
    }
)


def candidates(noise: str | Noise, y: Array) -> list[Noise]:
    """The families that may be fitted to ``y``: one, or with ``auto`` all that have a meaning.

    The cusp of a Laplace is rounded at a thousandth of the value: on linear residuals, of the median of |y|.

    Raises GnomonError for logarithms of values that are not positive.
    """
    positive = bool((y > 0).all())
    if isinstance(noise, Noise):
        chosen = [noise]
    elif noise == "auto":
        chosen = [one for one in families.values() if one.scale == "linear" or positive]
    elif noise in families:
        chosen = [families[noise]]
    else:
        raise UnknownNameError("noise", noise, ["auto", *families])
    if not positive and any(one.scale == "log" for one in chosen):
        raise GnomonError(f"noise on logarithms needs positive values, and one is {y.min():g}", mend="choose another")
    typical = float(np.median(np.abs(y))) or float(np.abs(y).max()) or 1.0
    return [replace(one, delta=_ROUNDED * typical) if np.isnan(one.delta) else one for one in chosen]


def loss(noise: Noise) -> Loss:
    """What is minimised under the noise."""
    return Loss(scale=noise.scale, delta=np.inf if noise.kind == "normal" else noise.delta)


def spread(noise: Noise, objective: Array | float) -> Array:
    r"""The most likely spread where the loss is ``objective`` (mean over rows).

    Of a normal, :math:`\sqrt{2 L}`. A Laplace with a rounded cusp has the density :math:`e^{-H(r)/b} / Z(b)`,
    :math:`H = \rho/\delta`; b solves :math:`\mathbb{E}_b H = L/\delta` and is the mean absolute deviation when
    :math:`b \gg \delta`.
    """
    objective = np.asarray(objective, dtype=float)
    if noise.kind == "normal":
        return np.sqrt(2 * objective)
    mean = objective / noise.delta
    # E_b H lies between b/2 and b
    low, high = np.log(np.maximum(mean, 1e-300)), np.log(np.maximum(2 * mean, 1e-300)) + 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        above = _mean_loss(np.exp(middle), noise.delta) > mean
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.exp((low + high) / 2)


def rounding(noise: Noise, y: Array) -> float:
    """The mean loss of residuals of 10⁻¹² of the values: what is below it is an exact fit."""
    size = 1.0 if noise.scale == "log" else max(float(np.sqrt((y**2).mean())), 1e-100)
    return float(loss(noise).of(np.array(1e-12 * size)))


def log_likelihood(noise: Noise, objective: Array | float, y: Array) -> Array:
    """The greatest log-likelihood of the values ``y`` (n,) themselves, where the mean loss is ``objective``.

    With noise on logarithms it has the Jacobian, so that all families compare. An objective below `rounding` counts as
    that, so that an exact fit has a finite likelihood.
    """
    objective = np.maximum(objective, rounding(noise, y))
    width = spread(noise, objective)
    if noise.kind == "normal":
        each = -np.log(width) - 0.5 * np.log(2 * np.pi) - 0.5
    else:
        each = -np.log(_normaliser(width, noise.delta)) - objective / (noise.delta * width)
    jacobian = -np.log(y).sum() if noise.scale == "log" else 0.0
    return np.asarray(len(y) * each + jacobian)


def _normaliser(b: Array, delta: float) -> Array:
    return np.asarray(np.sqrt(2 * np.pi * b * delta) * erf(np.sqrt(delta / (2 * b))) + 2 * b * np.exp(-delta / (2 * b)))


def _mean_loss(b: Array, delta: float) -> Array:
    """E_b H = b² d log Z / db, in closed form."""
    inside = np.sqrt(np.pi * delta / (2 * b)) * erf(np.sqrt(delta / (2 * b)))
    return np.asarray(b**2 * (inside + 2 * np.exp(-delta / (2 * b))) / _normaliser(b, delta))
