"""Concepts from files: tables and JSON lines of texts, and arrays of vectors."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.structure.concepts.concept import Concept
from gnomon.structure.concepts.labels import read_labels
from gnomon.structure.examples import Examples, Kind
from gnomon.subjects.arrays import read_arrays
from gnomon.subjects.texts import read_table

_CHARACTERS = re.compile(r"(\d+):(\d+)")
_ARRAYS = ("inputs", "labels", "clusters", "pairs", "gradients")

Row = Mapping[str, Any]


def read_concept(
    path: str | os.PathLike[str],
    *,
    column: str | None = None,
    label: str | None = None,
    present: str | None = None,
    pair: str | None = None,
    cluster: str | None = None,
    span: str | None = None,
    positive: str | None = None,
    negative: str | None = None,
    kind: Kind | None = None,
) -> Concept:
    """The concept in a ``.csv``, ``.tsv`` or ``.jsonl`` file (or a saved dataset), one text, or one pair, a row.

    Parameters
    ----------
    column, label : what hold the text and its label; by default ``text`` and ``label``, and where the file has two
        columns and one of these is found (or given), the other one.
    present : the label that has the concept, see `gnomon.structure.concepts.labels.read_labels`.
    pair : what holds the id that both texts of a pair share; the concept is then ``paired``.
    cluster : what groups dependent texts; by default each pair, or else each text, is on its own.
    span : what names a part of each text: words, of which the first occurrence counts (inside other words only where it
        stands nowhere else), or characters as ``begin:end`` or ``[begin, end]``.
    positive, negative : instead of ``column``, ``label`` and ``pair``: the two columns that hold the text of a pair
        with and without the concept.
    kind : ``binary``, ``paired`` or ``graded``; follows from the labels and the pairs by default.

    Raises
    ------
    GnomonError : in one line that names the file and line, on an unreadable file, a missing column, a blank text, a
        label that cannot be read, a span that is not in its text, an incomplete pair, or one class only.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise GnomonError(f"no file {str(path)!r}", mend="give the path of an existing file")
    table = list(read_table(file))
    if not table:
        raise GnomonError(f"{file} holds no rows", mend="give at least one text with and one without the concept")
    if (positive is None) != (negative is None):
        raise GnomonError("one column of the pairs is named, and not the other", mend="give --positive and --negative")
    if positive is not None and negative is not None:
        given = {"--column": column, "--label": label, "--pair": pair, "--cluster": cluster, "--present": present}
        _refuse([name for name, value in given.items() if value is not None], "two columns of pairs")
        if kind not in (None, "paired"):
            raise GnomonError(f"two columns of pairs are not {kind}", mend="leave out --kind")
        table = [(place, row) for place, row in table for _ in range(2)]
        columns = [positive, negative] * (len(table) // 2)
        texts = [_text(row, name, place) for name, (place, row) in zip(columns, table, strict=True)]
        labels, kind = np.tile([1.0, -1.0], len(table) // 2), "paired"
        clusters = np.repeat(np.arange(len(table) // 2), 2)
    else:
        column, label = _columns(table[0][1], column, label, file)
        texts = [_text(row, column, place) for place, row in table]
        if pair is not None:
            _refuse([] if cluster is None else ["--cluster"], "--pair, which groups texts too")
            kind = kind or "paired"
        if kind == "paired" and pair is None:
            raise GnomonError("nothing says which texts are a pair", mend="give --pair, or --positive and --negative")
        values = [_named(row, label, place) for place, row in table]
        labels, kind = read_labels(values, [place for place, _ in table], kind=kind, present=present)
        group = cluster if pair is None else pair
        clusters = _ids([_key(row, group, place) for place, row in table]) if group else np.arange(len(table))
    places = [place for place, _ in table]
    if kind == "paired":
        _check_pairs(labels, clusters, places)
    spans = None
    if span is not None:
        marks = [_named(row, span, place) for place, row in table]
        spans = np.array([_span(m, t, p) for m, t, p in zip(marks, texts, places, strict=True)], dtype=np.int64)
    return Concept(
        name=file.stem,
        texts=tuple(texts),
        labels=labels,
        kind=kind,
        clusters=clusters,
        spans=spans,
        places=tuple(places),
        source=str(file),
    )


def load_examples(path: str | os.PathLike[str], *, kind: Kind | None = None) -> Examples:
    """The examples in an ``.npz`` file: ``inputs`` (n, d), ``labels`` (n,) and, where wanted, ``clusters``, ``pairs``
    (ids of pairs, which make them ``paired``) and ``gradients`` (n, d).

    Labels are 1 and 0, 1 and -1, or (three or more numbers) grades.

    Raises
    ------
    GnomonError : on an unreadable file, a pickled or unknown array, one that is missing, or what `Examples` refuses.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise GnomonError(f"no file {str(path)!r}", mend="give the path of an existing file")
    arrays = read_arrays(file)
    for name in arrays:
        if name not in _ARRAYS:
            raise UnknownNameError(f"array of {file}", name, _ARRAYS)
    for name in _ARRAYS[:2]:
        if name not in arrays:
            raise GnomonError(f"{file} has no array {name!r}", mend="it needs inputs and labels")
    if {"clusters", "pairs"} <= arrays.keys():
        raise GnomonError(f"{file} has clusters and pairs, which group examples too", mend="keep one of the two")
    if kind == "paired" and "pairs" not in arrays:
        raise GnomonError(f"{file} has no array 'pairs'", mend="add one, or leave out --kind paired")
    kind = "paired" if kind is None and "pairs" in arrays else kind
    values = np.atleast_1d(arrays["labels"]).ravel().tolist()
    labels, kind = read_labels(values, [f"{file}, row {i}" for i in range(len(values))], kind=kind, present=None)
    groups = arrays.get("pairs", arrays.get("clusters"))
    for name in ("inputs", "gradients"):
        if name in arrays and arrays[name].dtype.kind not in "biuf":
            raise GnomonError(f"{file}: {name} are of type {arrays[name].dtype}", mend="give real numbers")
    return Examples(
        inputs=torch.from_numpy(np.asarray(arrays["inputs"], dtype=np.float64)),
        labels=torch.from_numpy(labels),
        kind=kind,
        clusters=None if groups is None else _ids(groups.tolist()),
        gradients=torch.from_numpy(np.asarray(arrays["gradients"], np.float64)) if "gradients" in arrays else None,
    )


def _columns(row: Row, column: str | None, label: str | None, file: Path) -> tuple[str, str]:
    """Which columns hold the texts and the labels."""
    text = column or ("text" if "text" in row else None)
    mark = label or ("label" if "label" in row else None)
    if len(row) == 2:
        text = text or next(name for name in row if name != mark) if mark in row else text
        mark = mark or next(name for name in row if name != text) if text in row else mark
    names = ", ".join(list(row)[:8]) + (", …" if len(row) > 8 else "")
    if text is None:
        raise GnomonError(f"{file} has the columns {names}", mend="say which holds the text: --column NAME")
    if mark is None:
        raise GnomonError(f"{file} has the columns {names}", mend="say which holds the label: --label NAME")
    return text, mark


def _named(row: Row, name: str, place: str) -> Any:
    if name not in row:
        raise UnknownNameError(f"column of {place}", name, row)
    return row[name]


def _text(row: Row, name: str, place: str) -> str:
    text = _named(row, name, place)
    if not isinstance(text, str) or not text.strip():
        raise GnomonError(f"{place}: column {name!r} holds no text", mend="remove the row, or name another column")
    return text


def _key(row: Row, name: str, place: str) -> Hashable:
    value = _named(row, name, place)
    if value is None or isinstance(value, (list, dict)) or value == "":
        raise GnomonError(f"{place}: column {name!r} holds no id", mend="give each row one")
    return value if isinstance(value, (str, int, float)) else str(value)


def _span(mark: Any, text: str, place: str) -> tuple[int, int]:
    """The beginning and end of what ``mark`` names in ``text``."""
    given = _CHARACTERS.fullmatch(mark.strip()) if isinstance(mark, str) else None
    if given is not None:
        begin, end = int(given[1]), int(given[2])
    elif isinstance(mark, list) and len(mark) == 2 and all(isinstance(m, int) for m in mark):
        begin, end = mark
    elif isinstance(mark, str) and mark.strip() and mark.strip() in text:
        words = mark.strip()
        whole = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text)  # "is" stands in "This is" twice
        begin = text.index(words) if whole is None else whole.start()
        end = begin + len(words)
    else:
        raise GnomonError(f"{place}: the span {mark!r} is not in the text", mend="give words of it, or begin:end")
    if not 0 <= begin < end <= len(text):
        raise GnomonError(f"{place}: the span {begin}:{end} is not within {len(text)} characters", mend="mend it")
    return begin, end


def _check_pairs(labels: NDArray[np.float64], clusters: NDArray[np.int64], places: Sequence[str]) -> None:
    counts = np.bincount(clusters)
    sums = np.bincount(clusters, weights=labels)
    wrong = np.flatnonzero((counts != 2) | (sums != 0))
    if len(wrong):
        first = places[int(np.argmax(clusters == wrong[0]))]
        raise GnomonError(
            f"{first}: its pair is not one text with and one without the concept, but {counts[wrong[0]]} texts",
            mend="give both texts of a pair the same id, and no other; or --cluster instead of --pair",
        )


def _refuse(given: Sequence[str], beside: str) -> None:
    if given:
        raise GnomonError(f"{given[0]} does not go with {beside}", mend="leave out one of the two")


def _ids(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each distinct value, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
