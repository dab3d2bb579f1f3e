"""Wrong labels: noise of which the share is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng


def wrong_labels(classes: NDArray[np.int64], share: float, rng: Rng, *, of: int = 10) -> NDArray[np.int64]:
    """``classes`` with ``round(share · n)`` labels, drawn without replacement, each moved to one of the other classes.

    Every label that is drawn becomes wrong, so the share is that of wrong labels; the draws of a smaller share are
    the first of those of a larger.

    Parameters
    ----------
    of : the number of classes.

    Raises
    ------
    GnomonError : when ``share`` is not in [0, 1].

    >>> int((wrong_labels(np.zeros(10, dtype=np.int64), 0.3, Rng(0)) != 0).sum())
    3
    """
    if not 0 <= share <= 1:
        raise GnomonError(f"share {share} of wrong labels is not between 0 and 1")
    n = len(classes)
    generator = rng.numpy()
    chosen = generator.permutation(n)[: round(share * n)]
    shifts = generator.integers(1, of, size=n)
    noisy = classes.copy()
    noisy[chosen] = (classes[chosen] + shifts[chosen]) % of
    return noisy
