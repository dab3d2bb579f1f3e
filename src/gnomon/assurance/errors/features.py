"""Features that a slice may be described by: words, their places, lengths, columns and clusters of activations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from gnomon.assurance.errors.graded import Graded
from gnomon.randomness import hashed

Mask = NDArray[np.bool_]
Kind = Literal["column", "word", "place", "length", "bigram", "activations"]
# the order of simplicity: of two features that mean the same examples the earlier kind is told
KINDS: tuple[Kind, ...] = ("column", "word", "place", "length", "bigram", "activations")

_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
_CUTS = 10  # quantiles at which numbers are cut


@dataclass(frozen=True)
class Feature:
    """One yes-or-no property of an example, in words."""

    kind: Kind
    description: str

    @property
    def simplicity(self) -> int:
        """The less, the simpler."""
        return KINDS.index(self.kind) + 1


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Which examples have which features.

    Parameters
    ----------
    features : the f features.
    members : ``(n, f)`` sparse, 1 where an example has a feature.
    """

    features: tuple[Feature, ...]
    members: csr_array

    def member(self, number: int) -> Mask:
        """``(n,)``: the examples that have the feature."""
        return np.asarray(self.members[:, [number]].toarray()[:, 0] > 0)


def words_of(text: str) -> list[str]:
    """Words and marks of ``text``, in lower case.

    >>> words_of("Isn't it 3 o'clock?")
    ["isn't", 'it', '3', "o'clock", '?']
    """
    return _TOKEN.findall(text.lower())


def feature_table(
    graded: Graded, known: Mask, *, support: int, groups: Mapping[str, NDArray[np.int64]] | None = None
) -> FeatureTable:
    """The features of ``graded`` that at least ``support`` clusters of the ``known`` examples have, and as many lack.

    Which words, values and cuts there are is learnt from the known examples alone. Of features that the same known
    examples have, the simplest stays.

    Parameters
    ----------
    known : ``(n,)``, the half that slices are sought in.
    groups : assignments of all examples to groups, ``(n,)`` each, by what to call the groups; those of activations.

    Cost: one pass over the words; what follows are sparse products.
    """
    split = [words_of(text) for text in graded.texts]
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    features: list[Feature] = []
    for kind, occurrences in _text_kinds(split):
        found, row, column = _indexed(kind, occurrences, known)
        rows.append(row)
        columns.append(column + len(features))
        features += found
    lengths = np.array([len(words) for words in split], dtype=np.float64)
    for feature, mask in (
        *_cut("length", "words", lengths, known),
        *(one for name, values in graded.columns.items() for one in _of_column(name, values, known)),
        *(one for name, ids in (groups or {}).items() for one in _of_groups(name, ids)),
    ):
        rows.append(np.flatnonzero(mask))
        columns.append(np.full(int(mask.sum()), len(features), dtype=np.int64))
        features.append(feature)
    row, column = np.concatenate(rows), np.concatenate(columns)
    members = csr_array(
        (np.ones(len(row), dtype=np.float32), (row, column)), shape=(len(graded), len(features)), dtype=np.float32
    )
    kept = _kept(features, members, graded.clusters, known, support)
    return FeatureTable(tuple(features[i] for i in kept.tolist()), members[:, kept])


def _text_kinds(split: Sequence[list[str]]) -> Iterator[tuple[Kind, Iterator[tuple[int, str]]]]:
    """For each kind of feature of texts, example and description, each pair once."""
    yield "word", ((i, f"'{word}'") for i, words in enumerate(split) for word in dict.fromkeys(words))
    yield (
        "place",
        (
            (i, description)
            for i, words in enumerate(split)
            if words
            for description in (f"begins with '{words[0]}'", f"ends with '{words[-1]}'")
        ),
    )
    yield (
        "bigram",
        (
            (i, f"'{first} {second}'")
            for i, words in enumerate(split)
            for first, second in dict.fromkeys(itertools.pairwise(words))
        ),
    )


