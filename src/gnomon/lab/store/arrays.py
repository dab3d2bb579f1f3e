"""Arrays as immutable files named by their content."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.lab.store.durable import TEMPORARY, write_durably
from gnomon.lab.store.failures import one_line

# A temporary file older than this has no writer any more: one array takes far less.
_ABANDONED_SECONDS = 60.0


ReadArray = Callable[[str], NDArray[Any]]


class Arrays(Protocol):
    """Where a store keeps its large arrays, by the SHA-256 of their content."""

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Keep ``contents`` (see `encode`), by digest. Raises GnomonError when they cannot be written."""

    def reader(self, documents: Sequence[str]) -> ReadArray:
        """Gives the arrays that ``documents`` name, by digest, as few trips to the store as it takes.

        What it returns raises GnomonError for an array that is missing or whose content does not match.
        """

    def health(self) -> dict[str, int]:
        """Number and bytes of the arrays, and of the files that a dead writer left behind."""


def encode(array: NDArray[Any]) -> tuple[str, bytes]:
    """SHA-256 and content of ``array`` in numpy's own format."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    content = buffer.getvalue()
    return digest_of(content), content


def decode(content: bytes) -> NDArray[Any]:
    """The inverse of `encode`."""
    found: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return found


def digest_of(content: bytes) -> str:
    """SHA-256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


class ArrayFiles:
    """A directory of ``.npy`` files, each named by the SHA-256 of its bytes and never changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, contents: Mapping[str, bytes]) -> None:
        """See `Arrays`."""
        for digest, content in contents.items():
            path = self._path(digest)
            with one_line(path):
                if not path.exists() or digest_of(path.read_bytes()) != digest:
                    write_durably(path, content)

    def reader(self, documents: Sequence[str]) -> ReadArray:
        """See `Arrays`. A file is read when it is asked for."""
        del documents
        return self._read

    def health(self) -> dict[str, int]:
        """See `Arrays`."""
        now, sizes, abandoned = time.time(), [], 0
        for path in self.directory.rglob("*.npy"):
            try:
                found = path.stat()
            except FileNotFoundError:  # a living writer has renamed it meanwhile
                continue
            if not path.name.startswith(TEMPORARY):
                sizes.append(found.st_size)
            elif now - found.st_mtime > _ABANDONED_SECONDS:
                abandoned += 1
        return {"arrays": len(sizes), "array_bytes": sum(sizes), "abandoned_files": abandoned}

    def _read(self, digest: str) -> NDArray[Any]:
        path = self._path(digest)
        with one_line(path):
            if not path.exists():
                raise GnomonError(f"array {path} is missing from the store", mend="restore it, or measure again")
            content = path.read_bytes()
        if digest_of(content) != digest:
            raise GnomonError(f"array {path} is corrupt", mend="delete it, then restore it or measure again")
        return decode(content)

    def _path(self, digest: str) -> Path:
        return self.directory / digest[:2] / f"{digest}.npy"
