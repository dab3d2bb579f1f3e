r"""The sphere: spectra of kernels of the cosine between inputs, by the theorem of Funk and Hecke.

Under the uniform measure on the unit sphere of :math:`\mathbb{R}^d` the eigenfunctions of
:math:`k(x, z) = f(x \cdot z)` are the spherical harmonics, and the eigenvalue depends on their degree alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, roots_jacobi

from gnomon.errors import GnomonError
from gnomon.theory.ridge_spectra import PopulationSpectrum

Array = NDArray[np.float64]

_LOST = 1e-13


def sphere_spectrum(
    profile: Callable[[Array], Array], dimension: int, power: Array, *, beyond: float = 0.0, nodes: int = 2000
) -> PopulationSpectrum:
    r"""The spectrum of :math:`f(x \cdot z)` with the power of a target by degree, ``(degrees,)``.

    What the kernel has on its diagonal beyond these degrees is the tail. Degrees without an eigenvalue are left out.

    Parameters
    ----------
    beyond : power of the target in higher degrees; it is not learned.
    profile, dimension, nodes : see `harmonic_eigenvalues`.
    """
    degrees = len(power)
    eigenvalues = harmonic_eigenvalues(profile, dimension, degrees, nodes=nodes)
    counts = harmonic_multiplicities(dimension, degrees)
    kept = eigenvalues > _LOST * np.abs(eigenvalues).max()
    trace = float(profile(np.ones(1))[0])
    return PopulationSpectrum(
        eigenvalues[kept],
        power[kept],
        tail=max(0.0, trace - float(eigenvalues[kept] @ counts[kept])),
        unlearned=float(power[~kept].sum()) + beyond,
        multiplicity=counts[kept],
    )


def harmonic_eigenvalues(
    profile: Callable[[Array], Array], dimension: int, degrees: int, *, nodes: int = 2000
) -> Array:
    r"""Eigenvalues by degree k = 0, 1, …, ``(degrees,)``; see `harmonic_multiplicities`.

    .. math:: \lambda_k = \int_{-1}^1 f(t)\,P_k(t)\,w(t)\,dt, \qquad w \propto (1 - t^2)^{(d-3)/2},

    with the Gegenbauer polynomials of :math:`P_k(1) = 1`, :math:`(k+d-2) P_{k+1} = (2k+d-2)\,t P_k - k P_{k-1}`, and w
    of integral 1, by Gauss–Jacobi quadrature: exact for polynomials of degree below 2 × nodes − k, within some
    roundings for f that is smooth, and of an error algebraic in the nodes for one that is not (at the ends, for the
    kernels of ReLU networks).

    Parameters
    ----------
    profile : f, of an array of cosines in [−1, 1].
    dimension : d ≥ 2, of the space around the sphere.
    degrees : how many; nodes : of the quadrature.

    Cost: degrees × nodes operations, and nodes² once for the nodes. Source: Müller, Spherical Harmonics (1966).

    >>> harmonic_eigenvalues(lambda t: 1 + t, 3, 2)  # a constant, and the d coordinates
    array([1.        , 0.33333333])
    """
    if dimension < 2 or degrees < 1 or nodes < degrees:
        raise GnomonError(
            f"{degrees} degrees with {nodes} nodes in {dimension} dimensions", mend="more nodes than degrees, and d ≥ 2"
        )
    t, weights = roots_jacobi(nodes, (dimension - 3) / 2, (dimension - 3) / 2)
    weighted = weights / weights.sum() * profile(t)
    found = np.empty(degrees)
    before, present = np.zeros_like(t), np.ones_like(t)
    for k in range(degrees):
        found[k] = weighted @ present
        # at k = 0 in the plane the factor k + d − 2 vanishes on both sides: P_1 = t
        step = t if k == 0 else ((2 * k + dimension - 2) * t * present - k * before) / (k + dimension - 2)
        before, present = present, step
    return found


def harmonic_multiplicities(dimension: int, degrees: int) -> Array:
    r"""Number of independent harmonics, :math:`\frac{2k+d-2}{k+d-2}\binom{k+d-2}{k}`, for k = 0, 1, …, ``(degrees,)``.

    >>> harmonic_multiplicities(3, 4), harmonic_multiplicities(2, 3)
    (array([1., 3., 5., 7.]), array([1., 2., 2.]))
    """
    k = np.arange(1, degrees, dtype=np.float64)
    d = dimension
    logarithm = np.log(2 * k + d - 2) + gammaln(k + d - 2) - gammaln(k + 1) - math.lgamma(d - 1)
    found = np.exp(logarithm)
    # below 2^40 the logarithm is good to less than a half
    return np.concatenate([[1.0], np.where(found < 2.0**40, np.round(found), found)])


def zonal_power(profile: Callable[[Array], Array], dimension: int, degrees: int, *, nodes: int = 2000) -> Array:
    r"""Power by degree of a target :math:`g(u \cdot x)` of one direction, ``(degrees,)``: :math:`N_k c_k^2`.

    The :math:`c_k` are what `harmonic_eigenvalues` gives for g, and :math:`N_k` the multiplicities.
    """
    coefficients = harmonic_eigenvalues(profile, dimension, degrees, nodes=nodes)
    found: Array = harmonic_multiplicities(dimension, degrees) * coefficients**2
    return found
