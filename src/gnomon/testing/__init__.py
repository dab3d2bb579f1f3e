"""The public conformance suite: what every estimator, ours or yours, must pass.

>>> from gnomon.testing import check_estimator
>>> from gnomon.estimators import estimator
>>> check_estimator(estimator("frobenius_norm"), only=["check_units_and_dims"])
"""

from gnomon.testing.conformance import ConformanceError, check_estimator, checks

__all__ = ["ConformanceError", "check_estimator", "checks"]
