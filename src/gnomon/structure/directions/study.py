"""A concept in a subject: read once, checked, analysed, with the words of its texts beside."""

from __future__ import annotations

import fnmatch
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.measuring import hardware
from gnomon.measurement import Cost, Measurement
from gnomon.measurement.provenance import hash_json, record
from gnomon.randomness import Rng
from gnomon.structure.concepts.activations import read_examples
from gnomon.structure.concepts.checks import check_texts, check_vectors
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern
from gnomon.structure.concepts.outputs import network_output
from gnomon.structure.concepts.positions import Cut, Position
from gnomon.structure.concepts.quantities import SURFACE_AUROC
from gnomon.structure.concepts.surface import fit, positive_labels
from gnomon.structure.directions.analysis import Progress, analyse
from gnomon.structure.directions.at_site import Settings
from gnomon.structure.directions.detection import auroc
from gnomon.structure.directions.method import Method
from gnomon.structure.directions.result import Directions
from gnomon.structure.examples import Examples
from gnomon.subjects.accumulate import DEFAULT_BYTES
from gnomon.subjects.losses import NextToken
from gnomon.subjects.subject import Subject


def study(
    subject: Subject,
    concept: Concept,
    methods: Sequence[Method],
    *,
    sites: Sequence[str] = (),
    position: Position | None = None,
    test: Concept | None = None,
    output: str | None = None,
    overlong: Cut = "error",
    settings: Settings | None = None,
    seed: int = 0,
    max_bytes: int = DEFAULT_BYTES,
    concern: Callable[[Concern], None] | None = None,
    progress: Progress | None = None,
) -> Directions:
    """The directions of ``concept`` in ``subject``, with provenance, and the words of its texts as a baseline.

    Parameters
    ----------
    sites : names or patterns; by default every site.
    position : by default the last token for a causal language model, whose earlier tokens know nothing of the later,
        and otherwise the mean over tokens.
    test : other texts, on which directions fitted to all of ``concept`` are tried.
    output : of the network, whose gradients are read (for ``network_agop``), see `network_output`.
    concern : called with each warning of the checks before anything is fitted.

    Raises
    ------
    GnomonError : as `read_examples` and `analyse` do; UnknownNameError for an unknown site.

    Cost: one forward pass over the texts, and `analyse`.
    """
    started = time.perf_counter()
    settings = settings or Settings()
    rng = Rng(seed)
    places = matching(subject, sites)
    where: Position = position or ("last" if isinstance(subject.loss, NextToken) else "mean")
    checked = check_texts(concept, rng=rng, test=test, level=settings.level)
    raised = list(checked.concerns)
    _tell(raised, concern)
    scalar = None if output is None else network_output(subject, output)

    def read(texts: Concept, stage: str) -> dict[str, Examples]:
        return read_examples(
            subject,
            texts,
            places,
            where,
            rng=rng,
            gradients=scalar,
            overlong=overlong,
            max_bytes=max_bytes,
            progress=None if progress is None else lambda done, total: progress(stage, done, total),
        )

    examples = read(concept, "reading texts")
    other = None if test is None else read(test, "reading the test")
    vectors = [one for site, here in examples.items() for one in check_vectors(here, site=site)]
    _tell(vectors, concern)
    found = analyse(examples, methods, test=other, settings=settings, rng=rng, progress=progress)
    baseline = [_left_out(m) if m.quantity == SURFACE_AUROC.name else m for m in checked.measurements]
    if test is not None:
        baseline.append(_words(concept, test, rng, settings))
    about = {
        "subject": subject.name,
        "concept": concept.name,
        "source": concept.source,
        "position": where,
        "test": None if test is None else {"concept": test.name, "source": test.source, "examples": len(test)},
        **found.about,
    }
    passes = float(len(concept) + (0 if test is None else len(test)))
    cost = Cost(
        forward_passes=passes,
        backward_passes=passes if scalar is not None else 0.0,
        seconds=time.perf_counter() - started,
    )
    provenance = record(
        spec={"about": about, "methods": _options(methods), "sites": places, "output": output, "seed": seed},
        subject=subject.name,
        weights_hash=subject.weights_hash(),
        data_hash=hash_json([_content(c) for c in (concept, test) if c is not None]),
        seed=seed,
        wall_seconds=cost.seconds,
        flops=0.0,
        hardware=hardware(subject.device),
    )
    complete = replace(
        found,
        about=about,
        measurements=(*baseline, *found.measurements),
        concerns=tuple({**one.to_json(), "text": str(one)} for one in (*raised, *vectors)),
    )
    return complete.recorded(cost, provenance)


