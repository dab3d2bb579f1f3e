"""The evaluation of error slices."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.errors.activation_groups import activation_groups
from gnomon.assurance.errors.graded import Graded
from gnomon.assurance.errors.material import ANSWERS, QUESTIONS, graded_material, lacking
from gnomon.assurance.errors.quantities import ERROR_RATE, SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR
from gnomon.assurance.errors.slices import Found, find_slices
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.registry import register
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.statistics import mean, proportion
from gnomon.subjects import Subject


@register
class ErrorSlices(Evaluation):
    """Slices of the questions on which the network errs more than on the rest; see `gnomon.assurance.errors.slices`.

    Parameters
    ----------
    columns : of the material that slices may be described by; all by default, ``[]`` for the text alone.
    activations : whether groups of activations are looked at too.
    site : whose; the middle block by default.
    most : slices that may be nominated.
    support : fewest clusters of a slice in the half that is searched.
    """

    name: ClassVar[str] = "error_slices"
    quantities = (ERROR_RATE, SLICE_ERROR_RATE, SLICE_EXCESS, WORST_SLICE_ERROR)
    materials = (QUESTIONS, ANSWERS)

    columns: tuple[str, ...] | None = None
    activations: bool = True
    site: str = ""
    most: Annotated[int, Field(ge=1)] = 10
    support: Annotated[int, Field(ge=2)] = 5

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: one of the two materials is enough."""
        return lacking(deployment)

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Cost: grading, and with activations one more pass over the questions."""
        graded = graded_material(deployment, self.columns)
        return [overall(graded, level), *slice_measurements(self.search(deployment.subject, graded, rng, level=level))]

    def search(self, subject: Subject | None, graded: Graded, rng: Rng, *, level: float) -> Found:
        """The slices of ``graded``; by text and columns alone without a ``subject`` that reads texts."""
        known = graded.half(rng)
        groups = None
        if subject is not None and subject.tokenizer is not None and self.activations:
            groups = activation_groups(subject, graded, known, self.site or _middle(subject), rng.child("activations"))
        return find_slices(graded, rng, known=known, groups=groups, most=self.most, support=self.support, level=level)


def overall(graded: Graded, level: float) -> Measurement:
    """`ERROR_RATE` of all questions."""
    if graded.binary:
        value, interval = proportion(graded.errors, graded.clusters, level=level)
    else:
        value, interval = mean(graded.errors, graded.clusters, level=level, within=(0.0, 1.0))
    return Measurement.ok(
        ERROR_RATE,
        value,
        interval,
        labels={"split": "all", "topic": "all"},
        estimator=ErrorSlices.name,
        diagnostics={"questions": len(graded)},
    )


def slice_measurements(found: Found) -> list[Measurement]:
    """The worst slice, and rate and excess of each that was nominated."""
    measured = []
    if found.worst is None:
        measured.append(
            Measurement.insufficient(
                WORST_SLICE_ERROR,
                "no questions were held out",
                suffices={"clusters": 2},
                estimator=ErrorSlices.name,
            )
        )
    else:
        diagnostics = {
            "nominated": len(found.slices) + len(found.unseen),
            "unseen": list(found.unseen),
            "features": found.features,
            "held_out": int(found.held_out.sum()),
        }
        measured.append(
            Measurement.ok(WORST_SLICE_ERROR, *found.worst, estimator=ErrorSlices.name, diagnostics=diagnostics)
        )
    for one in found.slices:
        labels = {"slice": one.description, "confirmed": "yes" if one.confirmed else "no"}
        details = {
            "apart_from": list(one.apart_from),
            "examples": one.examples,
            "clusters": one.clusters,
            "rest": one.rest,
            "p_value": one.p_value,
            "adjusted": one.adjusted,
        }
        measured += [
            Measurement.ok(quantity, value, interval, labels=labels, estimator=ErrorSlices.name, diagnostics=details)
            for quantity, value, interval in (
                (SLICE_ERROR_RATE, one.rate, one.rate_interval),
                (SLICE_EXCESS, one.excess, one.excess_interval),
            )
        ]
    return measured


def _middle(subject: Subject) -> str:
    blocks = [name for name in subject.sites if name.startswith("blocks.") and name.count(".") == 1]
    return blocks[len(blocks) // 2] if blocks else list(subject.sites)[len(subject.sites) // 2]
