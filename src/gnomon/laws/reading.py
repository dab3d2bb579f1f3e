"""Tables from files: CSV, TSV and Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gnomon.delimited import read_rows
from gnomon.errors import GnomonError
from gnomon.laws.frame import Cell, Frame

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_frame(path: Path | str) -> Frame:
    """The columns of the file at ``path``: ``.csv`` and ``.tsv`` (UTF-8, with a header) or ``.parquet``.

    Raises
    ------
    GnomonError : when there is no such file, it is of another kind, malformed or has no rows; for ``.parquet`` when
        pyarrow is not installed.
    """
    place = Path(path)
    kind = place.suffix.lower()
    if not place.is_file():
        raise GnomonError(f"no file {str(path)!r}", mend="give the path of a .csv, .tsv or .parquet file")
    if kind in _DELIMITERS:
        frame = _delimited(place, _DELIMITERS[kind])
    elif kind == ".parquet":
        frame = _parquet(place)
    else:
        raise GnomonError(f"cannot read {str(path)!r} as a table", mend="give a .csv, .tsv or .parquet file")
    if not len(frame):
        raise GnomonError(f"{path} has no rows", mend="give a table with a header and measurements below it")
    return frame


def _delimited(path: Path, delimiter: str) -> Frame:
    rows = list(read_rows(path, delimiter))
    names = list(rows[0][1]) if rows else []
    return Frame(
        source=str(path),
        cells={name.strip(): [row[name] for _, row in rows] for name in names},
        places=[f"row {i} (line {line})" for i, (line, _) in enumerate(rows, start=1)],
    )


def _parquet(path: Path) -> Frame:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise GnomonError(f"{path} needs the package pyarrow", mend="pip install 'gnomon[parquet]'") from None
    try:
        found = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise GnomonError(f"{path} is not Parquet: {str(error).splitlines()[0]}", mend="save it anew") from None
    return Frame(
        source=str(path),
        cells={name: [_cell(value) for value in found.column(name).to_pylist()] for name in found.column_names},
        places=[f"row {i}" for i in range(1, found.num_rows + 1)],
    )


def _cell(value: Any) -> Cell:
    """Numbers and nothing as they are; whatever else Parquet holds (dates, lists) by its text."""
    if value is None or isinstance(value, int | float | str):
        return value
    try:
        return float(value)  # decimals
    except (TypeError, ValueError):
        return str(value)