def _indexed(
    kind: Kind, occurrences: Iterable[tuple[int, str]], known: Mask
) -> tuple[list[Feature], NDArray[np.int64], NDArray[np.int64]]:
    """The descriptions that occur among the known examples, and where they occur."""
    pairs = list(occurrences)
    numbers: dict[str, int] = {}
    for i, description in pairs:
        if known[i]:
            numbers.setdefault(description, len(numbers))
    held = [(i, numbers[description]) for i, description in pairs if description in numbers]
    places = np.array(held, dtype=np.int64).reshape(-1, 2)
    return [Feature(kind, description) for description in numbers], places[:, 0], places[:, 1]


def _of_column(name: str, values: Sequence[str], known: Mask) -> Iterator[tuple[Feature, Mask]]:
    """Cuts of a column of numbers, the values of any other; an empty cell has no feature."""
    filled = np.array([bool(value.strip()) for value in values])
    numbers = _numbers(values)
    cells = np.array(values, dtype=object)
    distinct = list(dict.fromkeys(cells[filled & known].tolist()))
    if numbers is not None and len(distinct) > 2:
        yield from _cut("column", name, numbers, known)
    else:
        for value in distinct:
            yield Feature("column", f"{name} = {value}"), np.asarray(cells == value)


def _numbers(values: Sequence[str]) -> NDArray[np.float64] | None:
    """NaN where a cell is empty; ``None`` where one is no number."""
    try:
        return np.array([float(value) if value.strip() else np.nan for value in values])
    except ValueError:
        return None


def _cut(kind: Kind, name: str, values: NDArray[np.float64], known: Mask) -> Iterator[tuple[Feature, Mask]]:
    """At most and more than each quantile; NaN is neither."""
    seen = values[known & np.isfinite(values)]
    if len(seen) == 0:
        return
    cuts = np.unique(np.quantile(seen, np.arange(1, _CUTS) / _CUTS, method="lower"))
    with np.errstate(invalid="ignore"):
        for cut in cuts[cuts < seen.max()].tolist():
            yield Feature(kind, f"{name} ≤ {cut:g}"), np.asarray(values <= cut)
            yield Feature(kind, f"{name} > {cut:g}"), np.asarray(values > cut)


def _of_groups(name: str, ids: NDArray[np.int64]) -> Iterator[tuple[Feature, Mask]]:
    for group in range(int(ids.max(initial=-1)) + 1):
        yield Feature("activations", f"{name}, group {group + 1}"), np.asarray(ids == group)


def _kept(
    features: Sequence[Feature], members: csr_array, clusters: NDArray[np.int64], known: Mask, support: int
) -> NDArray[np.int64]:
    """Those with support, and of those with equal members among the known examples the simplest."""
    _, ids = np.unique(clusters[known], return_inverse=True)
    inside = members[known]
    count = int(ids.max(initial=-1)) + 1
    of_cluster = csr_array(
        (np.ones(len(ids), dtype=np.float32), (ids, np.arange(len(ids)))), shape=(count, len(ids)), dtype=np.float32
    )
    touched = (of_cluster @ inside) > 0
    whole = (of_cluster @ inside) >= np.bincount(ids, minlength=count)[:, None]
    has, lacks = np.asarray(touched.sum(axis=0)), count - np.asarray(whole.sum(axis=0))
    # equal members have equal sums of hashes; 40 bits, so that sums are exact
    signature = inside.T.astype(np.float64) @ (hashed(0, np.arange(len(ids))) >> np.uint64(24)).astype(np.float64)
    simplest: dict[tuple[float, float], int] = {}
    sizes = np.asarray(inside.sum(axis=0), dtype=np.float64)
    for i in np.flatnonzero((has >= support) & (lacks >= support)).tolist():
        key = (float(signature[i]), float(sizes[i]))
        other = simplest.setdefault(key, i)
        if features[i].simplicity < features[other].simplicity:
            simplest[key] = i
    return np.array(sorted(simplest.values()), dtype=np.int64)
