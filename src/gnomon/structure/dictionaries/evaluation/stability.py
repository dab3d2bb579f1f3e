"""Which latents are found again in a dictionary trained alike on another seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.special import betaincc
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.groups import over_repeats
from gnomon.structure.dictionaries.evaluation.quantities import STABILITY

AGAIN = 0.7
_ROTATIONS = 5
_CELLS = 2**24  # cosines at once
_ESTIMATOR = "dictionary_stability"


def found_again(directions: Tensor, others: Tensor, *, cosine: float = AGAIN) -> NDArray[np.bool_]:
    r"""Which rows of ``directions``, ``(m, d)``, have a partner of their own in ``others``, ``(m', d)``.

    Partners are pairs with a cosine above ``cosine``, and as many rows as possible are given one (a maximum matching
    of that graph). Where several rows vie for one partner, which of them gets it is not decided by their cosines;
    their number is.

    Source: Hopcroft & Karp, SIAM J. Computing 2 (1973) 225. Raises GnomonError when the widths differ. Cost:
    :math:`m m' d` operations; memory: the pairs above ``cosine``.
    """
    if directions.shape[1] != others.shape[1]:
        raise GnomonError(
            f"directions of width {directions.shape[1]} and {others.shape[1]} cannot be compared",
            mend="give dictionaries of one site",
        )
    ours, theirs = _unit(directions), _unit(others).to(directions.device)
    step = max(1, _CELLS // len(theirs))
    rows, columns = [], []
    for start in range(0, len(ours), step):
        near = torch.nonzero(ours[start : start + step] @ theirs.T > cosine).cpu().numpy()
        rows.append(near[:, 0] + start)
        columns.append(near[:, 1])
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = csr_array((np.ones(len(row), dtype=np.int8), (row, column)), shape=(len(ours), len(theirs)))
    partners = maximum_bipartite_matching(graph, perm_type="column")
    return np.asarray(partners >= 0)


def stability(
    dictionary: Dictionary, others: Sequence[Dictionary], rng: Rng, *, level: float = 0.95, cosine: float = AGAIN
) -> list[Measurement]:
    """Share of latents found again in each of ``others``, and its null.

    The share is the mean over the others, with a Student interval over their seeds where there are several. In the
    null, the first of the others is turned by random rotations, which keep all its cosines within itself.

    Raises GnomonError when there are no others, or they have another width.
    """
    if not others:
        raise GnomonError("stability needs another dictionary", mend="train one on another seed")
    directions = dictionary.decoder.detach()
    first = others[0].decoder.detach()
    shares = [float(found_again(directions, one.decoder.detach(), cosine=cosine).mean()) for one in others]
    turned = [
        float(found_again(directions, first @ _rotation(first, rng.child("rotation", draw)), cosine=cosine).mean())
        for draw in range(_ROTATIONS)
    ]
    # no more pairs than this are above the cosine on average, whatever the dictionaries
    most = min(1.0, len(first) * _tail(cosine, first.shape[1]))
    by_chance = over_repeats(turned, covers="probe", level=level, lowest=0.0, highest=1.0)
    if by_chance.kind == "unknown":
        by_chance = Uncertainty.interval(0.0, max(most, *turned), level=level, covers={"probe"})
    return [
        _mean(
            shares,
            over_repeats(shares, covers="seed", level=level, lowest=0.0, highest=1.0),
            {"other": "another seed"},
            cosine,
        ),
        _mean(turned, by_chance, {"other": "turned"}, cosine),
    ]


def _mean(shares: list[float], uncertainty: Uncertainty, labels: dict[str, str], cosine: float) -> Measurement:
    return Measurement.ok(
        STABILITY,
        float(np.mean(shares)),
        uncertainty,
        labels={**labels, "cosine": f"{cosine:g}"},
        estimator=_ESTIMATOR,
        diagnostics={"shares": shares},
    )


def _tail(cosine: float, width: int) -> float:
    """The probability that a random direction has a larger cosine with a given one."""
    half = (width - 1) / 2
    return float(betaincc(half, half, (1 + cosine) / 2))


def _rotation(like: Tensor, rng: Rng) -> Tensor:
    """A matrix drawn from Haar's measure; Mezzadri, Notices AMS 54 (2007) 592."""
    width = like.shape[1]
    q, r = torch.linalg.qr(torch.randn(width, width, dtype=torch.float64, generator=rng.torch()))
    rotation: Tensor = (q * r.diagonal().sign()).to(like)
    return rotation


def _unit(rows: Tensor) -> Tensor:
    rows = rows.detach().float()
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return unit
