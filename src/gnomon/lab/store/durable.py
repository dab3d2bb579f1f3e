"""Files that are there whole or not at all, whenever their writer dies."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TEMPORARY = ".writing-"
"""How the name of a file begins that is still being written."""


def write_durably(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: written under a temporary name beside it, flushed to the disk and then renamed.

    Raises OSError when it cannot be written; nothing is left behind then.
    """
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_names(path.parent)
    if is_new:
        flush_names(path.parent.parent)


def flush_names(directory: Path) -> None:
    """Put the names in ``directory`` on the disk, where the system can (Windows cannot, and need not)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
