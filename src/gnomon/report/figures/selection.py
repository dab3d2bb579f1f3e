"""Which figures a set of readings calls for; decided by the shape of the readings, so that plug-ins get theirs too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gnomon.measurement import Measurement, Quantity
from gnomon.report.content import Examination
from gnomon.report.figures import curves, distribution, elements, heatmap, history
from gnomon.report.figures import depth as over_depth
from gnomon.report.figures.figure import Figure
from gnomon.report.places import depth
from gnomon.report.themes import BESIDE, INTRINSIC_DIMENSIONS, rank, words

_METHODS = {"twonn_dimension": "TwoNN", "mle_dimension": "maximum likelihood", "gride_dimension": "GRIDE"}
_FEWEST_ON_A_CURVE = 3
_FEW_CURVES = 4


def figures(examination: Examination, definitions: Mapping[str, Quantity]) -> list[Figure]:
    """The figures of the examination, in the order of the themes."""
    order = examination.subject.sites
    groups: dict[str, list[Measurement]] = {}
    read = {m.quantity for m in examination.measurements if m.status == "ok"}
    for m in sorted(examination.measurements, key=lambda m: rank(m.quantity)):
        host = BESIDE.get(m.quantity, m.quantity)
        groups.setdefault(host if host in read else m.quantity, []).append(m)
    found = _intrinsic_dimensions([m for q in INTRINSIC_DIMENSIONS for m in groups.get(q, [])], order)
    compared = {q for figure in found for q in figure.quantities}
    for quantity, group in groups.items():
        definition = definitions.get(quantity)
        kinds = _kinds(group)
        for kind, readings in kinds.items():
            title = words(quantity).title + (f" ({', '.join(kind)})" if len(kinds) > 1 else "")
            found += _of_one(readings, order, title, definition, scalars=quantity not in compared)
    return _with_own_keys(found)


def training_figures(examination: Examination) -> list[Figure]:
    """A figure for every quantity observed along training, at two steps or more."""
    groups: dict[str, list[Measurement]] = {}
    for m in examination.history:
        if isinstance(m.value, float) and history.step_of(m) is not None:
            groups.setdefault(m.quantity, []).append(m)
    return _with_own_keys(
        [
            history.along_training(group, title=words(quantity).title, reads=words(quantity).reads)
            for quantity, group in sorted(groups.items(), key=lambda item: _training_rank(item[0]))
            if len({history.step_of(m) for m in group}) > 1
        ]
    )


def _training_rank(quantity: str) -> tuple[bool, tuple[int, str]]:
    return quantity != "accuracy", rank(quantity)


def _kinds(readings: Sequence[Measurement]) -> dict[tuple[str, ...], list[Measurement]]:
    """Readings that belong in one chart: same estimator, same labels but for what runs along the chart's axes."""
    running = {heatmap.PAIR, _numeric_label(readings)}
    if len(readings) <= _FEW_CURVES or not any(isinstance(m.value, np.ndarray) for m in readings):
        running.add(elements.LABEL)
    found: dict[tuple[str, ...], list[Measurement]] = {}
    for m in readings:
        rest = (f"{k} {v}" for k, v in sorted(m.labels.items()) if k not in running)
        found.setdefault((m.estimator, *rest), []).append(m)
    return found


def _of_one(
    readings: Sequence[Measurement], order: Sequence[str], title: str, definition: Quantity | None, *, scalars: bool
) -> list[Figure]:
    reads = words(readings[0].quantity).reads
    spread = [m for m in readings if distribution.is_distribution(m, definition)]
    if spread:
        return [distribution.by_site(spread, order, title=title, reads=reads)]
    spectra = [m for m in readings if isinstance(m.value, np.ndarray) and m.value.ndim == 1 and m.value.size > 1]
    if spectra:
        axis = definition.axes[0] if definition is not None and definition.axes else "component"
        if axis == "irrep":
            return [elements.over_irreps(spectra, order, title=title, reads=reads)]
        return [curves.spectrum(spectra, order, axis=axis, title=title, reads=reads)]
    plain = [m for m in readings if not isinstance(m.value, np.ndarray)]
    if not any(m.status == "ok" for m in plain):
        return []
    paired = [m for m in plain if heatmap.PAIR in m.labels]
    if len(paired) > 1:
        return [heatmap.pairs(paired, order, title=title, reads=reads)]
    label = _numeric_label(plain)
    if label:
        return [curves.over_label(plain, order, label=label, title=title, reads=reads)]
    sited = [m for m in plain if m.site is not None]
    if any(elements.LABEL in m.labels for m in sited):
        along = len(sited) > 1 and all(m.site in order for m in sited)  # weight matrices are for the table
        return [elements.over_sites(sited, order, title=title, reads=reads)] if along else []
    if scalars and len({m.site for m in sited if m.status == "ok"}) >= _FEWEST_ON_A_CURVE:
        return [over_depth.by_site(sited, order, title=title, reads=reads)]
    return []


def _intrinsic_dimensions(readings: Sequence[Measurement], order: Sequence[str]) -> list[Figure]:
    """The methods for the intrinsic dimension in one chart, one chart for every part of a block."""
    plain = [m for m in readings if m.site is not None and not m.labels and not isinstance(m.value, np.ndarray)]
    if len({m.quantity for m in plain if m.status == "ok"}) < 2:
        return []
    laid = depth((m.site or "" for m in plain), order)
    found = []
    for part in laid.parts:
        here = [m for m in plain if laid.places[m.site or ""].part == part]
        if len({m.site for m in here if m.status == "ok"}) > 1:
            found.append(
                over_depth.by_method(
                    here,
                    order,
                    part=part if len(laid.parts) > 1 else "",
                    title="Intrinsic dimension",
                    reads="How many coordinates the cloud of activations has locally, however it is bent.",
                    names=_METHODS,
                )
            )
    return found


def _numeric_label(readings: Sequence[Measurement]) -> str:
    """The label whose values are numbers and take at least three of them, or ``""``."""
    for label in sorted(set.intersection(*(set(m.labels) for m in readings))):
        values = {_number(m.labels[label]) for m in readings}
        if None not in values and len(values) >= _FEWEST_ON_A_CURVE:
            return label
    return ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _with_own_keys(found: Sequence[Figure]) -> list[Figure]:
    """The same figures, keys made unique: they name files."""
    seen: dict[str, int] = {}
    unique = []
    for figure in found:
        seen[figure.key] = seen.get(figure.key, 0) + 1
        n = seen[figure.key]
        unique.append(figure if n == 1 else replace(figure, key=f"{figure.key}-{n}"))
    return unique
