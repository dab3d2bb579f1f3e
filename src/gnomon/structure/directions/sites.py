"""The site at which a concept is read best, chosen without looking at what the choice is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.structure.directions.cross_fit import CrossFit
from gnomon.structure.directions.cross_validation import CHOSEN, outer
from gnomon.structure.directions.detection import Auroc, auroc
from gnomon.structure.examples import Examples

Array = NDArray[np.float64]
Choice = tuple[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """What choosing a site finds.

    Parameters
    ----------
    site, rank : chosen by cross-validation on all examples.
    chosen : how often each site was chosen, of the K times that a fold was left out; in the network's order.
    auroc : of examples scored at the site that was chosen without their fold.
    """

    site: str
    rank: int
    chosen: Mapping[str, int]
    auroc: Auroc


def select_site(
    fits: Mapping[str, CrossFit], examples: Examples, folds: NDArray[np.int64], *, level: float = 0.95
) -> Selection:
    """Nested cross-validation over sites, and over the rank that is read at each.

    For each fold a, every site and rank is scored by cross-validation among the other folds, with fits that saw neither
    the fold that is scored nor a. Of all whose area is within one standard error (of the difference) of the largest,
    the lowest rank at the earliest site is chosen: what a later site adds has to be seen. Fold a is then scored there.
    The interval takes twice the variance of fixed fits (`cross_validated`).

    Parameters
    ----------
    fits : of one method, by site in the network's order, all with the same folds.

    Raises GnomonError when there are no sites. Sources: Varma & Simon, BMC Bioinformatics 7 (2006) 91 (nested
    cross-validation); Breiman, Friedman, Olshen & Stone, Classification and Regression Trees (1984), 3.4.3 (one
    standard error).
    """
    if not fits:
        raise GnomonError("no site to choose from", mend="give at least one")
    count = int(folds.max()) + 1
    picks = [choose(fits, examples, folds, without=a) for a in range(count)]
    heights = np.zeros(len(folds))
    for a, (site, rank) in enumerate(picks):
        here = folds == a
        heights[here] = fits[site].scores[a, here, rank - 1]
    site, rank = choose(fits, examples, folds)
    return Selection(
        site=site,
        rank=rank,
        chosen={name: sum(pick[0] == name for pick in picks) for name in fits},
        auroc=auroc(
            heights,
            examples.positive.cpu().numpy(),
            clusters=examples.groups,
            strata=folds,
            inflation=CHOSEN,
            level=level,
        ),
    )


def choose(
    fits: Mapping[str, CrossFit], examples: Examples, folds: NDArray[np.int64], *, without: int | None = None
) -> Choice:
    """The site and rank chosen by cross-validation on all folds, or on those other than ``without``."""
    inside = np.flatnonzero(folds != -1 if without is None else folds != without)
    positive = examples.positive.cpu().numpy()[inside]
    found: list[tuple[Choice, Auroc]] = []
    for site, fit in fits.items():
        values = (outer(fit.scores, folds) if without is None else fit.scores[without])[inside]
        found += [
            ((site, r + 1), auroc(values[:, r], positive, clusters=examples.groups[inside], strata=folds[inside]))
            for r in range(fit.ranks)
        ]
    return _earliest(found)


def _earliest(found: Sequence[tuple[Choice, Auroc]]) -> Choice:
    """The first that is within one standard error of the best."""
    best = max((one for _, one in found), key=lambda one: one.value)
    for choice, one in found:
        if best.value - one.value <= float(np.linalg.norm(best.influence - one.influence)):
            return choice
    raise AssertionError("the best is within its own standard error")
