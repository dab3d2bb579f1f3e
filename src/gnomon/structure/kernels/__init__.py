"""Kernels with a metric of the input space, and their exact gradients."""

from gnomon.structure.kernels.exponential import ExponentialPower, Gaussian, Laplace
from gnomon.structure.kernels.kernel import Kernel
from gnomon.structure.kernels.polynomial import Polynomial

__all__ = ["ExponentialPower", "Gaussian", "Kernel", "Laplace", "Polynomial"]
