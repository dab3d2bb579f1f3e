"""All that is measured of a dictionary, in as few passes as it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gnomon.errors import InsufficientEvidenceError
from gnomon.measurement import Measurement
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.dictionary import Dictionary
from gnomon.structure.dictionaries.evaluation.absorption import PlantedAbsorption, concept_absorption
from gnomon.structure.dictionaries.evaluation.coded_concept import CodedConcept
from gnomon.structure.dictionaries.evaluation.probing import sparse_probing
from gnomon.structure.dictionaries.evaluation.quantities import PROBE_AUROC
from gnomon.structure.dictionaries.evaluation.reconstruction import Reconstruction
from gnomon.structure.dictionaries.evaluation.recovery import FiringCounts, match, matched, null_matched_cosines
from gnomon.structure.dictionaries.evaluation.source import PlantedSource, SiteSource, Source
from gnomon.structure.dictionaries.evaluation.splicing import spliced_losses
from gnomon.structure.dictionaries.evaluation.stability import stability
from gnomon.structure.dictionaries.planted_firing import Hierarchical
from gnomon.structure.examples import Examples
from gnomon.subjects.accumulate import Progress


def evaluate(
    dictionary: Dictionary,
    source: Source,
    *,
    others: Sequence[Dictionary] = (),
    concepts: Mapping[str, Examples] | None = None,
    rng: Rng,
    level: float = 0.95,
    progress: Progress | None = None,
) -> list[Measurement]:
    """Everything that can be measured of ``dictionary`` with what is given.

    Always: explained variance, L0, dead latents and densities on the rows of ``source``. From a site of a subject with
    a loss, the loss recovered. With planted features, their recovery, and absorption where they are in a hierarchy.

    Parameters
    ----------
    dictionary : in evaluation, as `Dictionary.encode` and `Dictionary.decode` are.
    source : `ArraySource`, `SiteSource` or `PlantedSource`.
    others : dictionaries trained alike on other seeds: stability, and intervals over seeds for planted features.
    concepts : by name, examples at the dictionary's input site: sparse probing and absorption.
    rng : draws folds, random latents and nulls.
    level : of all intervals.
    progress : called with examples done and to do, in every pass over a network.

    Returns
    -------
    Measurements without provenance, which whoever runs it adds (`Measurement.recorded`).

    Raises
    ------
    GnomonError : when widths do not match, or as the sources say.

    Cost: one pass over the rows, or five forward passes for a subject with a loss; see the parts.
    """
    if isinstance(source, PlantedSource):
        found = _planted(dictionary, source, others, rng.child("planted"), level)
    else:
        seen = Reconstruction(dictionary)
        for rows in source.blocks():
            seen.update(rows)
        found = seen.measurements(site=source.site, level=level)
        if isinstance(source, SiteSource) and source.subject.loss is not None:
            losses = spliced_losses(dictionary, source, seen.mean, rng.child("spliced"), progress=progress)
            found += losses.measurements(site=source.target_site, level=level)
    if others:
        found += stability(dictionary, others, rng.child("stability"), level=level)
    for name, examples in (concepts or {}).items():
        found += _probed(dictionary, name, examples, rng.child("concept", name), level)
    return found


def _planted(
    dictionary: Dictionary, source: PlantedSource, others: Sequence[Dictionary], rng: Rng, level: float
) -> list[Measurement]:
    planted = source.planted
    every = (dictionary, *others)
    matchings = [match(one.decoder.detach(), planted.features) for one in every]
    seen = [Reconstruction(one) for one in every]
    firing = FiringCounts(matchings[0], dictionary.latents)
    absorption = None
    if isinstance(planted.firing, Hierarchical):
        absorption = PlantedAbsorption(dictionary, planted, planted.firing, matchings[0])
    for truth, rows in source.coded():
        codes = seen[0].update(rows)
        firing.update(truth, codes, rows.clusters)
        if absorption is not None:
            absorption.update(truth, codes, rows)
        for other in seen[1:]:
            other.update(rows)
    null = null_matched_cosines(planted.features, dictionary.latents, rng)
    found = seen[0].measurements(site=None, level=level)
    found += matched(matchings, [int((one.firing > 0).sum()) for one in seen], null, level=level)
    found += firing.measurements(level=level)
    return found if absorption is None else [*found, absorption.measurement(level=level)]


def _probed(dictionary: Dictionary, name: str, examples: Examples, rng: Rng, level: float) -> list[Measurement]:
    try:
        concept = CodedConcept(dictionary, examples, rng)
    except InsufficientEvidenceError as error:
        return [Measurement.insufficient(PROBE_AUROC, str(error), labels={"concept": name})]
    return [*sparse_probing(concept, name, rng, level=level), concept_absorption(concept, name, level=level)]
