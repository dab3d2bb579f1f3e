"""Check: texts that stand more than once, with other labels, in other clusters or in another split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.concern import Concern, some

_CHARACTERS = 5
_SIMILAR = 0.8
_ROWS = 512  # texts compared with all others at once
_PAIRS = 2**16  # candidates counted at once
_ROUNDING = 1e-9


def duplicates(concept: Concept) -> list[Concern]:
    """Warns of copies and near copies in different clusters, and of one text with different labels.

    Copies are equal but for letter case and spaces; near copies share at least 0.8 of their runs of five characters
    (Jaccard). Within a cluster, such as a pair, they are expected.
    """
    found = copies(concept.texts, concept.clusters)
    concerns = _contradictions(concept)
    mend = "remove copies, or group them by --cluster: folds and intervals take them for independent"
    for kind, pairs in (("copies", found.exact), ("near copies", found.near)):
        if len(pairs):
            number = len(np.unique(pairs))
            finding = f"{number} of {len(concept)} texts are {kind} of others ({_examples(pairs, _places(concept))})"
            concerns.append(Concern(check="duplicates", finding=finding, mend=mend, numbers={kind: number}))
    return concerns


def leaks(concept: Concept, test: Concept) -> list[Concern]:
    """Warns of texts of ``test`` that have a copy or near copy (see `duplicates`) in ``concept``."""
    split = np.repeat([0, 1], [len(concept), len(test)])
    found = copies((*concept.texts, *test.texts), split)
    concerns = []
    places = (*_places(concept, within=True), *_places(test, within=True))
    for kind, pairs in (("copies", found.exact), ("near copies", found.near)):
        if len(pairs):
            number = len(np.unique(pairs[pairs >= len(concept)]))
            finding = f"{number} of {len(test)} test texts are {kind} of training texts ({_examples(pairs, places)})"
            mend = "remove them from the test texts: what is remembered is no evidence"
            concerns.append(Concern(check="leak", finding=finding, mend=mend, numbers={kind: number}))
    return concerns


@dataclass(frozen=True, eq=False)
class Copies:
    """Pairs of texts of different groups, ``(pairs, 2)``, the first before the second.

    Parameters
    ----------
    exact : equal but for letter case and spaces. Of many equal texts each is paired with the first of another group.
    near : alike, and not equal. Of equal texts only the first is compared with others; of every text that has a near
        copy there is a pair, but not each of them where many are alike.
    """

    exact: NDArray[np.int64]
    near: NDArray[np.int64]


def copies(texts: Sequence[str], groups: NDArray[np.int64]) -> Copies:
    r"""Copies and near copies among ``texts`` whose ``groups`` differ.

    Near copies have Jaccard similarity :math:`|A \cap B| / |A \cup B| \ge 0.8` of their sets of runs of five
    characters. They are found exactly: two sets of similarity t share an element among the
    :math:`|A| - \lceil t |A| \rceil + 1` rarest of each, so that only texts which share a rare run are compared.

    Cost: that of one sparse product of the rare runs. Sources: Broder, SEQUENCES (1997) 21 (resemblance); Bayardo, Ma
    & Srikant, WWW (2007) 131 (rarest elements); Lee et al., arXiv:2107.06499 (the threshold).

    >>> copies(["The sun.", "the  sun.", "A moon."], np.arange(3)).exact.tolist()
    [[0, 1]]
    """
    plain = [" ".join(text.casefold().split()) for text in texts]
    seen: dict[str, list[int]] = {}  # of equal texts the first, and the first of another group
    exact = []
    for i, text in enumerate(plain):
        equal = seen.setdefault(text, [i])
        others = [j for j in equal if groups[j] != groups[i]]
        if others:
            exact.append((others[0], i))
            if len(equal) == 1:
                equal.append(i)
    distinct = np.array([equal[0] for equal in seen.values()], dtype=np.int64)
    return Copies(
        exact=np.array(exact, dtype=np.int64).reshape(-1, 2),
        near=distinct[_similar(list(seen), groups[distinct])],
    )


def _similar(texts: Sequence[str], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(pairs, 2)`` of different groups whose similarity is 0.8 or more, the first before the second."""
    runs = [{text[i : i + _CHARACTERS] for i in range(max(1, len(text) - _CHARACTERS + 1))} for text in texts]
    held = Counter(run for each in runs for run in each)
    # rarest first, so that the first columns of a row are its rarest runs
    column = {run: i for i, (run, _) in enumerate(sorted(held.items(), key=lambda item: (item[1], item[0])))}
    ordered = [np.sort([column[run] for run in each]) for each in runs]
    sizes = np.array([len(each) for each in ordered])
    shared = np.ceil(_SIMILAR * sizes - _ROUNDING).astype(np.int64)
    whole = _incidence(ordered, len(column))
    rare = _incidence([each[: n - k + 1] for each, n, k in zip(ordered, sizes, shared, strict=True)], len(column))
    everything, paired = np.arange(len(texts)), np.zeros(len(texts), dtype=bool)
    found = [np.empty((0, 2), dtype=np.int64)]

    def compare(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
        meet = (rare[rows] @ rare[columns].T).tocoo()
        first, second = rows[meet.row], columns[meet.col]
        across = (second > first) & (groups[first] != groups[second])
        first, second = first[across], second[across]
        for start in range(0, len(first), _PAIRS):
            i, j = first[start : start + _PAIRS], second[start : start + _PAIRS]
            new = ~(paired[i] & paired[j])
            i, j = i[new], j[new]
            both = np.asarray(whole[i].multiply(whole[j]).sum(axis=1)).ravel()
            alike = both >= _SIMILAR * (sizes[i] + sizes[j] - both) - _ROUNDING
            found.append(np.stack([i[alike], j[alike]], axis=1))
            paired[found[-1].ravel()] = True

    for begin in range(0, len(texts), _ROWS):
        block = everything[begin : begin + _ROWS]
        known = paired[block]
        compare(block[~known], everything)
        compare(block[known], np.flatnonzero(~paired))  # two that have a pair each need no other
    return np.concatenate(found)


def _incidence(rows: Sequence[NDArray[np.int64]], columns: int) -> csr_matrix:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    entries = np.concatenate([*rows, np.empty(0, dtype=np.int64)])
    return csr_matrix((np.ones(len(entries)), entries, starts), shape=(len(rows), columns))


def _contradictions(concept: Concept) -> list[Concern]:
    labels: dict[str, dict[float, int]] = {}
    for i, (text, label) in enumerate(zip(concept.texts, concept.labels.tolist(), strict=True)):
        labels.setdefault(" ".join(text.casefold().split()), {}).setdefault(label, i)
    found = [list(places.values()) for places in labels.values() if len(places) > 1]
    if not found:
        return []
    pairs = np.array([places[:2] for places in found])
    return [
        Concern(
            check="contradiction",
            finding=f"the same text has different labels {len(found)} times ({_examples(pairs, _places(concept))})",
            mend="correct the labels, or remove the texts",
            numbers={"texts": len(found)},
        )
    ]


def _places(concept: Concept, *, within: bool = False) -> list[str]:
    """Where the texts stand, without the path; ``within`` which file, where there are two."""
    source = concept.source or concept.name
    name = f"{Path(source).name}, " if within else ""
    return [name + place.removeprefix(f"{source}, ") for place in concept.places]


def _examples(pairs: NDArray[np.int64], places: Sequence[str]) -> str:
    return some([f"{places[i]} and {places[j]}" for i, j in pairs])