def study_arrays(
    examples: Examples,
    methods: Sequence[Method],
    *,
    name: str,
    test: Examples | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    concern: Callable[[Concern], None] | None = None,
    progress: Progress | None = None,
) -> Directions:
    """The same of vectors from anywhere; their one site is called ``inputs``. Raises GnomonError as `analyse` does."""
    started = time.perf_counter()
    raised = check_vectors(examples)
    _tell(raised, concern)
    found = analyse(
        {"inputs": examples},
        methods,
        test=None if test is None else {"inputs": test},
        settings=settings,
        rng=Rng(seed),
        progress=progress,
    )
    about = {"subject": name, "concept": name, **found.about}
    cost = Cost(seconds=time.perf_counter() - started)
    provenance = record(
        spec={"about": about, "methods": _options(methods), "seed": seed},
        subject=name,
        weights_hash="",
        data_hash=hash_json([_digest(e) for e in (examples, test) if e is not None]),
        seed=seed,
        wall_seconds=cost.seconds,
        flops=0.0,
    )
    concerns = tuple({**one.to_json(), "text": str(one)} for one in raised)
    return replace(found, about=about, concerns=concerns).recorded(cost, provenance)


def matching(subject: Subject, patterns: Sequence[str]) -> list[str]:
    """The sites of ``subject`` that match any of ``patterns``, in its order; all without patterns.

    Raises UnknownNameError for a pattern that matches none.
    """
    for pattern in patterns:
        if not fnmatch.filter(subject.sites, pattern):
            raise UnknownNameError("site", pattern, subject.sites)
    return [s for s in subject.sites if not patterns or any(fnmatch.fnmatchcase(s, p) for p in patterns)]


def _tell(concerns: Sequence[Concern], listener: Callable[[Concern], None] | None) -> None:
    if listener is not None:
        for one in concerns:
            listener(one)


def _words(concept: Concept, test: Concept, rng: Rng, settings: Settings) -> Measurement:
    """The bag of words of ``concept`` on ``test``."""
    labels = {"on": "test"}
    try:
        scorer = fit(concept.texts, positive_labels(concept), clusters=concept.clusters, rng=rng.child("words"))
    except GnomonError as error:
        return Measurement.insufficient(SURFACE_AUROC, str(error), labels=labels, estimator="bag_of_words")
    found = auroc(scorer(test.texts), positive_labels(test), clusters=test.clusters, level=settings.level)
    return Measurement.ok(SURFACE_AUROC, found.value, found.uncertainty, labels=labels, estimator="bag_of_words")


def _left_out(measurement: Measurement) -> Measurement:
    return replace(measurement, labels={**measurement.labels, "on": "left out"})


def _options(methods: Sequence[Method]) -> dict[str, dict[str, str]]:
    return {one.name: {k: repr(v) for k, v in sorted(vars(one).items())} for one in methods}


def _content(concept: Concept) -> dict[str, Any]:
    spans: Mapping[str, Any] = {} if concept.spans is None else {"spans": concept.spans.tolist()}
    return {
        "texts": list(concept.texts),
        "labels": concept.labels.tolist(),
        "clusters": concept.clusters.tolist(),
        **spans,
    }


def _digest(examples: Examples) -> str:
    digest = hashlib.sha256()
    for part in (examples.inputs, examples.labels, examples.gradients):
        if part is not None:
            digest.update(np.ascontiguousarray(part.cpu().numpy()).tobytes())
    digest.update(examples.groups.tobytes())
    return digest.hexdigest()
