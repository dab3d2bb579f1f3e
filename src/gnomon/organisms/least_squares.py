"""Linear regression of many outputs, and its shrunken forms, all from one singular value decomposition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Matrix = NDArray[np.float64]
Shrink = Callable[[Matrix], Matrix]
"""From singular values to what multiplies the targets along them: ``1/s`` is least squares."""


class LeastSquares:
    r"""Regression of ``targets`` (n × k) on ``features`` (n × p), without intercept.

    With :math:`\Phi = U\,\mathrm{diag}(s)\,V^\top` a fit is :math:`\hat W_h = V\,\mathrm{diag}(h(s))\,U^\top Y`:
    `minimum_norm` has :math:`h(s) = 1/s`, `ridge` :math:`s/(s^2+\lambda)`, and `gradient_flow` from zero
    :math:`(1-e^{-s^2t})/s`. Singular values below ``max(n, p) ε s_max`` count as zero.

    Raises GnomonError when the number of rows differs or an entry is not finite.

    Cost: one decomposition, then a product for each fit.

    Source: Ali, Kolter & Tibshirani, arXiv:1810.10082 (gradient flow beside ridge).

    >>> import numpy as np
    >>> fit = LeastSquares(np.array([[1.0, 1.0]]), np.array([[2.0]]))
    >>> fit.weights(minimum_norm).ravel().round(12).tolist()
    [1.0, 1.0]
    """

    def __init__(self, features: Matrix, targets: Matrix) -> None:
        if len(features) != len(targets):
            raise GnomonError(f"{len(features)} rows of features do not fit {len(targets)} of targets")
        if not (np.isfinite(features).all() and np.isfinite(targets).all()):
            raise GnomonError("features or targets are not finite")
        u, s, v = np.linalg.svd(features, full_matrices=False)
        kept = s > max(features.shape) * np.finfo(np.float64).eps * s[0]
        self.singular_values: Matrix = s[kept]
        self._v: Matrix = v[kept].T
        self._along: Matrix = u[:, kept].T @ targets

    def weights(self, shrink: Shrink) -> Matrix:
        """The fitted weights, p × k."""
        fitted: Matrix = self._v @ (shrink(self.singular_values)[:, None] * self._along)
        return fitted


def minimum_norm(s: Matrix) -> Matrix:
    """Least squares; of all solutions that with the least norm."""
    return 1 / s


def ridge(penalty: float) -> Shrink:
    r"""Least squares with the penalty :math:`\lambda\lVert W\rVert^2`."""
    return lambda s: s / (s**2 + penalty)


def gradient_flow(time: float) -> Shrink:
    r"""Gradient descent on :math:`\tfrac12\lVert\Phi W - Y\rVert^2` from zero with small steps, stopped at ``time``."""
    return lambda s: -np.expm1(-(s**2) * time) / s
