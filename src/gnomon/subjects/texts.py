"""Texts in files: lines, JSON lines, tables and Hugging Face datasets, with labels and clusters beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gnomon.delimited import read_rows, read_text
from gnomon.errors import GnomonError, UnknownNameError

Unit = Literal["line", "file"]
_DATASET_FILES = ("dataset_info.json", "state.json", "dataset_dict.json")


@dataclass(frozen=True)
class Text:
    """One text, where it stands, and what stands beside it."""

    text: str
    place: str
    label: Any = None
    cluster: Any = None


@dataclass(frozen=True)
class Columns:
    """Names of the fields to read; ``None`` for the default: ``text``, or the only one there is."""

    text: str | None = None
    label: str | None = None
    cluster: str | None = None


def read_texts(path: Path, columns: Columns, *, unit: Unit, split: str | None) -> Iterator[Text]:
    """The texts of a ``.txt``, ``.jsonl``, ``.csv`` or ``.tsv`` file, or of a saved dataset; blank ones are skipped.

    Raises
    ------
    GnomonError : naming the line, on bytes that are not UTF-8, malformed JSON or CSV, or a field that is missing or
        no text; UnknownNameError with the nearest names for an unknown column or split.
    """
    if path.suffix.lower() == ".txt" and not path.is_dir():
        if columns != Columns():
            raise GnomonError(f"{path} is plain text and has no columns", mend="give a .csv or .jsonl file")
        whole = read_text(path)
        lines = [whole] if unit == "file" else whole.split("\n")
        texts = (Text(line.removesuffix("\r"), f"{path}, line {n}") for n, line in enumerate(lines, start=1))
        yield from (t for t in texts if t.text.strip())
        return
    for place, row in read_table(path, split=split):
        text = _field(row, columns.text, path, place)
        if not isinstance(text, str):
            raise GnomonError(f"{place}: the text is a {type(text).__name__}", mend="name a column that holds texts")
        label = _named(row, columns.label, path) if columns.label else row.get("label")
        cluster = _named(row, columns.cluster, path) if columns.cluster else None
        if text.strip():
            yield Text(text, place, label, cluster)


def read_table(path: Path, *, split: str | None = None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place and the fields of each row of a ``.jsonl``, ``.csv`` or ``.tsv`` file, or of a saved dataset.

    Raises
    ------
    GnomonError : see `read_texts`.
    """
    kind = path.suffix.lower()
    if path.is_dir():
        yield from _dataset_rows(path, split)
    elif kind in (".jsonl", ".ndjson"):
        yield from _json_rows(path)
    elif kind in (".csv", ".tsv"):
        yield from ((f"{path}, line {n}", row) for n, row in read_rows(path, "\t" if kind == ".tsv" else ","))
    else:
        raise GnomonError(
            f"cannot read {path}: unknown kind of file {kind!r}",
            mend="give .txt, .jsonl, .csv, .tsv, .npy, .npz or a dataset saved by Hugging Face datasets",
        )


def _field(row: Mapping[str, Any], column: str | None, path: Path, place: str) -> Any:
    if column is not None:
        return _named(row, column, path)
    if "text" in row:
        return row["text"]
    if len(row) == 1:
        return next(iter(row.values()))
    names = ", ".join(list(row)[:8]) + (", …" if len(row) > 8 else "")
    raise GnomonError(f"{place} has no column 'text' but {names}", mend="say which holds the text: --column NAME")


def _named(row: Mapping[str, Any], column: str, path: Path) -> Any:
    if column not in row:
        raise UnknownNameError(f"column of {path}", column, row)
    return row[column]


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise GnomonError(f"{place} is not JSON: {error.msg} at column {error.colno}", mend="mend it") from error
        if not isinstance(row, dict):
            raise GnomonError(f"{place} is no JSON object", mend='write {"text": "…"} on each line')
        yield place, row


def _dataset_rows(path: Path, split: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not any((path / name).exists() for name in _DATASET_FILES):
        raise GnomonError(f"{path} is a directory and no saved dataset", mend="give a file, or what save_to_disk wrote")
    try:
        import datasets
    except ImportError as error:
        raise GnomonError(f"{path} needs the package datasets", mend="pip install 'gnomon[datasets]'") from error
    try:
        found = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GnomonError(f"cannot read the dataset {path}: {reason}", mend="save it anew") from error
    if isinstance(found, datasets.DatasetDict):
        if split is None and len(found) > 1:
            raise GnomonError(f"{path} has the splits {', '.join(found)}", mend="say which: split=NAME")
        name = split or next(iter(found))
        if name not in found:
            raise UnknownNameError(f"split of {path}", name, found)
        found = found[name]
    for number, row in enumerate(found):
        yield f"{path}, row {number}", row
