"""What other networks give the texts, that were not trained on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.privacy.likelihoods import likelihoods
from gnomon.subjects import load
from gnomon.subjects.generation import prompt_ids


def reference_log_probabilities(paths: Sequence[str], texts: Sequence[str]) -> list[NDArray[np.float64]]:
    """Nats of every text by the network in each of ``paths``, ``(n,)`` each, the first token not counted.

    Raises GnomonError as `gnomon.subjects.load` does, and where a text is too long for one of them.
    """
    found = []
    for path in paths:
        subject = load(path)
        found.append(np.array([one.given.sum() for one in likelihoods(subject, prompt_ids(subject, texts))]))
    return found
