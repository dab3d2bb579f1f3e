"""Tangent: the empirical neural tangent kernel, its spectrum, and how it moves in training."""

from gnomon.estimators.tangent.kernel import tangent_kernel

__all__ = ["tangent_kernel"]
