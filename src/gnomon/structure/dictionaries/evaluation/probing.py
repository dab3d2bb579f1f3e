"""How well a few latents tell a concept, beside the whole vector and beside random latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.evaluation.quantities import PROBE_AUROC
from gnomon.structure.directions.cross_validation import cross_validated

LATENTS = (1, 5)
_ESTIMATOR = "dictionary_probing"

Columns = Callable[[Tensor], Tensor]  # of all examples, as chosen on those of a mask


def sparse_probing(
    concept: CodedConcept, name: str, rng: Rng, *, latents: Sequence[int] = LATENTS, level: float = 0.95
) -> list[Measurement]:
    """Areas under the ROC curve of held-out examples: of the best k latents, of k random ones, of the whole vector.

    Latents are chosen, and all read-outs fitted, on the other folds; random latents are drawn afresh for each fit, from
    those that are active on them. Only pairs within a fold are compared. Read-outs without each two folds tell how much
    the folds depend on each other (`cross_validated`).

    Source: Gurnee et al., arXiv:2305.01610. Cost: 15 logistic regressions of the vectors for 5 folds, and small ones.
    """

    def dense(train: Tensor) -> Tensor:
        del train
        return concept.examples.inputs

    found = [_area(concept, dense, {"probe": "dense", "latents": "all"}, name, level)]
    for k in latents:
        for probe, chosen in (("latents", _best(concept, k)), ("random", _random(concept, k, rng))):
            found.append(_area(concept, chosen, {"probe": probe, "latents": str(k)}, name, level))
    return found


def _best(concept: CodedConcept, k: int) -> Columns:
    return lambda train: concept.columns(concept.ranked(train)[:k])


def _random(concept: CodedConcept, k: int, rng: Rng) -> Columns:
    def columns(train: Tensor) -> Tensor:
        order = concept.ranked(train)
        # which examples are in training names the draw
        generator = rng.child("random latents", k, train.numpy().tobytes().hex()).torch()
        return concept.columns(order[torch.randperm(len(order), generator=generator)[:k]])

    return columns


def _area(concept: CodedConcept, columns: Columns, labels: dict[str, str], name: str, level: float) -> Measurement:
    folds, fold = concept.folds, torch.from_numpy(concept.fold)
    scores = torch.zeros(folds, len(fold), dtype=torch.float64)
    for a in range(folds):
        for b in range(a, folds):
            train = concept.outside(a, b)
            read = concept.read_out(columns(train), train)
            scores[a, fold == b] = read[fold == b]
            scores[b, fold == a] = read[fold == a]
    found = cross_validated(scores.numpy(), concept.examples, concept.fold, level=level)
    return Measurement.ok(
        PROBE_AUROC,
        found.value,
        found.uncertainty,
        labels={"concept": name, **labels},
        estimator=_ESTIMATOR,
        diagnostics={"examples": len(concept.examples), "folds": folds},
    )
