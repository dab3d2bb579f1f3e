"""Statements in a file, each true or false."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.structure.concepts.labels import read_labels
from gnomon.subjects.texts import read_table

_COLUMNS = ("text", "statement")


@dataclass(frozen=True, eq=False)
class Statements:
    """``(n,)`` each: the texts, whether they are true, and which belong together; ``None`` where nothing says so."""

    texts: tuple[str, ...]
    true: NDArray[np.bool_]
    clusters: NDArray[np.int64] | None


def read_statements(path: Path, cluster: str) -> Statements:
    """The rows of a table with the columns text (or statement) and label, and ``cluster`` where there is such a one.

    Labels are read as `read_labels` does: 1 and 0, true and false, yes and no.

    Raises GnomonError, naming the row, where one is missing or no label, and for one class only.
    """
    places, texts, labels, groups = [], [], [], []
    for place, row in read_table(path):
        text = next((row[name] for name in _COLUMNS if name in row), None)
        if not isinstance(text, str) or not text.strip() or "label" not in row:
            raise GnomonError(f"{place} has no text (or statement) and label", mend="give a table with these columns")
        places.append(place)
        texts.append(text)
        labels.append(row["label"])
        groups.append(row.get(cluster))
    values, _ = read_labels(labels, places, kind="binary", present=None)
    known = bool(groups) and all(one is not None for one in groups)
    ids = np.unique([str(one) for one in groups], return_inverse=True)[1].astype(np.int64) if known else None
    return Statements(tuple(texts), np.asarray(values > 0), ids)
