"""Texts in files: lines, JSON lines, tables and Hugging Face datasets, with labels and clusters beside them."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    kind = path.suffix.lower()
    if path.is_dir():
        rows = _dataset_rows(path, split)
    elif kind == ".txt":
        if columns != Columns():
            raise GnomonError(f"{path} is plain text and has no columns", mend="give a .csv or .jsonl file")
        whole = _decoded(path)
        lines = [whole] if unit == "file" else whole.split("\n")
        texts = (Text(line.removesuffix("\r"), f"{path}, line {n}") for n, line in enumerate(lines, start=1))
        yield from (t for t in texts if t.text.strip())
        return
    elif kind in (".jsonl", ".ndjson"):
        rows = _json_rows(path)
    elif kind in (".csv", ".tsv"):
        rows = _table_rows(path, "\t" if kind == ".tsv" else ",")
    else:
        raise GnomonError(
            f"cannot read {path}: unknown kind of file {kind!r}",
            mend="give .txt, .jsonl, .csv, .tsv, .npy, .npz or a dataset saved by Hugging Face datasets",
        )
    for place, row in rows:
        text = _field(row, columns.text, path, place)
        if not isinstance(text, str):
            raise GnomonError(f"{place}: the text is a {type(text).__name__}", mend="name a column that holds texts")
        label = _named(row, columns.label, path) if columns.label else row.get("label")
        cluster = _named(row, columns.cluster, path) if columns.cluster else None
        if text.strip():
            yield Text(text, place, label, cluster)


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


def _decoded(path: Path) -> str:
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise GnomonError(f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8", mend="convert the file") from error


def read_bytes(path: Path) -> bytes:
    """The content of ``path``. Raises GnomonError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise GnomonError(f"cannot read {path}: {error.strerror}", mend="check the path and its permissions") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
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


def _table_rows(path: Path, delimiter: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(_decoded(path), newline=""), delimiter=delimiter, strict=True)
    limit = csv.field_size_limit(sys.maxsize)
    try:
        rows = _numbered(reader)
        _, header = next(rows, (1, []))
        repeated = sorted({c for c in header if header.count(c) > 1})
        if repeated:
            raise GnomonError(f"{path}: two columns are called {repeated[0]!r}", mend="rename one")
        for line, fields in rows:
            if fields and len(fields) != len(header):
                raise GnomonError(
                    f"{path}, line {line} has {len(fields)} fields, the header has {len(header)}",
                    mend="quote texts that hold the delimiter",
                )
            if fields:
                yield f"{path}, line {line}", dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise GnomonError(f"{path}, line {reader.line_num} is malformed: {error}", mend="mend the quoting") from error
    finally:
        csv.field_size_limit(limit)


def _numbered(reader: Any) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows with the line each begins on."""
    start = 1
    for fields in reader:
        yield start, fields
        start = reader.line_num + 1


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
