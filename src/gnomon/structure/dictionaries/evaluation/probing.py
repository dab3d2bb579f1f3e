"""How well a few latents tell a concept, beside the whole vector and beside random latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.evaluation.quantities import PROBE_AUROC
from gnomon.structure.directions.detection import auroc

LATENTS = (1, 5)
_ESTIMATOR = "dictionary_probing"


def sparse_probing(
    concept: CodedConcept, name: str, rng: Rng, *, latents: Sequence[int] = LATENTS, level: float = 0.95
) -> list[Measurement]:
    """Areas under the ROC curve of held-out examples: of the best k latents, of k random ones, of the whole vector.

    Latents are chosen, and all read-outs fitted, on the other folds. Random latents are drawn afresh for every fold
    from those that are active on them. Only pairs within a fold are compared.

    Source: Gurnee et al., arXiv:2305.01610. Cost: a logistic regression of the vectors for every fold, and small ones.
    """
    orders = [concept.ranked(fold) for fold in range(concept.folds)]

    def random(k: int, fold: int) -> Tensor:
        order = orders[fold]
        generator = rng.child("random latents", k, fold).torch()
        return order[torch.randperm(len(order), generator=generator)[:k]]

    def best(k: int, fold: int) -> Tensor:
        return orders[fold][:k]

    found = [_area(concept, lambda _: concept.examples.inputs, {"probe": "dense", "latents": "all"}, name, level)]
    for k in latents:
        for probe, chosen in (("latents", best), ("random", random)):
            labels = {"probe": probe, "latents": str(k)}
            found.append(_area(concept, _columns(concept, chosen, k), labels, name, level))
    return found


def _columns(concept: CodedConcept, chosen: Callable[[int, int], Tensor], k: int) -> Callable[[int], Tensor]:
    return lambda fold: concept.columns(chosen(k, fold))


def _area(
    concept: CodedConcept, columns: Callable[[int], Tensor], labels: dict[str, str], name: str, level: float
) -> Measurement:
    scores = torch.zeros(len(concept.examples), dtype=torch.float64)
    for fold in range(concept.folds):
        held, values = ~concept.outside(fold), columns(fold).cpu()
        scores[held] = values[held] @ concept.read_out(values, fold)
    examples = concept.examples
    found = auroc(
        scores.numpy(), examples.labels.cpu().numpy(), clusters=examples.groups, strata=concept.fold, level=level
    )
    return Measurement.ok(
        PROBE_AUROC,
        found.value,
        found.uncertainty,
        labels={"concept": name, **labels},
        estimator=_ESTIMATOR,
        diagnostics={"examples": len(examples), "folds": concept.folds},
    )
