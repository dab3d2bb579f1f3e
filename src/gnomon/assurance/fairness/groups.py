"""Errors by group, and how far the groups are apart."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness import quantities as q
from gnomon.assurance.fairness.comparable import Comparable, no_language_model
from gnomon.assurance.fairness.disparities import Rates, difference, ratio, worst
from gnomon.assurance.fairness.graded import Graded, of_world, read_graded
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.registry import register
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.statistics import Family, proportion

Array = NDArray[np.float64]
_RATES = (q.SELECTION_RATE, q.ERROR_RATE, q.TRUE_POSITIVE_RATE, q.FALSE_POSITIVE_RATE)
# what each is made from; of two rates, the worse of both
_DISPARITIES: tuple[tuple[Quantity, tuple[Quantity, ...], bool], ...] = (
    (q.DEMOGRAPHIC_PARITY_DIFFERENCE, (q.SELECTION_RATE,), True),
    (q.DEMOGRAPHIC_PARITY_RATIO, (q.SELECTION_RATE,), False),
    (q.ACCURACY_DIFFERENCE, (q.ERROR_RATE,), True),
    (q.TPR_DIFFERENCE, (q.TRUE_POSITIVE_RATE,), True),
    (q.TPR_RATIO, (q.TRUE_POSITIVE_RATE,), False),
    (q.FPR_DIFFERENCE, (q.FALSE_POSITIVE_RATE,), True),
    (q.FPR_RATIO, (q.FALSE_POSITIVE_RATE,), False),
    (q.EQUALIZED_ODDS_DIFFERENCE, (q.TRUE_POSITIVE_RATE, q.FALSE_POSITIVE_RATE), True),
    (q.EQUALIZED_ODDS_RATIO, (q.TRUE_POSITIVE_RATE, q.FALSE_POSITIVE_RATE), False),
)
_DRAWS = 400


@register
class GroupErrors(Comparable):
    """Rates by group of graded rows (material ``graded``), and fairlearn's differences and ratios of them.

    Rows are graded already (``prediction``), or the subject is asked which of two words it finds likelier after a
    prompt. In a world they are the pronouns of named people, by what gender their occupation is mostly of.

    The rates of all groups are a family for each kind of rate: their intervals hold at once. Differences and ratios
    are between groups, worst case, with intervals as `gnomon.assurance.fairness.disparities` makes them; diagnostics
    give what the value would be on average, at these numbers of independent rows, if all groups had one rate
    (``if_alike``): what a value has to be compared with.

    ``people``: how many named people of a world are asked about.

    Cost: none for what is graded; two short passes a row else.
    """

    name = "group_errors"
    quantities = (*_RATES, *(quantity for quantity, _, _ in _DISPARITIES))
    materials = ("graded",)

    people: Annotated[int, Field(ge=1)] = 200

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: a world brings its own people."""
        if deployment.has("graded"):
            return ""
        return super().inapplicable(deployment) if deployment.world is None else no_language_model(deployment)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """See `Comparable.rows`: the rates of the groups."""
        del rng  # nothing is drawn
        graded, predicted = self._read(deployment)
        names = sorted(set(graded.groups))
        family = Family("groups", tuple(names))
        return [_rate(quantity, name, graded, predicted, family) for quantity in _RATES for name in names]

    def run(self, deployment: Deployment, rng: Rng, *, level: float = 0.95) -> list[Measurement]:
        """See `Evaluation.run`: the rates, then how far they are apart."""
        rows = self.rows(deployment, rng)
        found = [one.measurement(level) for one in rows]
        for quantity, of, is_difference in _DISPARITIES:
            parts = [[one for one in rows if one.quantity is part] for part in of]
            found.append(_apart(quantity, parts, is_difference, level, rng.child(quantity.name)))
        return found

    def _read(self, deployment: Deployment) -> tuple[Graded, NDArray[np.bool_]]:
        world = deployment.world
        if deployment.has("graded") or world is None:
            graded = read_graded(deployment.material("graded"))
        else:
            graded = of_world(world, self.people)
        if len(set(graded.groups)) < 2:
            raise GnomonError("all rows are of one group", mend="give rows of two groups or more")
        if graded.predictions is None and (reason := no_language_model(deployment)):
            raise GnomonError(reason, mend="give rows with a prediction")
        with deployment.defence.on() as subject:
            return graded, graded.predicted(subject)


