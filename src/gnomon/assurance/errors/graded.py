"""Graded examples: what was asked, how wrong the answer was, and how sure the network was of it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from gnomon.subjects.texts import read_table

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TEXTS = ("text", "prompt")
_CORRECT, _ERROR, _CONFIDENCE, _CLUSTER = "correct", "error", "confidence", "cluster"
_ANSWERS = ("target", "choices")
_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")


@dataclass(frozen=True, kw_only=True, eq=False)
class Graded:
    """Examples with their errors.

    Parameters
    ----------
    texts : the n examples.
    errors : ``(n,)`` from 0, right, to 1, wrong.
    confidence : ``(n,)``, the probability that the network gave its answer; ``None`` where nobody says.
    clusters : ``(n,)``; examples of one cluster may depend on each other in any way.
    columns : what else is known of each example, by name; ``""`` where it is not.
    source : where they come from.

    Raises GnomonError when the numbers differ, or an error or confidence is not from 0 to 1.
    """

    texts: tuple[str, ...]
    errors: Array
    clusters: NDArray[np.int64]
    confidence: Array | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        n = len(self.texts)
        parts: dict[str, Any] = {"errors": self.errors, "clusters": self.clusters, **self.columns}
        if self.confidence is not None:
            parts["confidences"] = self.confidence
        for name, values in parts.items():
            if len(values) != n:
                raise GnomonError(f"{n} texts and {len(values)} {name}", mend="give one of each a text")
        for name, numbers in (("error", self.errors), ("confidence", self.confidence)):
            if numbers is not None and not ((numbers >= 0) & (numbers <= 1)).all():
                raise GnomonError(f"a {name} is not from 0 to 1", mend="divide by the largest that there can be")

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def binary(self) -> bool:
        """Whether every answer is right or wrong, and nothing between."""
        return bool(np.isin(self.errors, (0.0, 1.0)).all())

    def take(self, chosen: Mask) -> Graded:
        """Those that are ``chosen``, ``(n,)``."""
        index = np.flatnonzero(chosen).tolist()
        return Graded(
            texts=tuple(self.texts[i] for i in index),
            errors=self.errors[index],
            clusters=self.clusters[index],
            confidence=None if self.confidence is None else self.confidence[index],
            columns={name: tuple(values[i] for i in index) for name, values in self.columns.items()},
            source=self.source,
        )

    def half(self, rng: Rng) -> Mask:
        """``(n,)``: the examples of a random half of the clusters; no cluster is parted."""
        _, ids = np.unique(self.clusters, return_inverse=True)
        count = int(ids.max(initial=-1)) + 1
        chosen = np.zeros(count, dtype=bool)
        chosen[rng.child("half").numpy().permutation(count)[: (count + 1) // 2]] = True
        return np.asarray(chosen[ids])


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """Prompts with their right answers, not graded yet; `gnomon.assurance.errors.grading.grade` grades them.

    Parameters
    ----------
    choices : of each prompt the answers to choose from, the target among them; empty where any may be given.
    """

    prompts: tuple[str, ...]
    targets: tuple[str, ...]
    choices: tuple[tuple[str, ...], ...]
    clusters: NDArray[np.int64]
    columns: Mapping[str, tuple[str, ...]]
    source: str = ""

    def __len__(self) -> int:
        return len(self.prompts)


def read_graded(path: Path, *, columns: Sequence[str] | None = None) -> Graded:
    """Examples that somebody else graded: a table with ``text`` (or ``prompt``), and ``correct`` or ``error``.

    ``confidence`` and ``cluster`` are read where they are. All other columns are kept, or those named by ``columns``.

    Raises GnomonError, naming the row, on what is missing or no number; UnknownNameError for an unknown column.
    """
    places, rows = _rows(path)
    text = _text_column(rows[0], path)
    if _CORRECT in rows[0]:
        errors = [1 - _share(row.get(_CORRECT), place, _CORRECT) for place, row in zip(places, rows, strict=True)]
    elif _ERROR in rows[0]:
        errors = [_share(row.get(_ERROR), place, _ERROR) for place, row in zip(places, rows, strict=True)]
    else:
        raise GnomonError(f"{path} has no column correct or error", mend="grade it, or give a subject to grade it with")
    sure = None
    if _CONFIDENCE in rows[0]:
        sure = np.array(
            [_share(row.get(_CONFIDENCE), place, _CONFIDENCE) for place, row in zip(places, rows, strict=True)]
        )
    return Graded(
        texts=tuple(_cell(row, text) for row in rows),
        errors=np.array(errors, dtype=np.float64),
        confidence=sure,
        clusters=_clusters(rows),
        columns=_columns(rows, {text, _CORRECT, _ERROR, _CONFIDENCE, _CLUSTER, *_ANSWERS}, columns, path),
        source=str(path),
    )


def read_questions(path: Path, *, columns: Sequence[str] | None = None, separator: str = "|") -> Questions:
    """Questions of a table with ``prompt`` and ``target``; ``choices``, parted by ``separator``, where there are any.

    Raises GnomonError, naming the row, where one is missing or the target is not among the choices.
    """
    places, rows = _rows(path)
    for name in ("prompt", "target"):
        if name not in rows[0]:
            raise GnomonError(f"{path} has no column {name}", mend="give a table with prompt and target")
    prompts, targets, choices = [], [], []
    for place, row in zip(places, rows, strict=True):
        prompt, target = _cell(row, "prompt").strip(), _cell(row, "target").strip()
        offered = tuple(c.strip() for c in _cell(row, "choices").split(separator) if c.strip())
        if not prompt or not target:
            raise GnomonError(f"{place}: prompt or target is empty", mend="fill it in")
        if offered and (target not in offered or len(set(offered)) < max(2, len(offered))):
            raise GnomonError(
                f"{place}: {target!r} is not one of two or more different choices", mend="mend the column choices"
            )
        prompts.append(prompt)
        targets.append(target)
        choices.append(offered)
    return Questions(
        prompts=tuple(prompts),
        targets=tuple(targets),
        choices=tuple(choices),
        clusters=_clusters(rows),
        columns=_columns(rows, {"prompt", _CLUSTER, *_ANSWERS}, columns, path),
        source=str(path),
    )


def _rows(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    found = list(read_table(path))
    if not found:
        raise GnomonError(f"{path} has no rows", mend="give at least one")
    return [place for place, _ in found], [row for _, row in found]


def _text_column(row: Mapping[str, Any], path: Path) -> str:
    for name in TEXTS:
        if name in row:
            return name
    raise GnomonError(f"{path} has no column {' or '.join(TEXTS)}", mend="name the column of the texts so")


def _share(value: Any, place: str, name: str) -> float:
    told = str(value).strip().lower()
    if told in _TRUE or told in _FALSE:
        return float(told in _TRUE)
    try:
        number = float(told)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise GnomonError(
            f"{place}: {name} is {'missing' if value is None else repr(value)}", mend="write a number from 0 to 1"
        )
    return number


def _clusters(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.int64]:
    """By the column cluster; a row of its own where it is empty or there is none."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [
            numbers.setdefault(
                ("named", str(row[_CLUSTER])) if row.get(_CLUSTER) not in (None, "") else i, len(numbers)
            )
            for i, row in enumerate(rows)
        ],
        dtype=np.int64,
    )


def _columns(
    rows: Sequence[Mapping[str, Any]], others: set[str], wanted: Sequence[str] | None, path: Path
) -> dict[str, tuple[str, ...]]:
    names = [name for name in rows[0] if name not in others]
    for name in wanted or ():
        if name not in names:
            raise UnknownNameError(f"column of {path}", name, names)
    chosen = names if wanted is None else list(wanted)
    return {name: tuple(_cell(row, name) for row in rows) for name in chosen}


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Empty where the row has none, as rows of JSON may."""
    return "" if row.get(name) is None else str(row[name])
