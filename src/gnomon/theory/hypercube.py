r"""The hypercube: spectra of kernels of the inner product of d signs, in closed form.

Under the uniform measure on :math:`\{-1, 1\}^d` the eigenfunctions of :math:`k(x, z) = f(x \cdot z/d)` are the parities
:math:`\chi_S(x) = \prod_{i \in S} x_i`, and the eigenvalue depends on :math:`|S|` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb

from gnomon.errors import GnomonError
from gnomon.theory.ridge_spectra import PopulationSpectrum

Array = NDArray[np.float64]

_LOST = 1e-13
_COUNTED = 52
"""Bits, beyond which corners are as good as a continuum."""


def hypercube_spectrum(profile: Callable[[Array], Array], power: Array) -> PopulationSpectrum:
    r"""The spectrum of :math:`f(x \cdot z/d)` with the power of a target by number of bits, ``(d + 1,)``.

    Levels whose eigenvalue is lost in rounding are left out: what they add to the kernel's diagonal becomes the tail,
    and power there is not learned.
    """
    bits = len(power) - 1
    eigenvalues, counts = parity_eigenvalues(profile, bits), parity_multiplicities(bits)
    kept = eigenvalues > _LOST * np.abs(eigenvalues).max()
    trace = float(profile(np.ones(1))[0])
    return PopulationSpectrum(
        eigenvalues[kept],
        power[kept],
        tail=max(0.0, trace - float(eigenvalues[kept] @ counts[kept])) if not kept.all() else 0.0,
        unlearned=float(power[~kept].sum()),
        multiplicity=counts[kept],
        support=2**bits if bits <= _COUNTED else None,
    )


def parity_eigenvalues(profile: Callable[[Array], Array], bits: int) -> Array:
    r"""Eigenvalues by the number of bits k = 0 … d in the parity, ``(d + 1,)``; each is :math:`\binom{d}{k}`-fold.

    .. math:: \lambda_k = 2^{-d} \sum_{j=0}^d \binom dj\, \frac{\mathcal K_k(j)}{\binom dk}\, f(1 - 2j/d),

    over the number j of signs that differ, with the Krawtchouk polynomials :math:`\mathcal K_k`, the sum of all
    parities of k bits. Normalised as here they are at most 1 and obey
    :math:`(d-k) Q_{k+1} = (d - 2j) Q_k - k Q_{k-1}`. The error is some roundings of the largest value of f, so that
    eigenvalues below that are lost (they come out with any sign).

    Parameters
    ----------
    profile : f, of an array of cosines in [−1, 1].
    bits : d ≥ 1.

    Cost: d² operations. Source: O'Donnell, Analysis of Boolean Functions (2014); Yang & Salman, arXiv:1907.10599.

    >>> parity_eigenvalues(lambda t: t, 4).round(12)  # x·z/d has the d single bits only
    array([0.  , 0.25, 0.  , 0.  , 0.  ])
    """
    if bits < 1:
        raise GnomonError(f"a hypercube of {bits} dimensions has no corners")
    differing = np.arange(bits + 1)
    share = comb(bits, differing) * 2.0**-bits
    polynomials = np.ones((bits + 1, bits + 1))
    polynomials[1] = 1 - 2 * differing / bits
    # up to the middle, where the recursion is stable; the rest by the parity of all bits
    for k in range(1, bits // 2):
        polynomials[k + 1] = ((bits - 2 * differing) * polynomials[k] - k * polynomials[k - 1]) / (bits - k)
    for k in range(bits // 2 + 1, bits + 1):
        polynomials[k] = (-1.0) ** differing * polynomials[bits - k]
    found: Array = polynomials @ (share * profile(1 - 2 * differing / bits))
    return found


def parity_multiplicities(bits: int) -> Array:
    r""":math:`\binom dk` for k = 0 … d, ``(d + 1,)``."""
    return np.asarray(comb(bits, np.arange(bits + 1)), dtype=np.float64)


def parity_power(values: Array) -> Array:
    r"""Power of a function by number of bits, :math:`\sum_{|S|=k} (\mathbb{E} f \chi_S)^2`, ``(d + 1,)``.

    Parameters
    ----------
    values : f at the corners in the order of `corners`, ``(2^d,)`` or ``(2^d, outputs)``, which are summed.

    Cost: d 2^d additions (fast Walsh–Hadamard transform).

    >>> parity_power(corners(3).prod(axis=1))
    array([0., 0., 0., 1.])
    """
    found = values.reshape(len(values), -1).astype(np.float64)
    bits = round(math.log2(len(found)))
    if 2**bits != len(found):
        raise GnomonError(f"{len(found)} values are not those at the corners of a hypercube", mend="give 2^d of them")
    for axis in range(bits):
        pairs = found.reshape(2**axis, 2, -1)
        found = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(found.shape)
    power = ((found / len(found)) ** 2).sum(axis=1)
    levels = np.array([i.bit_count() for i in range(len(found))])
    return np.bincount(levels, weights=power, minlength=bits + 1).astype(np.float64)


def corners(bits: int) -> Array:
    """All corners, ``(2^d, d)``: those of the binary numbers in order, with 1 for a bit 0 and −1 for a bit 1."""
    numbers = np.arange(2**bits)[:, None] >> np.arange(bits - 1, -1, -1)
    return np.asarray(1.0 - 2.0 * (numbers & 1), dtype=np.float64)
