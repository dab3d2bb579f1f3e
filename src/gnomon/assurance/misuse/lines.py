"""Materials that are texts, one a line."""

from __future__ import annotations

from pathlib import Path

from gnomon.subjects.texts import Columns, read_texts


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, or the column text of a table; blank ones are skipped. Raises as `read_texts` does."""
    return [one.text.strip() for one in read_texts(path, Columns(), unit="line", split=None)]
