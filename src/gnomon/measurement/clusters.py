"""Means over observations that come in clusters (tokens of one sequence, turns of one conversation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.measurement.uncertainty import Uncertainty


def cluster_mean(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, level: float = 0.95
) -> tuple[float, Uncertainty]:
    r"""Mean over all observations, with an error that is robust to any dependence inside a cluster.

    With cluster sums :math:`s_c` and counts :math:`m_c`, the mean is the ratio
    :math:`\hat\mu = \sum_c s_c / \sum_c m_c`, and its error the linearised
    :math:`\widehat{\mathrm{se}}^2 = \frac{C}{C-1} \sum_c (s_c - \hat\mu m_c)^2 / (\sum_c m_c)^2`,
    with a Student t interval on C − 1 degrees of freedom.

    Parameters
    ----------
    sums, counts : arrays of shape ``(clusters,)``; empty clusters are dropped.

    Returns
    -------
    the mean, and its uncertainty over data; ``unknown`` when there is one cluster.

    Source: Liang & Zeger, Biometrika 73 (1986) 13; Miller, arXiv:2411.00640. Raises GnomonError when there is
    nothing to average.
    """
    present = counts > 0
    sums, counts = sums[present].astype(np.float64), counts[present].astype(np.float64)
    clusters = len(counts)
    if clusters == 0:
        raise GnomonError("no observations to average", mend="give data with at least one prediction")
    total = counts.sum()
    mean = float(sums.sum() / total)
    if clusters == 1:
        return mean, Uncertainty.unknown()
    residuals = sums - mean * counts
    error = float(np.sqrt(clusters / (clusters - 1) * np.square(residuals).sum()) / total)
    uncertainty = Uncertainty.stderr(
        mean,
        error,
        covers={"data"},
        level=level,
        degrees_of_freedom=clusters - 1,
        effective_samples=float(total**2 / np.square(counts).sum()),
        systematic=0.0,
    )
    return mean, uncertainty
