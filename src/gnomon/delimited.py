"""Delimited text (CSV, TSV) as named rows, each with the line that it begins on."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gnomon.errors import GnomonError


def read_rows(path: Path, delimiter: str = ",") -> Iterator[tuple[int, Mapping[str, str]]]:
    """The line that it begins on and the fields by name of each row below the header; blank lines are skipped.

    Raises
    ------
    GnomonError : when the file cannot be read or is not UTF-8, its quoting is malformed, two columns have one name, or
        a row has more or fewer fields than the header.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
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
                yield line, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise GnomonError(f"{path}, line {reader.line_num} is malformed: {error}", mend="mend the quoting") from error
    finally:
        csv.field_size_limit(limit)


def read_text(path: Path) -> str:
    """The content of ``path`` as text, without a byte-order mark. Raises GnomonError when it is not UTF-8."""
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


def _numbered(reader: Any) -> Iterator[tuple[int, Sequence[str]]]:
    """Rows with the line each begins on."""
    start = 1
    for fields in reader:
        yield start, fields
        start = reader.line_num + 1
