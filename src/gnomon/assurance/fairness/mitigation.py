"""What a controller changes: every reading bare, deployed, and their paired difference; what it costs on other text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness.comparable import Comparable
from gnomon.assurance.fairness.quantities import CHANGE
from gnomon.assurance.fairness.swap_files import read_swap_texts
from gnomon.control.strength.bands import relative
from gnomon.control.strength.quantities import RELATIVE_EXCESS_LOSS
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty
from gnomon.organisms.language_models.next_words import token_log_probabilities
from gnomon.randomness import Rng


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One reading of the bare network and of the deployment, and the change from the first to the second."""

    bare: Measurement
    deployed: Measurement
    change: Measurement


def compare(evaluation: Comparable, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Compared]:
    """``evaluation`` of ``deployment`` with its controller and without, row by row.

    The same rng puts the same questions to both, so that what they have in common cancels: the interval of the change
    is much narrower than those of its two parts. It speaks of this controller on other rows like these; that the
    controller was chosen on the same rows it does not know.

    Raises GnomonError where there is no controller.
    """
    if deployment.controller is None:
        raise GnomonError("there is no controller to compare with", mend="give --with CONTROLLER")
    before = evaluation.rows(deployment.bare, rng)
    after = evaluation.rows(deployment, rng)
    return [
        Compared(bare=one.measurement(level), deployed=two.measurement(level), change=one.change(two, CHANGE, level))
        for one, two in zip(before, after, strict=True)
    ]


def neutral_cost(deployment: Deployment, *, level: float = 0.95) -> Measurement:
    """What the controller costs on the material ``neutral``: the relative change of the loss, paired by text.

    Cost: two passes over the texts.
    """
    texts = read_swap_texts(deployment.material("neutral"))
    with deployment.bare.defence.on() as subject:
        bare = token_log_probabilities(subject, [text for text, _ in texts], end=False)
    with deployment.defence.on() as subject:
        deployed = token_log_probabilities(subject, [text for text, _ in texts], end=False)
    sums = -np.array([[one.sum(), two.sum()] for one, two in zip(bare, deployed, strict=True)], dtype=np.float64)
    names: dict[str, int] = {}
    clusters = np.array([names.setdefault(cluster, len(names)) for _, cluster in texts], dtype=np.int64)
    found = relative(sums, clusters).at(1)
    count = found.clusters
    if count < 2 or not found.influence.any():
        return Measurement.insufficient(RELATIVE_EXCESS_LOSS, "no text shows a spread", suffices={"texts": 20.0})
    error = float(np.sqrt(np.square(found.influence).sum() / (count * (count - 1))))
    spread = Uncertainty.stderr(
        float(found.values[0]), error, covers={"data"}, level=level, degrees_of_freedom=count - 1, systematic=0.0
    )
    return Measurement.ok(
        RELATIVE_EXCESS_LOSS,
        float(found.values[0]),
        spread,
        estimator="neutral_cost",
        diagnostics={"texts": len(texts)},
    )
