"""Tangent: the empirical neural tangent kernel, its spectrum, and how it moves in training."""

from gnomon.estimators.tangent.drift import TangentDrift
from gnomon.estimators.tangent.kernel import tangent_kernel
from gnomon.estimators.tangent.spectrum import TangentKernel

__all__ = ["TangentDrift", "TangentKernel", "tangent_kernel"]
