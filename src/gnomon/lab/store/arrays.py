"""Arrays as immutable files named by their content."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.lab.store.failures import one_line

_TEMPORARY = ".writing-"
# A temporary file older than this has no writer any more: one array takes far less.
_ABANDONED_SECONDS = 60.0


class ArrayFiles:
    """A directory of ``.npy`` files, each named by the SHA-256 of its bytes and never changed.

    A file is written under a temporary name beside its place, flushed to the disk and then renamed, so that a
    name is either absent or whole, whenever the writer dies.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, array: NDArray[Any]) -> str:
        """Keep ``array`` and return its hash. Raises GnomonError when it cannot be written."""
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        with one_line(path):
            if not path.exists() or _digest(path.read_bytes()) != digest:
                _write_durably(path, content)
        return digest

    def read(self, digest: str) -> NDArray[Any]:
        """The array with this hash. Raises GnomonError when it is missing or its content does not match."""
        path = self._path(digest)
        with one_line(path):
            if not path.exists():
                raise GnomonError(f"array {path} is missing from the store", mend="restore it, or measure again")
            content = path.read_bytes()
        if _digest(content) != digest:
            raise GnomonError(f"array {path} is corrupt", mend="delete it, then restore it or measure again")
        found: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
        return found

    def health(self) -> dict[str, int]:
        """Number and bytes of the arrays, and of temporary files that a dead writer left behind."""
        now, sizes, abandoned = time.time(), [], 0
        for path in self.directory.rglob("*.npy"):
            try:
                found = path.stat()
            except FileNotFoundError:  # a living writer has renamed it meanwhile
                continue
            if not path.name.startswith(_TEMPORARY):
                sizes.append(found.st_size)
            elif now - found.st_mtime > _ABANDONED_SECONDS:
                abandoned += 1
        return {"arrays": len(sizes), "array_bytes": sum(sizes), "abandoned_files": abandoned}

    def _path(self, digest: str) -> Path:
        return self.directory / digest[:2] / f"{digest}.npy"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_durably(path: Path, content: bytes) -> None:
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}.npy")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_names(path.parent)
    if is_new:
        _flush_names(path.parent.parent)


def _flush_names(directory: Path) -> None:
    """Put the names in ``directory`` on the disk, where the system can (Windows cannot, and need not)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
