"""Faithfulness and completeness: what goes when an explanation is taken out, and what stays when it alone is kept."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.assurance.explanations.contrasts import Contrasts
from gnomon.assurance.explanations.explanation import Explanation
from gnomon.assurance.explanations.outcome import Outcome
from gnomon.assurance.explanations.quantities import COMPLETENESS, FAITHFULNESS
from gnomon.assurance.explanations.random_subspaces import random_subspaces
from gnomon.control.controller import Controller
from gnomon.errors import GnomonError
from gnomon.measurement import Measurement, Uncertainty
from gnomon.randomness import Rng
from gnomon.structure.examples import Examples
from gnomon.structure.subspace import Subspace
from gnomon.subjects import Subject

Array = NDArray[np.float64]

_UNTOUCHED, _WITHOUT, _KEPT, _NOTHING, _RANDOM = range(5)  # columns of the arms; random ones come last
_ESTIMATOR = "explanation"
_THE_SAME = 1 - 1e-7  # of a cosine, for what was kept in single precision
FEWEST = 8


def effects(
    subject: Subject,
    explanation: Explanation,
    examples: Examples,
    outcome: Outcome,
    rng: Rng,
    *,
    draws: int = 39,
    level: float = 0.95,
) -> list[Measurement]:
    r"""`FAITHFULNESS` of the explanation and of random subspaces (see `random_subspaces`), and `COMPLETENESS`.

    Intervals are of a jackknife over clusters of examples. The diagnostics of the explanation's faithfulness give the
    rank p-value :math:`(1 + \#\{F_k \ge F\}) / (1 + \text{draws})`, exact for an explanation that is one more such
    draw, the share of its variance that random subspaces remove, and whether the explanation was found in these very
    examples (its method finds it in them again). Then the faithfulness is too high: a mean difference taken out of its
    own examples takes all of what a linear network says with it, noise or not.

    Parameters
    ----------
    examples : activations at the explanation's site, with the labels of the same n texts as ``outcome`` reads.
    draws : random subspaces.

    All are `insufficient` where the network's contrast is not told from zero, so that there is nothing to explain, and
    below 8 clusters.

    Raises GnomonError for graded labels, fewer than two draws, and as `random_subspaces` does.

    Cost: ``draws + 4`` forward passes over the texts.
    """
    if examples.kind == "graded" or draws < 2:
        raise GnomonError(f"{examples.kind} labels, {draws} draws", mend="give two classes, and at least 2 draws")
    labels = {"explanation": explanation.name}
    common: dict[str, Any] = {"site": explanation.site, "estimator": _ESTIMATOR}
    groups = len(np.unique(examples.groups))
    others, removed = random_subspaces(examples.inputs, explanation.subspace, draws, rng)
    arms = _arms(explanation, examples, others)
    if groups < FEWEST:
        reason, suffices = f"{groups} clusters of examples", {"clusters": float(FEWEST)}
        return _insufficient(reason, suffices, labels, common)
    untouched = outcome.read(subject)
    columns = [untouched]
    for controller in arms:
        with contextlib.nullcontext() if controller is None else controller.on(subject):
            columns.append(outcome.read(subject))
    contrasts = Contrasts(np.stack(columns, axis=1), examples.labels.cpu().numpy(), examples.groups)
    whole, spread = contrasts.jackknife(lambda c: c[..., _UNTOUCHED], level=level)
    if not float(spread.low or 0.0) > 0:
        reason = (
            f"what the network says does not tell the concept: its contrast is {whole:.3g}"
            f" [{float(spread.low or 0):.3g}, {float(spread.high or 0):.3g}]"
        )
        return _insufficient(reason, {}, labels, common)
    faithful, sure = contrasts.jackknife(lambda c: 1 - c[..., _WITHOUT] / c[..., _UNTOUCHED], level=level)
    drawn = 1 - contrasts.whole[_RANDOM:] / whole
    p_value = (1 + int((drawn >= faithful).sum())) / (1 + draws)
    found = [
        Measurement.ok(
            FAITHFULNESS,
            faithful,
            sure,
            labels={**labels, "arm": "explanation"},
            diagnostics={
                "p_value": p_value,
                "contrast": whole,
                "clusters": contrasts.clusters,
                "own_texts": _found_in(explanation, examples, rng.child("again")),
            },
            **common,
        ),
        Measurement.ok(
            FAITHFULNESS,
            float(drawn.mean()),
            Uncertainty.interval(
                float(drawn.min()), float(drawn.max()), level=(draws - 1) / (draws + 1), covers={"seed"}
            ),
            labels={**labels, "arm": "random"},
            diagnostics={
                "draws": draws,
                "variance": removed,
                "directions": float(np.mean([one.rank for one in others])),
            },
            **common,
        ),
    ]
    return [*found, _complete(contrasts, whole, labels, common, level)]


def _found_in(explanation: Explanation, examples: Examples, rng: Rng) -> bool:
    if explanation.method is None:
        return False
    try:
        again = explanation.method.subspace(examples, rank=explanation.subspace.rank, rng=rng)
    except GnomonError:  # it finds none in them
        return False
    return float(explanation.subspace.angles(again).max().cos()) > _THE_SAME


def _arms(explanation: Explanation, examples: Examples, others: list[Subspace]) -> list[Controller]:
    """In the order of the columns after the first: without it, it alone, nothing, and without each of ``others``."""
    centre = examples.inputs.mean(dim=0)
    basis = explanation.subspace.basis
    width, rank = basis.shape
    whole = torch.linalg.qr(torch.cat([basis, torch.eye(width).to(basis)], dim=1))[0]
    rest, everything = (Subspace(part, torch.ones(part.shape[1])) for part in (whole[:, rank:width], whole[:, :width]))
    return [explanation.without(centre, one) for one in (explanation.subspace, rest, everything, *others)]


def _complete(
    contrasts: Contrasts, whole: float, labels: dict[str, str], common: dict[str, Any], level: float
) -> Measurement:
    """Insufficient where taking all of the site away leaves the contrast as it is."""
    carried, sure = contrasts.jackknife(lambda c: c[..., _UNTOUCHED] - c[..., _NOTHING], level=level)
    if not float(sure.low or 0.0) > 0:
        reason = f"the site carries {carried:.3g} of a contrast of {whole:.3g}, which is not told from nothing"
        return Measurement.insufficient(COMPLETENESS, reason, labels=labels, **common)
    value, interval = contrasts.jackknife(
        lambda c: (c[..., _KEPT] - c[..., _NOTHING]) / (c[..., _UNTOUCHED] - c[..., _NOTHING]), level=level
    )
    diagnostics = {"carried": carried / whole}
    return Measurement.ok(COMPLETENESS, value, interval, labels=labels, diagnostics=diagnostics, **common)


def _insufficient(
    reason: str, suffices: dict[str, float], labels: dict[str, str], common: dict[str, Any]
) -> list[Measurement]:
    return [
        Measurement.insufficient(
            FAITHFULNESS, reason, suffices=suffices, labels={**labels, "arm": "explanation"}, **common
        ),
        Measurement.insufficient(COMPLETENESS, reason, suffices=suffices, labels=labels, **common),
    ]
