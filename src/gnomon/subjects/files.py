"""Data from files."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.subjects.arrays import array_data
from gnomon.subjects.data import Data
from gnomon.subjects.losses import CrossEntropy, SquaredError
from gnomon.subjects.subject import Subject
from gnomon.subjects.texts import Columns, Unit, read_texts
from gnomon.subjects.tokens import Overlong, token_data


def load_data(
    path: str | os.PathLike[str],
    subject: Subject,
    *,
    column: str | None = None,
    label: str | None = None,
    cluster: str | None = None,
    overlong: Overlong = "error",
    unit: Unit = "line",
    limit: int | None = None,
    split: str | None = None,
    masking_rate: float = 0.15,
    seed: int = 0,
) -> Data:
    r"""Data for ``subject`` from a file of texts, a table, a saved dataset or arrays.

    Texts (``.txt``, ``.jsonl``, ``.csv``, ``.tsv``, or a directory that Hugging Face ``datasets`` saved) are encoded
    by the subject's tokenizer with its default special tokens, as in a plain transformers loop; blank ones are
    skipped, and so are those in which the loss predicts nothing (a single token), which the description counts.
    ``.npy`` and ``.npz`` hold arrays.

    Parameters
    ----------
    column : what holds the text; ``text``, or the only column, by default.
    label : what holds the class of each text; ``label``, where there is such a column, by default.
    cluster : what groups dependent texts (a document's id); by default every text is its own cluster.
    overlong : what to do with a text longer than the context: ``error``, ``truncate`` (keep its beginning) or
        ``split`` (into windows, which form one cluster). Special tokens stand around every piece.
    unit : whether each ``line`` of a ``.txt`` file is a text, or the whole ``file`` is one.
    limit : read only so many texts.
    split : of a dataset that has several.
    masking_rate, seed : for masked language models, see `Masking`.

    Raises
    ------
    GnomonError : in one line that names the file and line, for a missing, empty, undecodable or malformed file, an
        unknown column, an overlong text, NaN in arrays, or data that does not fit the network.

    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "words.txt").write_text("one\ntwo\n")
    ...     letters = Subject(torch.nn.Identity(), tokenizer=lambda text: [ord(c) for c in text])
    ...     load_data(Path(folder, "words.txt"), letters).description
    'words.txt: 2 texts'
    """
    for option, value, known in (("overlong", overlong, get_args(Overlong)), ("unit", unit, get_args(Unit))):
        if value not in known:
            raise UnknownNameError(option, value, known)
    if limit is not None and limit < 1:
        raise GnomonError(f"limit {limit} leaves no data", mend="give a positive number")
    file = Path(path).expanduser()
    if not file.exists():
        raise GnomonError(f"no file {str(path)!r}", mend="give the path of an existing file")
    if file.suffix.lower() in (".npy", ".npz") and file.is_file():
        return array_data(
            file,
            subject,
            column=column,
            label=label,
            cluster=cluster,
            limit=limit,
            masking_rate=masking_rate,
            seed=seed,
        )
    found = read_texts(file, Columns(column, label, cluster), unit=unit, split=split)
    texts = list(itertools.islice(found, limit))
    if label is None and not isinstance(subject.loss, (CrossEntropy, SquaredError)):
        texts = [replace(text, label=None) for text in texts]
    if not texts:
        raise GnomonError(f"{file} holds no text", mend="give at least one non-empty text")
    return token_data(texts, subject, overlong=overlong, masking_rate=masking_rate, seed=seed, name=file.name)
