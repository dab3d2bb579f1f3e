"""Absorption: where a feature is present, its own latent is silent, and a more special one carries it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gnomon.measurement import Measurement
from gnomon.structure.dictionaries.codes import Codes
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.evaluation.groups import GROUPS, Array, proportion
from gnomon.structure.dictionaries.evaluation.quantities import ABSORPTION
from gnomon.structure.dictionaries.evaluation.recovery import Matching
from gnomon.structure.dictionaries.evaluation.source import Rows
from gnomon.structure.dictionaries.planted import Planted
from gnomon.structure.dictionaries.planted_firing import Hierarchical
from gnomon.structure.directions.detection import auroc

CARRIED = 0.4  # least part of a feature that one latent carries for the feature to be absorbed by it
ALIGNED = 0.025  # least cosine of its direction with a probe
_MAIN = 0.5  # least cosine of a planted parent with the latent that is called its own
_LEFT = 0.1  # least squared length of what the features below leave of a parent
_SPLIT = 0.03  # a further latent of a concept is a main one where it raises the area by this much
_MOST_MAIN = 10
_ESTIMATOR = "dictionary_absorption"


class PlantedAbsorption:
    r"""Counts of absorption, where parents and children are planted.

    Counted are vectors in which a parent p fires and any feature below it. There latent j carries the part
    :math:`s_y z_j\, d_j \cdot w / \|w\|^2` of the parent, where w is the part of :math:`f_p` that is orthogonal to all
    features below it: all of :math:`a_p` where :math:`d_j` makes it up, and nothing where :math:`d_j` is the direction
    of a child, however near to its parent's. The parent is absorbed where its own latent, the one matched to it, is
    silent and one other latent carries at least 0.4 of :math:`a_p`.

    Parents are left out, and counted, that no latent is matched to at a cosine above 0.5, as they have none that could
    be silent, and those of which the features below leave less than a tenth of the squared length.

    Source: Chanin et al., arXiv:2409.14507, where the truth is not known and a probe stands for the parent.
    """

    def __init__(self, dictionary: Dictionary, planted: Planted, law: Hierarchical, matching: Matching) -> None:
        self._families: list[tuple[int, Tensor, int, Tensor]] = []
        self._left_out = 0
        directions = dictionary.decoder.detach().cpu().double() * float(dictionary.target_scale)
        for parent, below in law.below().items():
            apart = _orthogonal(planted.features[parent], planted.features[below])
            square = float(apart.square().sum())
            main = int(matching.latents[parent])
            if main < 0 or matching.cosines[parent] <= _MAIN or square < _LEFT:
                self._left_out += 1
            else:
                self._families.append((parent, below, main, directions @ apart / square))
        self._hits, self._silent, self._counts = (np.zeros(GROUPS) for _ in range(3))

    def update(self, truth: Tensor, codes: Codes, rows: Rows) -> None:
        """Take in planted codes ``(n, features)`` and the dictionary's."""
        indices, values, truth = codes.indices.cpu(), codes.values.cpu().double(), truth.cpu()
        for parent, below, main, carries in self._families:
            here = torch.nonzero((truth[:, below] > 0).any(dim=1))[:, 0]
            own = indices[here] == main
            silent = (values[here] * own).sum(dim=1) == 0
            carried = (values[here] * carries[indices[here]] * ~own).amax(dim=1)
            absorbed = silent & (carried >= CARRIED * truth[here, parent])
            group = rows.clusters[here.numpy()] % GROUPS
            for sums, hits in ((self._hits, absorbed), (self._silent, silent), (self._counts, torch.ones(len(here)))):
                sums += np.bincount(group, weights=hits.numpy(), minlength=GROUPS)

    def measurement(self, *, level: float) -> Measurement:
        """The share of those vectors in which the parent is absorbed, over all parents."""
        labels = {"concept": "planted parents"}
        if not self._counts.sum():
            reason = "no planted parent has both a latent of its own and a child that fires"
            return Measurement.insufficient(ABSORPTION, reason, labels=labels, estimator=_ESTIMATOR)
        total = int(self._counts.sum())
        diagnostics = {
            "silent": float(self._silent.sum()) / total,
            "vectors": total,
            "parents": len(self._families),
            "parents_left_out": self._left_out,
        }
        return _share(self._hits, self._counts, total, labels, diagnostics, level)


