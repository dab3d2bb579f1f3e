"""Stability: whether other examples, and other seeds, would give the same explanation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gnomon.assurance.explanations.explanation import Explanation
from gnomon.assurance.explanations.quantities import STABILITY
from gnomon.control.edits import latent_direction
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.uncertainty import angle
from gnomon.structure.directions.uncertainty_halves import Halves, halves
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace

_SPLITS = 24
_ESTIMATOR = "explanation"


def stability(
    explanation: Explanation,
    examples: Examples,
    rng: Rng,
    *,
    others: Sequence[Dictionary] = (),
    seeds: int = 5,
    level: float = 0.95,
) -> list[Measurement]:
    r"""`STABILITY` over examples and over seeds.

    Over examples, of directions: with :math:`\theta_1` the angle between the explanation and what its method finds in
    ``examples``, and :math:`[\theta_l, \theta_h]` the interval of the angle between the latter and what endless
    examples would give (`gnomon.structure.directions.uncertainty.angle`), the interval is that of
    :math:`\theta_1 + \theta_h` and :math:`|\theta_1 - \theta_h|` (angles between subspaces obey the triangle
    inequality), and the value is at :math:`\sqrt{\theta_1^2 + \theta^2}`, of errors at right angles. It holds for the
    examples that the explanation was found in, where :math:`\theta_1 = 0`, and for others. Of more than one direction
    the angle is the largest principal one, and halves of the examples give it as they do for one direction.

    Over seeds: the least over ``seeds`` other seeds of the method, or over ``others``, dictionaries trained on other
    seeds, in which each latent has the nearest one for partner. The interval reaches from the least to the largest,
    between which another seed falls with probability (k - 1)/(k + 1). It is exact for a method that draws nothing.

    Parameters
    ----------
    examples : as the method takes them.

    Raises GnomonError for fewer than two seeds. Cost: 48 fits to half of the examples, and ``seeds`` to all.
    """
    if seeds < 2:
        raise GnomonError(f"{seeds} seeds tell no spread", mend="give at least 2")
    common: dict[str, Any] = {"site": explanation.site, "estimator": _ESTIMATOR}
    if explanation.method is None:
        return [_over_dictionaries(explanation, others, common)]
    return [
        _over_examples(explanation, explanation.method, examples, rng.child("examples"), level, common),
        _over_seeds(explanation, explanation.method, examples, rng.child("seeds"), seeds, common),
    ]


def _over_examples(
    explanation: Explanation, method: Method, examples: Examples, rng: Rng, level: float, common: dict[str, Any]
) -> Measurement:
    labels = {"explanation": explanation.name, "over": "examples"}
    rank = explanation.subspace.rank
    try:
        again = method.subspace(examples, rank=rank, rng=rng.child("whole"))
        if rank == 1:
            found = angle(method, examples, rng=rng.child("angle"), level=level)
            ends, halved = (found.cosine, found.low, found.high), found.halves.cosine
        else:
            ends, halved = _of_subspaces(method, examples, rank, rng.child("angle"), level)
    except GnomonError as error:
        return Measurement.insufficient(STABILITY, str(error), labels=labels, **common)
    apart = float(explanation.subspace.angles(again).max())
    middle, far, near = (math.acos(max(-1.0, min(1.0, one))) for one in ends)
    low = math.cos(min(apart + far, math.pi))
    high = math.cos(max(0.0, apart - far, near - apart))
    value = min(max(math.cos(min(math.hypot(apart, middle), math.pi)), low), high)
    return Measurement.ok(
        STABILITY,
        value,
        Uncertainty.interval(low, high, level=level, covers={"data"}),
        labels=labels,
        diagnostics={"again": math.cos(apart), "halves": halved, "examples": len(examples)},
        **common,
    )


def _of_subspaces(
    method: Method, examples: Examples, rank: int, rng: Rng, level: float
) -> tuple[tuple[float, float, float], float]:
    """The cosine of the largest principal angle to the population's subspace and its ends, and that of halves."""
    split = halves(method, examples, rank=rank, splits=_SPLITS, rng=rng)
    worst = split.angles.max(dim=1).values.cos()
    noise = Halves(cosines=worst, angles=split.angles, clusters=split.clusters, dimension=split.dimension).noise
    least, most = noise.interval(level)
    value, high = (math.sqrt(max(0.0, 1 - share)) for share in (noise.share, least))
    return (value, math.sqrt(1 - most) if most < 1 else -high, high), float(worst.mean())


def _over_seeds(
    explanation: Explanation, method: Method, examples: Examples, rng: Rng, seeds: int, common: dict[str, Any]
) -> Measurement:
    labels = {"explanation": explanation.name, "over": "seeds"}
    if not method.draws:
        return Measurement.ok(STABILITY, 1.0, Uncertainty.exact(), labels=labels, **common)
    rank = explanation.subspace.rank
    found = [method.subspace(examples, rank=rank, rng=rng.child(str(seed))) for seed in range(seeds)]
    return _least([_cosine(explanation.subspace, one) for one in found], labels, common)


def _over_dictionaries(explanation: Explanation, others: Sequence[Dictionary], common: dict[str, Any]) -> Measurement:
    labels = {"explanation": explanation.name, "over": "seeds"}
    if len(others) < 2:
        return Measurement.insufficient(
            STABILITY,
            f"{len(others)} dictionaries of other seeds",
            suffices={"dictionaries": 2.0},
            labels=labels,
            **common,
        )
    assert explanation.dictionary is not None  # an explanation without a method is one by latents
    ours = torch.stack([latent_direction(explanation.dictionary, one) for one in explanation.latents])
    return _least([_cosine(explanation.subspace, _partners(ours, one)) for one in others], labels, common)


def _partners(ours: Tensor, other: Dictionary) -> Subspace:
    """The span of the latents nearest to each of ``ours``, ``(r, d)``."""
    theirs = other.decoder.detach().double()
    if theirs.shape[1] != ours.shape[1]:
        raise GnomonError("a dictionary of another seed has another width", mend="give dictionaries of one site")
    cosines = ours @ (theirs / theirs.norm(dim=1, keepdim=True).clamp(min=1e-30)).T
    chosen = list(dict.fromkeys(cosines.argmax(dim=1).tolist()))
    return Subspace.span(theirs[chosen].T, torch.ones(len(chosen)))


def _cosine(ours: Subspace, theirs: Subspace) -> float:
    """Of the largest principal angle; 0 where the other has fewer dimensions, so that some direction is lost."""
    return 0.0 if theirs.rank < ours.rank else float(ours.angles(theirs).max().cos())


def _least(cosines: list[float], labels: dict[str, str], common: dict[str, Any]) -> Measurement:
    count = len(cosines)
    spread = Uncertainty.interval(
        min(cosines), max(cosines), level=(count - 1) / (count + 1), covers={"seed"}, effective_samples=float(count)
    )
    return Measurement.ok(STABILITY, min(cosines), spread, labels=labels, diagnostics={"cosines": cosines}, **common)