def _rate(quantity: Quantity, group: str, graded: Graded, predicted: NDArray[np.bool_], family: Family) -> Rows:
    inside = np.array([g == group for g in graded.groups], dtype=np.bool_)
    hit = predicted
    if quantity is q.ERROR_RATE:
        hit = predicted != graded.labels
    elif quantity is q.TRUE_POSITIVE_RATE:
        inside &= graded.labels
    elif quantity is q.FALSE_POSITIVE_RATE:
        inside &= ~graded.labels
    return Rows(
        quantity=quantity,
        labels={"group": group},
        keys=tuple(str(n) for n in np.flatnonzero(inside)),
        values=hit[inside].astype(np.float64),
        clusterings=(tuple(graded.clusters[n] for n in np.flatnonzero(inside)),),
        counted=True,
        within=(0.0, 1.0),
        family=family,
        estimator="group_errors",
        diagnostics={"rows": int(inside.sum())},
    )


def _apart(quantity: Quantity, parts: list[list[Rows]], is_difference: bool, level: float, rng: Rng) -> Measurement:
    empty = [row for part in parts for row in part if not len(row.values)]
    if empty:
        return _refused(quantity, f"no rows tell the {empty[0].quantity.name} of group {empty[0].labels['group']!r}")
    family = Family("rates of groups", tuple(f"{r.quantity.name} {r.labels['group']}" for part in parts for r in part))
    boxes = [_box(part, family.simultaneous(level)) for part in parts]
    found = [difference(box) if is_difference else ratio(box) for box in boxes]
    apart = [one for one in found if one is not None]
    if len(apart) < len(found):
        return _refused(quantity, "no group has any, so that there is no ratio")
    told = worst(apart, largest=is_difference)
    return Measurement.ok(
        quantity,
        told.value,
        Uncertainty.interval(told.low, told.high, level=level, covers={"data"}, systematic=0.0),
        estimator="group_errors",
        diagnostics={
            "groups": {row.labels["group"]: len(row.values) for row in parts[0]},
            "family": family.name,
            "members": len(family.members),
            "if_alike": _if_alike(parts, is_difference, rng.numpy()),
        },
    )


def _box(part: list[Rows], level: float) -> Rates:
    found = [proportion(row.values, row.clusterings[0], level=level) for row in part]
    ends = [(share, spread.low, spread.high) for share, spread in found]
    values, low, high = np.array(ends, dtype=np.float64).T
    return Rates(values, low, high)


def _if_alike(parts: list[list[Rows]], is_difference: bool, generator: np.random.Generator) -> float:
    """The mean value if the groups of each rate had the pooled one, at the independent rows that theirs are worth."""
    drawn = []
    for part in parts:
        worth = [proportion(row.values, row.clusterings[0])[1].effective_samples or 1.0 for row in part]
        sizes = np.array([max(1, round(one)) for one in worth])
        pooled = float(np.concatenate([row.values for row in part]).mean())
        shares = generator.binomial(sizes, pooled, size=(_DRAWS, len(sizes))) / sizes
        largest = shares.max(axis=1)
        if is_difference:
            drawn.append(np.ptp(shares, axis=1))
        else:
            drawn.append(np.divide(shares.min(axis=1), largest, out=np.ones(_DRAWS), where=largest > 0))
    return float((np.maximum if is_difference else np.minimum).reduce(drawn).mean())


def _refused(quantity: Quantity, reason: str) -> Measurement:
    return Measurement.insufficient(quantity, reason, suffices={"rows": 1.0}, estimator="group_errors")
