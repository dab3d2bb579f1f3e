"""The evaluation of generalisation: what becomes of errors beyond what was seen."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.errors.confirmation import difference_interval, shares_at_once
from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.material import ANSWERS, QUESTIONS, graded_material, lacking
from gnomon.assurance.errors.quantities import ERROR_RATE, GENERALISATION_GAP
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import register
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng


@register
class Generalisation(Evaluation):
    """Errors on held-out combinations, unseen topics and lengths, or shifted questions, beside those on seen ones.

    A column of the material says of which split each question is; the difference of a split is taken to the seen
    questions of the same topic, where a column tells topics. All intervals hold at once.

    Parameters
    ----------
    split : the column that names the split.
    seen : the value that is the reference.
    topic : the column that names the topic, where there is one.
    """

    name: ClassVar[str] = "generalisation"
    quantities = (ERROR_RATE, GENERALISATION_GAP)
    materials = (QUESTIONS, ANSWERS)

    split: str = "split"
    seen: str = "seen"
    topic: str = "topic"

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: one of the two materials is enough."""
        return lacking(deployment)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Cost: grading."""
        del rng
        graded = graded_material(deployment)
        if self.split not in graded.columns:
            return [
                Measurement.insufficient(
                    GENERALISATION_GAP, f"the material has no column {self.split}", estimator=self.name
                )
            ]
        return self.gaps(graded, level=level)

    def gaps(self, graded: Graded, *, level: float) -> list[Measurement]:
        """`ERROR_RATE` of each split of each topic, and the gap of each that is not the reference.

        Raises GnomonError when the material has no column of the splits.
        """
        if self.split not in graded.columns:
            raise GnomonError(f"the material has no column {self.split}", mend="name the column of the splits")
        splits = np.array(graded.columns[self.split], dtype=object)
        topics = np.array(graded.columns.get(self.topic, ("all",) * len(graded)), dtype=object)
        cells = list(dict.fromkeys(zip(topics.tolist(), splits.tolist(), strict=True)))
        parts = [(topics == topic) & (splits == split) for topic, split in cells]
        found = dict(zip(cells, shares_at_once(graded, parts, level), strict=True))
        counts = {cell: int(part.sum()) for cell, part in zip(cells, parts, strict=True)}
        measured = [
            Measurement.ok(
                ERROR_RATE,
                *found[topic, split],
                labels={"split": split, "topic": topic},
                estimator=self.name,
                diagnostics={"questions": counts[topic, split]},
            )
            for topic, split in cells
        ]
        for topic, split in cells:
            if split == self.seen:
                continue
            labels = {"split": split, "topic": topic}
            if (topic, self.seen) not in found:
                reason = f"no question of this topic is called {self.seen}"
                measured.append(
                    Measurement.insufficient(GENERALISATION_GAP, reason, labels=labels, estimator=self.name)
                )
                continue
            (rate, interval), (reference, other) = found[topic, split], found[topic, self.seen]
            measured.append(
                Measurement.ok(
                    GENERALISATION_GAP,
                    rate - reference,
                    difference_interval(other, interval),
                    labels=labels,
                    estimator=self.name,
                    diagnostics={"questions": counts[topic, split], "seen": counts[topic, self.seen]},
                )
            )
        return measured
