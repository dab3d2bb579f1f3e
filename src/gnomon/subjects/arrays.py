"""Arrays in ``.npy`` and ``.npz`` files as data."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.subjects.data import ArrayData, Data
from gnomon.subjects.losses import CrossEntropy
from gnomon.subjects.probe import run_probe
from gnomon.subjects.subject import Subject
from gnomon.subjects.tokens import sequence_data


def array_data(
    path: Path,
    subject: Subject,
    *,
    column: str | None,
    label: str | None,
    cluster: str | None,
    limit: int | None,
    masking_rate: float,
    seed: int,
) -> Data:
    """Inputs from a ``.npy`` file, or ``inputs`` and, where there are any, ``targets`` and ``clusters`` of a ``.npz``.

    ``column``, ``label`` and ``cluster`` name other arrays of a ``.npz``. Integer arrays ``(n, positions)`` for a
    language model are token ids.

    Raises
    ------
    GnomonError : when the file is no such file, holds objects, NaN or arrays that do not belong together, or when the
        network cannot be run on them; UnknownNameError for an unknown array.
    """
    arrays = read_arrays(path)
    inputs = _named(arrays, column or "inputs", path)
    targets = _named(arrays, label, path) if label else arrays.get("targets")
    groups = _named(arrays, cluster, path) if cluster else arrays.get("clusters")
    if inputs.ndim == 0 or len(inputs) == 0:
        raise GnomonError(f"{path} is empty", mend="give at least one example")
    inputs = inputs[:limit]
    targets, groups = (None if a is None else a[:limit] for a in (targets, groups))
    clusters = np.arange(len(inputs)) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    for what, array in (("targets", targets), ("clusters", groups)):
        if array is not None and len(array) != len(inputs):
            raise GnomonError(f"{path}: {what} have {len(array)} rows, inputs have {len(inputs)}")
    if _is_tokens(subject, inputs):
        _check_length(path, subject, inputs)
        return sequence_data(
            inputs.tolist(),
            subject,
            places=[f"{path}, row {i}" for i in range(len(inputs))],
            labels=[None] * len(inputs) if targets is None else targets.tolist(),
            clusters=clusters,
            masking_rate=masking_rate,
            seed=seed,
            description=f"{path.name}: {len(inputs)} sequences",
        )
    try:
        data = ArrayData(inputs, targets, clusters=clusters, description=f"{path.name}: {len(inputs)} examples")
        _check_fit(data, subject)
    except (GnomonError, TypeError) as error:
        cause, mend = (error.cause, error.mend) if isinstance(error, GnomonError) else (str(error), "give numbers")
        raise GnomonError(f"{path}: {cause}", mend=mend) from error
    return data


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a ``.npz`` file by name, or that of a ``.npy`` file as ``inputs``.

    Raises
    ------
    GnomonError : when the file cannot be read or holds objects.
    """
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            return {"inputs": found} if isinstance(found, np.ndarray) else {n: found[n] for n in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        if isinstance(error, ValueError) and "allow_pickle" in str(error):
            raise GnomonError(f"{path} holds Python objects", mend="save numbers of one dtype") from error
        raise GnomonError(f"{path} is no readable {path.suffix} file: {error}", mend="save it anew") from error


def _named(arrays: dict[str, NDArray[np.generic]], name: str, path: Path) -> NDArray[np.generic]:
    if name not in arrays:
        raise UnknownNameError(f"array of {path}", name, arrays)
    return arrays[name]


def _is_tokens(subject: Subject, inputs: NDArray[np.generic]) -> bool:
    reads_tokens = getattr(subject.module, "main_input_name", None) == "input_ids"
    return reads_tokens and inputs.ndim == 2 and np.issubdtype(inputs.dtype, np.integer)


def _check_length(path: Path, subject: Subject, inputs: NDArray[np.generic]) -> None:
    if subject.context is not None and inputs.shape[1] > subject.context:
        raise GnomonError(
            f"{path} has sequences of {inputs.shape[1]} tokens, the context of {subject.name} is {subject.context}",
            mend="cut them before",
        )


def _check_fit(data: ArrayData, subject: Subject) -> None:
    """One example through the network, and classes within range."""
    run_probe(subject.module, data.batch([0]))
    classes = subject.widths.get("logits")
    if isinstance(subject.loss, CrossEntropy) and data.targets is not None and classes is not None:
        low, high = int(data.targets.min()), int(data.targets.max())
        if low < 0 or high >= classes:
            raise GnomonError(f"targets {low} to {high} are no classes of {subject.name}", mend=f"it has {classes}")
