"""A concept and a dictionary: which latents carry it, which tell it, and what the network loses without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.errors import GnomonError, InsufficientEvidenceError
from gnomon.measurement import Measurement, Quantity, Uncertainty, catalogue
from gnomon.randomness import Rng
from gnomon.structure.concepts.activations import read_vectors
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.positions import Cut, Position, located
from gnomon.structure.dictionaries.ablation import Place, Projection, ablate, matched
from gnomon.structure.dictionaries.effects import effects
from gnomon.structure.dictionaries.linking import (
    Carriers,
    Detector,
    Estimates,
    Recovered,
    alignment,
    carriers,
    detectors,
    null_directions,
    recovered,
    shares,
)
from gnomon.structure.directions.method import Method
from gnomon.structure.examples import Examples
from gnomon.subjects import NextToken, Subject
from gnomon.subjects.accumulate import Progress

_NULL = 199
_CARRIERS = 8
_DETECTION = "latent_detection"
_SOURCE = "Bruckstein, Elad & Zibulevsky, IEEE Trans. Inf. Theory 54 (2008) 4813"

SHARE = catalogue.add(
    Quantity(
        name="direction_share_of_latents",
        symbol=r"s_j",
        definition=r"s_j = 1 - \min_{w \ge 0} \|v - \sum_{i \le j} w_i d_i\|^2 / \|v\|^2",
        convention="v is the concept's direction as it was found, at the site that the dictionary writes to. Latents "
        "are taken by non-negative orthogonal matching pursuit; the label `latents` is j. The p-value (diagnostics) "
        "is the share of random directions, drawn as the noise of the difference of the class means is, that are "
        "explained as well, and halves the cosine of the directions found in two halves of the examples.",
        source=_SOURCE,
        dims=("site", "concept", "latents"),
        lowest=0.0,
        highest=1.0,
    )
)
AUROC = catalogue.add(
    Quantity(
        name="latent_auroc",
        symbol=r"\mathrm{AUC}",
        definition=r"\mathrm{AUC} = \Pr[z_+ > z_-] + \tfrac{1}{2} \Pr[z_+ = z_-]",
        convention="Of the activation of the one latent, at the concept's position. The latent was chosen on the other "
        "half of the clusters.",
        source="DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837",
        dims=("site", "concept", "latent"),
        lowest=0.0,
        highest=1.0,
    )
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConceptLink:
    """What a concept and the latents of a dictionary have to do with each other.

    Parameters
    ----------
    concept : its name.
    found : its direction at the site that the dictionary writes to.
    carriers : the latents that the direction is made of.
    shares : what they explain of it, with intervals.
    alignment : cosines with all latents.
    detectors : the latents that tell it best.
    ablated : the carriers that were taken out of the forward pass.
    measurements : shares, areas and effects.
    """

    concept: str
    found: Recovered
    carriers: Carriers
    shares: Estimates
    alignment: Estimates
    detectors: list[Detector]
    ablated: list[int]
    measurements: list[Measurement]


def link(
    subject: Subject,
    place: Place,
    concept: Concept,
    *,
    method: Method,
    position: Position,
    rates: NDArray[np.float64],
    later: str | None = None,
    most: int = 4,
    draws: int = 20,
    overlong: Cut = "error",
    level: float = 0.95,
    rng: Rng,
    progress: Progress | None = None,
) -> ConceptLink:
    """Read the concept's examples, find its direction, and ask the dictionary about it, and the network.

    Parameters
    ----------
    method : finds the direction.
    position : where in each text, see `gnomon.structure.concepts.positions.located`.
    rates : ``(m,)`` how often each latent fires, for random latents that fire as often.
    later : a site after the dictionary's, at which what is left of the concept is read; by default none.
    most : how many carriers are taken out, those that fire on the data; at most half of all that fire.
    draws : sets of random latents beside them.

    Raises
    ------
    GnomonError : when the concept is graded, or as `located`, `read_vectors` and the method do.

    Cost: a forward pass over the concept's texts to read them, and ``draws + 2`` for the ablations.
    """
    if concept.kind == "graded":
        raise GnomonError(f"concept {concept.name!r} is graded", mend="give texts with and without it")
    sites = [place.site, place.target, *([later] if later is not None else [])]
    data, intervals = located(subject, concept, position, overlong=overlong)
    vectors = read_vectors(subject, data, sites, intervals, rng=rng)

    def examples(site: str) -> Examples:
        return Examples(
            inputs=vectors[site].values,
            labels=torch.from_numpy(concept.labels),
            kind=concept.kind,
            clusters=concept.clusters,
        )

    def find(part: Examples) -> Tensor:
        return method.subspace(part, rank=1, rng=rng.child("method")).direction

    written = examples(place.target)
    direction = recovered(written, find, rng=rng)
    null = null_directions(written, _NULL, rng.child("null"))
    carrying = carriers(direction.direction, place.dictionary, null=null, most=_CARRIERS)
    explained = shares(direction, place.dictionary, carrying.latents, level=level)
    measured = _shares(concept.name, place, direction, carrying, explained)
    telling: list[Detector] = []
    try:
        telling = detectors(place.dictionary, examples(place.site), rng=rng, level=level)
    except InsufficientEvidenceError as error:
        labels = {"concept": concept.name}
        short = Measurement.insufficient(AUROC, str(error), site=place.site, labels=labels, estimator=_DETECTION)
        measured.append(short)
    measured += [_auroc(concept.name, place, one) for one in telling]
    scored = isinstance(subject.loss, NextToken)  # the concept's texts hold no other targets
    most = min(most, int((rates > 0).sum()) // 2)  # as many others are needed beside them
    removed = [int(j) for j in carrying.latents if rates[j] > 0][:most]
    if removed and (scored or later is not None):
        sets = {"chosen": removed} | {
            f"random {i}": one for i, one in enumerate(matched(rates, removed, draws, rng.child("random")))
        }
        watched = {}
        if later is not None:
            downstream = method.subspace(examples(later), rank=1, rng=rng.child("method")).direction
            watched[later] = Projection(later, downstream, intervals)
        found = ablate(subject, data, place, sets, watched=watched, scored=scored, progress=progress)
        measured += effects(
            found,
            "chosen",
            [name for name in sets if name != "chosen"],
            likelihood=scored,
            contrasts=dict.fromkeys(watched, concept.labels),
            site=place.target,
            concept=concept.name,
            level=level,
        )
    return ConceptLink(
        concept=concept.name,
        found=direction,
        carriers=carrying,
        shares=explained,
        alignment=alignment(direction, place.dictionary, level=level),
        detectors=telling,
        ablated=removed,
        measurements=measured,
    )


def _shares(
    concept: str, place: Place, found: Recovered, carrying: Carriers, explained: Estimates
) -> list[Measurement]:
    measured = []
    for j, latent in enumerate(carrying.latents):
        low, value, high = (float(x[j]) for x in (explained.low, explained.value, explained.high))
        measured.append(
            Measurement.ok(
                SHARE,
                value,
                Uncertainty.interval(low, high, covers={"data"}, level=explained.level),
                site=place.target,
                labels={"concept": concept, "latents": str(j + 1)},
                estimator="matching_pursuit",
                diagnostics={
                    "latent": int(latent),
                    "halves": found.halves,
                    "random": float(carrying.null[:, j].mean()),
                    "p_value": float(carrying.p_values[j]),
                },
            )
        )
    return measured


def _auroc(concept: str, place: Place, one: Detector) -> Measurement:
    return Measurement.ok(
        AUROC,
        one.auroc.value,
        one.auroc.uncertainty,
        site=place.site,
        labels={"concept": concept, "latent": str(one.latent)},
        estimator=_DETECTION,
    )
