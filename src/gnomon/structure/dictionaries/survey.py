"""Everything that is worth knowing of each latent, in one pass over the data and a little more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.ablation import Place
from gnomon.structure.dictionaries.attribution import Attribution, AttributionAccumulator
from gnomon.structure.dictionaries.contexts import Activity, ActivityAccumulator, LatentActivity
from gnomon.structure.dictionaries.logit_effect import LogitEffect, logit_effect
from gnomon.structure.dictionaries.neighbours import Neighbours, neighbours
from gnomon.subjects import Data, Statistic, Subject, accumulate
from gnomon.subjects.accumulate import Progress

_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Extremes:
    """For each latent the tokens whose logits it raises and lowers most, ``(m, count)``, the furthest first."""

    raised: NDArray[np.int64]
    raised_by: NDArray[np.float32]
    lowered: NDArray[np.int64]
    lowered_by: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What was found of each of m latents.

    Parameters
    ----------
    activity : where, how often and how strongly each fires.
    effect : ``(m,)`` first-order change of the summed loss on removing it, for each position where it is active; NaN
        where it never is; ``None`` where the network has no loss.
    logits : direct effects on the logits; ``None`` with the reason in ``no_logits``.
    latents : its nearest others.
    """

    activity: Activity
    effect: NDArray[np.float64] | None
    logits: Extremes | None
    no_logits: str
    latents: Neighbours


def survey(
    subject: Subject,
    data: Data,
    place: Place,
    *,
    top: int = 12,
    rng: Rng,
    progress: Progress | None = None,
) -> Survey:
    """Survey the latents of a dictionary on ``data``.

    Parameters
    ----------
    top : how many contexts of greatest activation are kept, of different texts.

    Raises
    ------
    GnomonError : when the data is a single text, or sites and widths do not match.

    Cost: one forward pass, and one backward pass where the network has a loss; :math:`2 m (m + V) e` operations for
    neighbours and logits of V tokens.
    """
    dictionary = place.dictionary
    activity = LatentActivity(dictionary, place.site, top=top)
    effect = None if subject.loss is None else Attribution(dictionary, place.site, place.target, subject.loss)
    wanted: list[Statistic] = [activity] if effect is None else [activity, effect]
    found, _ = accumulate(subject, data, wanted, rng, progress=progress)
    seen = found[activity]
    assert isinstance(seen, ActivityAccumulator)  # made by the statistic
    moved = None
    if effect is not None:
        attributed = found[effect]
        assert isinstance(attributed, AttributionAccumulator)  # likewise
        moved = attributed.effect
    logits, reason = None, ""
    try:
        logits = _extremes(logit_effect(subject, data, dictionary, rng=rng.child("logits")), dictionary.latents)
    except GnomonError as error:
        reason = error.cause
    return Survey(
        activity=seen.finish(),
        effect=moved,
        logits=logits,
        no_logits=reason,
        latents=neighbours(dictionary.decoder, count=5),
    )


def _extremes(effect: LogitEffect, latents: int, count: int = 10) -> Extremes:
    count = min(count, len(effect.head))
    parts: list[list[NDArray[np.generic]]] = [[], [], [], []]
    for start in range(0, latents, _ROWS):
        logits = effect.of(torch.arange(start, min(start + _ROWS, latents), device=effect.head.device))
        for place, largest in ((0, True), (2, False)):
            values, index = logits.topk(count, dim=1, largest=largest)
            parts[place].append(index.cpu().numpy())
            parts[place + 1].append(values.detach().cpu().numpy())
    raised, raised_by, lowered, lowered_by = (np.concatenate(part) for part in parts)
    return Extremes(raised=raised, raised_by=raised_by, lowered=lowered, lowered_by=lowered_by)
