"""How well a dictionary finds features that were planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import linear_sum_assignment
from scipy.special import betainc
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.evaluation.groups import add_by_group, jackknifed, over_repeats
from gnomon.structure.dictionaries.evaluation.quantities import (
    FIRING_F1,
    FIRING_PRECISION,
    FIRING_RECALL,
    MATCHED_COSINE,
    MATCHED_PRECISION,
    MATCHED_RECALL,
)
from gnomon.structure.dictionaries.planted import random_directions

Array = NDArray[np.float64]
FOUND = 0.9  # the cosine above which a feature counts as found
_NULL_DRAWS = 20
_GROUPS = 64
_ESTIMATOR = "planted_recovery"


@dataclass(frozen=True, eq=False)
class Matching:
    """A one-to-one assignment of latents to features.

    Parameters
    ----------
    latents : ``(n,)`` int64, the latent of each feature; −1 where there are fewer latents than features.
    cosines : ``(n,)``, of the latent's direction with the feature; 0 without one.
    """

    latents: NDArray[np.int64]
    cosines: Array


def match(directions: Tensor, features: Tensor) -> Matching:
    """The assignment of rows of ``directions``, ``(m, d)``, to ``features``, ``(n, d)``, of largest total cosine.

    Source: Kuhn, Naval Research Logistics 2 (1955) 83; Crouse, IEEE Trans. Aerosp. 52 (2016) 1679 (as in scipy).
    Raises GnomonError when the widths differ. Cost: :math:`nmd + n^2 m` operations, 8nm bytes.
    """
    if directions.shape[1:] != features.shape[1:]:
        raise GnomonError(f"directions {tuple(directions.shape)} are not of features {tuple(features.shape)}")
    cosines = (_unit(features.to(directions.device)) @ _unit(directions).T).cpu().numpy()
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    latents, found = np.full(len(features), -1, dtype=np.int64), np.zeros(len(features))
    latents[rows], found[rows] = columns, cosines[rows, columns]
    return Matching(latents, found)


def expected_best_cosine(count: int, width: int) -> float:
    r"""The mean of the largest cosine of ``count`` random directions in ``width`` dimensions with a given one.

    :math:`\mathbb E \max_j t_j = 1 - \int_{-1}^1 F(t)^m dt`, where :math:`(1 + t)/2` has the Beta distribution with
    both parameters :math:`(d - 1)/2`. No assignment to random directions has a higher mean cosine.

    Source: Cai, Fan & Jiang, JMLR 14 (2013) 1837 (the law of the angle between random directions).

    >>> round(expected_best_cosine(1, 8), 12), round(expected_best_cosine(128, 64), 3)
    (0.0, 0.319)
    """
    half = (width - 1) / 2
    below, _ = quad(lambda t: betainc(half, half, (1 + t) / 2) ** count, -1, 1, limit=200)
    return 1 - float(below)


def null_matched_cosines(features: Tensor, latents: int, rng: Rng, *, draws: int = _NULL_DRAWS) -> Array:
    """``(draws,)`` mean matched cosines of dictionaries of random directions, of so many latents."""
    return np.array(
        [
            match(random_directions(latents, features.shape[1], rng.child("null", draw)), features).cosines.mean()
            for draw in range(draws)
        ]
    )


class FiringCounts:
    """How often a feature and the latent that is matched to it fire together and apart, by groups of rows.

    Parameters
    ----------
    matching : the latent of each feature.
    latents : how many latents the dictionary has.
    threshold : a latent fires above it, in the unit of the codes.
    """

    def __init__(self, matching: Matching, latents: int, *, threshold: float = 0.0) -> None:
        self.threshold = threshold
        features = len(matching.latents)
        # where a latent's activation belongs; the last column collects those of unmatched latents
        self._column = torch.full((latents,), features, dtype=torch.int64)
        matched = torch.from_numpy(matching.latents)
        self._column[matched[matched >= 0]] = torch.nonzero(matched >= 0)[:, 0]
        self._both, self._latent, self._feature = (
            torch.zeros(_GROUPS, features, dtype=torch.float64) for _ in range(3)
        )

    def update(self, truth: Tensor, codes: Codes, clusters: NDArray[np.int64]) -> None:
        """Take in planted codes ``(n, features)`` and the dictionary's."""
        fires = torch.zeros(len(codes), truth.shape[1] + 1, dtype=torch.bool)
        active = (codes.values > self.threshold).cpu()
        row = torch.arange(len(codes))[:, None].expand_as(active)[active]
        fires[row, self._column[codes.indices.cpu()[active]]] = True
        latent, feature = fires[:, :-1], truth.cpu() > 0
        for sums, values in ((self._both, latent & feature), (self._latent, latent), (self._feature, feature)):
            add_by_group(sums, values, clusters)

    def scores(self, without: int | None = None) -> dict[Quantity, float]:
        """Mean precision, recall and F1, leaving out a group of rows."""
        both, latent, feature = (
            (s.sum(dim=0) if without is None else s.sum(dim=0) - s[without]).numpy()
            for s in (self._both, self._latent, self._feature)
        )
        seen = feature > 0
        both, latent, feature = both[seen], latent[seen], feature[seen]
        return {
            FIRING_PRECISION: float((both / np.maximum(latent, 1)).mean()),
            FIRING_RECALL: float((both / feature).mean()),
            FIRING_F1: float((2 * both / (latent + feature)).mean()),
        }

    def measurements(self, *, level: float) -> list[Measurement]:
        """Precision, recall and F1 of firing, with jackknife intervals over groups of rows."""
        present = [g for g in range(_GROUPS) if float(self._feature[g].sum()) > 0]
        if len(present) < 2:
            reason = "planted features fire in fewer than two groups of rows"
            return [
                Measurement.insufficient(q, reason, suffices={"rows": 1000}, estimator=_ESTIMATOR)
                for q in (FIRING_PRECISION, FIRING_RECALL, FIRING_F1)
            ]
        whole, without = self.scores(), [self.scores(g) for g in present]
        return [
            Measurement.ok(
                quantity,
                value,
                jackknifed(value, np.array([w[quantity] for w in without]), level=level, lowest=0.0, highest=1.0),
                estimator=_ESTIMATOR,
                diagnostics={
                    "threshold": self.threshold,
                    "features_that_fire": int((self._feature.sum(dim=0) > 0).sum()),
                    "features": self._feature.shape[1],
                },
            )
            for quantity, value in whole.items()
        ]