def concept_absorption(concept: CodedConcept, name: str, *, level: float) -> Measurement:
    r"""Absorption of a concept, with a probe in the place of the truth.

    For each fold, on the others: the probe w is a logistic regression of the vectors; the main latents are those with
    the largest difference of class means, one more as long as it raises the area under the ROC curve of their
    read-out by more than 0.03. Held-out positive examples on the right side of the middle of the class means count;
    the concept is absorbed in one where all main latents are silent and one other latent, of cosine at least 0.025
    with w, has :math:`s z_j\, d_j \cdot w \geq 0.4\, (x - \mu) \cdot w`, μ the middle.

    It is ``insufficient`` for a transcoder, whose directions are not those of its inputs, and where no positive
    example is classified rightly.

    Sources: Chanin et al., arXiv:2409.14507 (silent main latents, a probe, the cosine, the rise for a further main
    latent, there of F1); Karvonen et al., arXiv:2503.09532 (the share of the projection).
    """
    labels = {"concept": name}
    dictionary, examples = concept.dictionary, concept.examples
    if dictionary.transcodes:
        reason = "a transcoder's directions are not those of the vectors that the concept is read in"
        return Measurement.insufficient(ABSORPTION, reason, labels=labels, estimator=_ESTIMATOR)
    positive = examples.labels > 0
    directions = dictionary.decoder.detach().cpu().double()
    hits, counts = np.zeros(GROUPS), np.zeros(GROUPS)
    group = np.unique(examples.groups, return_inverse=True)[1] % GROUPS
    mains = []
    for fold in range(concept.folds):
        train = concept.outside(fold)
        probe = concept.weight(examples.inputs, train)
        if not float(probe.norm()) > 0:
            continue
        probe = probe / probe.norm()
        projections = examples.inputs @ probe
        middle = (projections[train & positive].mean() + projections[train & ~positive].mean()) / 2
        main = _main_latents(concept, train)
        mains.append(len(main))
        held = torch.nonzero(~train & positive & (projections > middle))[:, 0]
        cosines = directions @ probe
        carried, silent = _carried(concept.codes(held), cosines, main)
        absorbed = silent & (float(dictionary.target_scale) * carried >= CARRIED * (projections[held] - middle))
        hits += np.bincount(group[held.numpy()], weights=absorbed.numpy(), minlength=GROUPS)
        counts += np.bincount(group[held.numpy()], minlength=GROUPS)
    if not counts.sum():
        reason = "the probe finds none of the held-out examples of the concept"
        return Measurement.insufficient(ABSORPTION, reason, labels=labels, estimator=_ESTIMATOR)
    diagnostics = {"examples": int(counts.sum()), "main_latents": float(np.mean(mains)), "folds": concept.folds}
    clusters = len(np.unique(examples.groups[positive.numpy()]))
    return _share(hits, counts, clusters, labels, diagnostics, level)


def _main_latents(concept: CodedConcept, train: Tensor) -> Tensor:
    """The latents of the concept; how many is decided on the training folds."""
    order = concept.ranked(train)[:_MOST_MAIN]
    labels = concept.examples.labels[train].numpy()
    best = 0.5
    for count in range(1, len(order) + 1):
        scores = concept.read_out(concept.columns(order[:count]), train)
        area = auroc(scores[train].numpy(), labels).value
        if count > 1 and area - best <= _SPLIT:
            return order[: count - 1]
        best = area
    return order


def _carried(codes: Codes, cosines: Tensor, main: Tensor) -> tuple[Tensor, Tensor]:
    """What the strongest latent that is no main one carries along the probe, and whether all main ones are silent."""
    indices, values = codes.indices.cpu(), codes.values.cpu().double()
    own = torch.isin(indices, main)
    silent = (values * own).sum(dim=1) == 0
    others = ~own & (cosines[indices] >= ALIGNED)
    return (values * cosines[indices] * others).amax(dim=1), silent


def _orthogonal(direction: Tensor, others: Tensor) -> Tensor:
    """What is left of ``direction``, ``(d,)``, without its projection on the span of the rows of ``others``."""
    fitted: Tensor = torch.linalg.lstsq(others.T, direction[:, None], driver="gelsd").solution[:, 0]
    left: Tensor = direction - fitted @ others
    return left


def _share(
    hits: Array, counts: Array, clusters: int, labels: dict[str, str], diagnostics: dict[str, float], level: float
) -> Measurement:
    value, uncertainty = proportion(hits, counts, clusters=clusters, level=level)
    return Measurement.ok(ABSORPTION, value, uncertainty, labels=labels, estimator=_ESTIMATOR, diagnostics=diagnostics)
