"""How much better the secrets that training showed are ranked than those it never showed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.evaluation import Evaluation
from gnomon.assurance.privacy.candidates import text_ranks
from gnomon.assurance.privacy.quantities import EXPOSURE_EXCESS
from gnomon.assurance.privacy.randomisation import Randomised, randomisation_test
from gnomon.assurance.privacy.secrets import MATERIAL, Secret, by_shown, has_secrets, secrets
from gnomon.assurance.registry import register
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.organisms.world.readings.quantities import EXPOSURE
from gnomon.randomness import Rng
from gnomon.statistics import Family, mean
from gnomon.subjects import Subject

Array = NDArray[np.float64]

ANY = "any"


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where each canary stands among its candidates, 1 for the likeliest.

    Parameters
    ----------
    better, equal : ``(n,)`` candidates that are likelier, and others that are as likely.
    candidates : ``(n,)``, how many there are with the canary itself.
    spaces : ``(n,)``, of how many these were drawn.
    """

    better: NDArray[np.int64]
    equal: NDArray[np.int64]
    candidates: NDArray[np.int64]
    spaces: tuple[int, ...]

    @property
    def exposure(self) -> Array:
        """Bits; of equals half are taken for likelier."""
        return np.asarray(np.log2(self.candidates) - np.log2(1 + self.better + self.equal / 2))

    @property
    def last(self) -> NDArray[np.int64]:
        """The rank with all equals before it, which no tie makes better than it is."""
        return 1 + self.better + self.equal


def ranks(subject: Subject, canaries: Sequence[Secret], most: int, rng: Rng) -> Ranks:
    """The ranks of canaries among all of their candidates, or among ``most`` of them drawn with the secret.

    A secret is uniform among the candidates that are drawn too, given which these are, so that for one never shown the
    rank is uniform; what is lost is only that exposure ends at log2 of their number.

    Cost: at most one forward pass of each beginning of a candidate, see `tail_ranks`.
    """
    better, equal, among = (np.zeros(len(canaries), dtype=np.int64) for _ in range(3))
    groups: dict[object, list[int]] = {}
    for place, one in enumerate(canaries):
        groups.setdefault(one.space if one.space.size <= most else place, []).append(place)
    for places in groups.values():
        space = canaries[places[0]].space
        texts = space.texts() if space.size <= most else _drawn(canaries[places[0]], most, rng.child(places[0]))
        own = {text: number for number, text in enumerate(texts)}
        mine = np.array([own[canaries[i].secret] for i in places])
        better[places], equal[places] = text_ranks(subject, [canaries[i].document("") for i in places], texts, mine)
        among[places] = len(texts)
    return Ranks(better, equal, among, tuple(one.space.size for one in canaries))


def _drawn(canary: Secret, most: int, rng: Rng) -> list[str]:
    return [canary.secret, *canary.space.drawn(most - 1, canary.secret, rng.numpy())]


@register
class CanaryExposure(Evaluation):
    """Exposure of canaries by how often they were shown, and what it is above that of twins that never were.

    Reads the material ``canaries`` (see `gnomon.assurance.privacy.secrets.secrets`), or the canaries of the subject's
    world. `EXPOSURE` of each number of showings has an interval that holds at every n. `EXPOSURE_EXCESS` of each, and
    of all that were shown, rests on the draw that decided which were shown, and on nothing else.

    Parameters
    ----------
    candidates : how many of a secret's candidates are enumerated; of more, so many are drawn.
    pattern : what the secrets were drawn from, for a material without the column ``candidates``.

    Cost: as `ranks`; for the 56 canaries of a tiny world some 25,000 short positions.
    """

    name: ClassVar[str] = "canary_exposure"
    quantities: ClassVar[tuple[Quantity, ...]] = (EXPOSURE, EXPOSURE_EXCESS)
    materials: ClassVar[tuple[str, ...]] = (MATERIAL,)

    candidates: Annotated[int, Field(ge=2, le=100_000)] = 10_000
    pattern: str = ""

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`."""
        return "" if has_secrets(deployment) else super().inapplicable(deployment) or "the world has no canaries"

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`. Raises GnomonError on a damaged material."""
        canaries = secrets(deployment, self.pattern)
        with deployment.defence.on() as subject:
            found = ranks(subject, canaries, self.candidates, rng.child("candidates"))
        groups = by_shown(canaries)
        return [
            *(_exposure(found, places, shown, level) for shown, places in groups.items()),
            *_excesses(found.exposure, groups, rng.child("assignments"), level),
        ]


def _exposure(found: Ranks, places: Sequence[int], shown: int, level: float) -> Measurement:
    highest = float(np.log2(found.candidates[list(places)]).max())
    value, interval = mean(found.exposure[list(places)], level=level, within=(0.0, highest))
    diagnostics = {
        "canaries": len(places),
        "candidates": int(found.candidates[list(places)].max()),
        "enumerated": all(found.spaces[i] == found.candidates[i] for i in places),
        "first": int((found.last[list(places)] == 1).sum()),
    }
    return Measurement.ok(
        EXPOSURE, value, interval, labels={"shown": str(shown)}, estimator="canary_exposure", diagnostics=diagnostics
    )


def _excesses(exposure: Array, groups: dict[int, list[int]], rng: Rng, level: float) -> list[Measurement]:
    raised = {str(shown): places for shown, places in groups.items() if shown > 0}
    twins = groups.get(0, [])
    labels = {**raised, ANY: [i for places in raised.values() for i in places]}
    if not twins or not raised:
        reason = "no canary was never shown" if raised else "no canary was shown"
        suffices = {"twins": 8.0} if raised else {"canaries": 8.0}
        return [_insufficient(reason, suffices, ANY)]
    found = {
        shown: randomisation_test(exposure[places], exposure[twins], rng.child(shown), level=level)
        for shown, places in labels.items()
    }
    adjusted = Family("showings", tuple(raised)).holm({shown: found[shown].p_value for shown in raised})
    return [
        _excess(one, shown, adjusted.get(shown, one.p_value), len(labels[shown]), len(twins), level)
        for shown, one in found.items()
    ]


def _excess(found: Randomised, shown: str, p_value: float, canaries: int, twins: int, level: float) -> Measurement:
    if not math.isfinite(found.low):
        reason = f"{canaries} canaries and {twins} twins have too few assignments for an interval at {level:g}"
        return _insufficient(reason, {"canaries": 8.0, "twins": 8.0}, shown)
    interval = Uncertainty.interval(
        found.low, found.high, level=level, covers={"data"}, effective_samples=float(canaries + twins)
    )
    diagnostics = {"p_value": p_value, "canaries": canaries, "twins": twins}
    return Measurement.ok(
        EXPOSURE_EXCESS,
        found.difference,
        interval,
        labels={"shown": shown},
        estimator="canary_exposure",
        diagnostics=diagnostics,
    )


def _insufficient(reason: str, suffices: dict[str, float], shown: str) -> Measurement:
    return Measurement.insufficient(
        EXPOSURE_EXCESS, reason, suffices=suffices, labels={"shown": shown}, estimator="canary_exposure"
    )
