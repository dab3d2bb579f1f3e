"""Counterfactual swaps: what a network's predictions change by when words are swapped that should not matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gnomon.assurance.deployment import Deployment
from gnomon.assurance.fairness.alike import aligned, changes
from gnomon.assurance.fairness.comparable import Comparable, no_language_model
from gnomon.assurance.fairness.quantities import SWAP_DISTANCE, SWAP_EXCESS, SWAP_LOSS
from gnomon.assurance.fairness.rows import Rows
from gnomon.assurance.fairness.swap_files import NEUTRAL, Swapped, of_world, read_swap_texts, read_swaps, swapped
from gnomon.assurance.registry import register
from gnomon.measurement import Quantity
from gnomon.randomness import Rng

Array = NDArray[np.float64]
_DRAWS = 999


@register
class CounterfactualSwaps(Comparable):
    """Words of one group for those of another in texts (materials ``swaps`` and ``swap_texts``), or in a world's talk.

    For each kind of swap, over the tokens that follow: the mean change of log-loss (its sign says which words fit the
    texts better) and the mean total variation between what is predicted after either. A network moves with every word,
    so the second is above zero for any swap: it is compared with swaps of kind ``neutral``, the excess over these, and
    a p-value (in the diagnostics) of the excess among relabellings of the swaps as neutral or not, which is exact if
    they are exchangeable.

    Intervals are Student's with the variance of `crossed_spread`: texts (their clusters) and swaps are both drawn
    anew; where a kind has one swap only, the interval speaks of that swap, over texts (diagnostics: ``over``).

    Cost: two passes over each text for each swap that it has words of.

    Source: Garg et al., arXiv:1809.10610, whose counterfactual token fairness is of a classifier's score.
    """

    name = "counterfactual_swaps"
    quantities = (SWAP_LOSS, SWAP_DISTANCE, SWAP_EXCESS)
    materials = ("swaps", "swap_texts")

    def inapplicable(self, deployment: Deployment) -> str:
        """See `Evaluation.inapplicable`: a world brings its own talk."""
        lacking = "" if deployment.world is not None else super().inapplicable(deployment)
        return lacking or no_language_model(deployment)

    def rows(self, deployment: Deployment, rng: Rng) -> list[Rows]:
        """See `Comparable.rows`."""
        if deployment.has("swaps") or deployment.world is None:
            swaps = read_swaps(deployment.material("swaps"))
            texts = read_swap_texts(deployment.material("swap_texts"))
        else:
            swaps, texts = of_world(deployment.world, rng.child("talk"))
        asked = swapped(swaps, texts)
        tokens = aligned(deployment.subject, [(one.first, one.second) for one in asked])
        kept = [(one, pair) for one, pair in zip(asked, tokens, strict=True) if pair is not None and pair.after]
        with deployment.defence.on() as subject:
            loss, distance = changes(subject, [pair for _, pair in kept])
        which = [one for one, _ in kept]
        unreadable = len(asked) - len(kept)
        kinds = np.array([one.swap.kind for one in which], dtype=object)
        found: list[Rows] = []
        for kind in dict.fromkeys(swap.kind for swap in swaps):
            inside = kinds == kind
            found.append(self._reading(SWAP_LOSS, kind, which, loss, inside, unreadable))
            found.append(self._reading(SWAP_DISTANCE, kind, which, distance, inside, unreadable))
            if kind != NEUTRAL and (kinds == NEUTRAL).any() and inside.any():
                both = inside | (kinds == NEUTRAL)
                p = _relabelled(
                    distance[both], inside[both], [w.swap.name for w, b in zip(which, both, strict=True) if b],
                    rng.child("relabelled", kind).numpy(),
                )  # fmt: skip
                found.append(
                    self._reading(SWAP_EXCESS, kind, which, distance, both, unreadable, inside, {"permutation_p": p})
                )
        return found

    def _reading(
        self,
        quantity: Quantity,
        kind: str,
        which: Sequence[Swapped],
        values: Array,
        chosen: NDArray[np.bool_],
        unreadable: int,
        positive: NDArray[np.bool_] | None = None,
        diagnostics: dict[str, float] | None = None,
    ) -> Rows:
        here = [one for one, keep in zip(which, chosen, strict=True) if keep]
        sides = None if positive is None else np.where(positive[chosen], 1, -1).astype(np.int64)
        names = tuple(one.swap.name for one in here)
        signs = np.ones(len(here), dtype=np.int64) if sides is None else sides
        each = [len({n for n, s in zip(names, signs, strict=True) if s == sign}) for sign in set(signs.tolist())]
        ways = [tuple(one.cluster for one in here)]
        if min(each, default=0) > 1:
            ways.append(names)
        bounds = {SWAP_LOSS.name: (-np.inf, np.inf)}.get(quantity.name, (0.0, 1.0))
        return Rows(
            quantity=quantity,
            labels={"kind": kind},
            keys=tuple(f"{one.swap.name}\x1f{one.text}" for one in here),
            values=values[chosen],
            sides=sides,
            clusterings=tuple(ways),
            within=bounds,
            estimator=self.name,
            diagnostics={
                "texts": len({one.text for one in here}),
                "swaps": len(set(names)),
                "unreadable": unreadable,
                "over": "texts and swaps" if len(ways) > 1 else "texts",
                **(diagnostics or {}),
            },
        )


def _relabelled(
    values: Array, positive: NDArray[np.bool_], swaps: Sequence[str], generator: np.random.Generator
) -> float:
    """p-value of a larger mean on the positive side, among relabellings of whole swaps."""
    names = sorted(set(swaps))
    place = np.array([names.index(s) for s in swaps])
    sums, counts = np.bincount(place, weights=values), np.bincount(place).astype(np.float64)
    own = np.zeros(len(names), dtype=np.bool_)
    own[place[positive]] = True

    labels = np.concatenate([own[None], generator.permuted(np.tile(own, (_DRAWS, 1)), axis=1)]).astype(np.float64)
    inside = (labels @ sums) / (labels @ counts)
    outside = ((1 - labels) @ sums) / ((1 - labels) @ counts)
    excess = inside - outside
    return float((excess >= excess[0] - 1e-12).mean())
