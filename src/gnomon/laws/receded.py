"""Positive parameters that a fit took towards zero, as far as numbers go."""

from __future__ import annotations

import numpy as np

from gnomon.laws.fit import Noise
from gnomon.laws.form import Array, Form

_SMALLEST = -700.0  # a logarithm whose exponential is still a number
_NOTHING = 1e-6  # of the scatter: values that differ less are the same
_ROUNDING = 1e-12  # of the values
_HALVINGS = 50


def brought_back(form: Form, x: Array, theta: Array, noise: Noise, y: Array) -> Array:
    """θ, shape ``(p,)``, with each positive parameter that has no effect up to tenfold raised to where it begins to.

    The likelihood is flat towards zero, and a solver stops on such a plain anywhere: at a logarithm of -10 or of
    -10¹⁰⁰. A profile that steps out from there meets the wall on the other side, or never does. The values stay the
    same, to a millionth of their scatter.

    Parameters
    ----------
    noise : of the fit, for its scale.
    y : what was fitted, shape ``(n,)``.

    Cost: some 50 values for a parameter that is raised, one for each other.
    """

    def values(at: Array) -> Array:
        with np.errstate(all="ignore"):
            found = form.value(x, at)
            return np.log(found) if noise.scale == "log" else found

    fitted, measured = values(theta), np.log(y) if noise.scale == "log" else y
    same = max(_NOTHING * float(np.abs(measured - fitted).mean()), _ROUNDING * float(np.abs(measured).max()))
    theta = theta.copy()
    for k in np.flatnonzero(form.positives):

        def at(place: float, k: int = int(k)) -> Array:
            moved = theta.copy()
            moved[k] = place
            return moved

        low = max(float(theta[k]), _SMALLEST)
        if not np.abs(values(at(low + np.log(10.0))) - fitted).max() <= same:
            continue
        high = low - 2 * _SMALLEST
        if np.abs(values(at(high)) - fitted).max() <= same:
            continue  # without effect however large
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if np.abs(values(at(middle)) - fitted).max() <= same else (low, middle)
        theta[k] = low
    return theta
