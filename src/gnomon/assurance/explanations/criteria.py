"""Which explanations a case may cite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from gnomon.assurance.explanations.quantities import COMPLETENESS, FAITHFULNESS, STABILITY
from gnomon.errors import GnomonError
from gnomon.lab.spec import Spec
from gnomon.measurement import Measurement


class Criteria(Spec):
    """What an explanation has to show before a case may cite it.

    Parameters
    ----------
    faithful : what the lower bound of its faithfulness has to exceed, besides the largest of the random subspaces.
    stable : the least that the lower bounds of its stability may be, over examples and over seeds. The default, 0.8,
        is an angle of 37 degrees.
    complete : the least that the lower bound of its completeness may be; ``None`` asks for none, for an explanation
        may be a part of what goes on.
    """

    faithful: float = 0.0
    stable: Annotated[float, Field(ge=0, le=1)] = 0.8
    complete: float | None = None


def citable(measurements: Sequence[Measurement], criteria: Criteria | None = None) -> None:
    """Raise GnomonError, saying why, unless ``measurements`` (of `evidence`, of one explanation) meet ``criteria``.

    What is missing or insufficient is not met, and no faithfulness on the texts that the explanation was found in.
    """
    asked = criteria or Criteria()
    low, _ = _ends(measurements, FAITHFULNESS.name, arm="explanation")
    if any(m.diagnostics.get("own_texts") for m in measurements if m.quantity == FAITHFULNESS.name):
        raise GnomonError(
            "the explanation's faithfulness was measured on the very texts that it was found in",
            mend="give other texts with and without the concept, --material CONCEPT_test=FILE",
        )
    _, chance = _ends(measurements, FAITHFULNESS.name, arm="random")
    if not low > max(chance, asked.faithful):
        raise GnomonError(
            f"the explanation is not faithful: without it at least {low:.2g} of the contrast goes, without random"
            f" directions up to {chance:.2g}",
            mend="do not cite it, or explain by what the network uses",
        )
    stable = [m for m in measurements if m.quantity == STABILITY.name]
    if not stable:
        raise GnomonError("nothing was measured of the explanation's stability", mend="measure its evidence")
    for one in stable:
        least, _ = _ends([one], STABILITY.name)
        if not least >= asked.stable:
            raise GnomonError(
                f"the explanation is not stable over {one.labels['over']}: its cosine is {least:.2g} at least, and"
                f" {asked.stable:g} is asked",
                mend="give more examples or seeds, or do not cite it",
            )
    if asked.complete is not None:
        kept, _ = _ends(measurements, COMPLETENESS.name)
        if not kept >= asked.complete:
            raise GnomonError(
                f"the explanation is not complete: alone it keeps {kept:.2g} of the contrast at least, and"
                f" {asked.complete:g} is asked",
                mend="explain by more directions, or do not cite it as complete",
            )


def _ends(measurements: Sequence[Measurement], quantity: str, **labels: str) -> tuple[float, float]:
    """Raises GnomonError unless there is one such measurement, that is ok and has an interval."""
    found = [m for m in measurements if m.quantity == quantity and labels.items() <= m.labels.items()]
    if len(found) != 1:
        raise GnomonError(
            f"{len(found)} measurements of {quantity} are no evidence", mend="give those of one explanation"
        )
    one = found[0]
    if one.status != "ok":
        raise GnomonError(f"{quantity} is {one.status}: {one.reason}", mend="do not cite the explanation")
    if one.uncertainty.kind == "exact" and one.value is not None:
        return float(one.value), float(one.value)
    if one.uncertainty.low is None or one.uncertainty.high is None:
        raise GnomonError(f"{quantity} has no interval", mend="measure it anew")
    return float(one.uncertainty.low), float(one.uncertainty.high)