def matched(
    matchings: Sequence[Matching], live: Sequence[int], null: Array, *, level: float, cosine: float = FOUND
) -> list[Measurement]:
    """Mean matched cosine, precision and recall of dictionaries that were trained alike, and the null's cosine.

    Of one dictionary they are exact functions of its weights; of several, their mean with a Student interval over
    seeds. ``live`` counts the latents of each that are active at all.
    """
    hits = [int((one.cosines > cosine).sum()) for one in matchings]
    columns: dict[Quantity, list[float]] = {
        MATCHED_COSINE: [float(one.cosines.mean()) for one in matchings],
        MATCHED_RECALL: [hit / len(one.cosines) for hit, one in zip(hits, matchings, strict=True)],
        MATCHED_PRECISION: [hit / count if count else 0.0 for hit, count in zip(hits, live, strict=True)],
    }
    labels = {MATCHED_COSINE: {"dictionary": "trained"}}
    found = []
    for quantity, values in columns.items():
        uncertainty = (
            Uncertainty.exact() if len(values) == 1 else over_repeats(values, covers="seed", level=level, highest=1.0)
        )
        each = labels.get(quantity, {"cosine": f"{cosine:g}"})
        found.append(_mean(quantity, values, uncertainty, each))
    drawn = over_repeats(null.tolist(), covers="probe", level=level)
    return [*found, _mean(MATCHED_COSINE, null.tolist(), drawn, {"dictionary": "random"})]


def _mean(quantity: Quantity, values: list[float], uncertainty: Uncertainty, labels: dict[str, str]) -> Measurement:
    diagnostics = {"dictionaries": len(values)}
    value = float(np.mean(values))
    return Measurement.ok(quantity, value, uncertainty, labels=labels, estimator=_ESTIMATOR, diagnostics=diagnostics)


def _unit(rows: Tensor) -> Tensor:
    rows = rows.detach().double()
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    return unit
