"""Where built organisms are kept: one folder for each recipe and version of the generator, whole or absent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from gnomon.errors import GnomonError
from gnomon.measurement import hash_json


def folder() -> Path:
    """``$GNOMON_CACHE/organisms``, or ``~/.cache/gnomon/organisms``."""
    root = os.environ.get("GNOMON_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "gnomon") / "organisms"


def key(kind: str, recipe: Mapping[str, Any], *code: ModuleType) -> str:
    """The name of an organism: hash of its recipe, of torch's version, of the packages ``code`` and of this one.

    With other code, or another torch, nothing that was built before is taken for new.
    """
    digest = hashlib.sha256(hash_json({"recipe": recipe, "torch": torch.__version__}).encode())
    for folder in (Path(__file__).parent, *(Path(package.__file__ or "").parent for package in code)):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return f"{kind}-{digest.hexdigest()[:24]}"


def kept(name: str, make: Callable[[Path], None], *, root: Path | None = None) -> Path:
    """The folder of ``name``, made by ``make(temporary)`` if there is none yet.

    ``make`` fills a temporary folder beside it, which is renamed when it is whole: an interrupted or failed build
    leaves nothing under the name. Of several processes that want one name, one builds and the others wait for it.

    Raises
    ------
    GnomonError : when the cache cannot be written.
    """
    place = root or folder()
    target = place / name
    if target.is_dir():
        return target
    with writable(place):
        place.mkdir(parents=True, exist_ok=True)
        with _lock(place / f".{name}.lock"):
            if not target.is_dir():
                _sweep(place, name)
                with whole(target) as temporary:
                    make(temporary)
    return target


def copied(built: Path, target: Path, *, same: Callable[[Path], bool]) -> None:
    """Copy a built organism to ``target``, whole or not at all; nothing is done where ``same(target)`` holds.

    Raises
    ------
    GnomonError : when something else is there, or it cannot be written.
    """
    if target.exists():
        with contextlib.suppress(GnomonError):
            if same(target):
                return
        raise GnomonError(f"{target} holds something else", mend="give a folder that does not exist")
    with writable(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as temporary:
            shutil.copytree(built, temporary, dirs_exist_ok=True)


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``target`` when the block ends, and is removed when it fails."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def writable(place: Path) -> Iterator[None]:
    """Faults of the file system inside are one line that names ``place``."""
    try:
        yield
    except OSError as error:
        mend = "free some space" if error.errno == errno.ENOSPC else "give a writable folder, or set GNOMON_CACHE"
        raise GnomonError(f"cannot write {place}: {error.strerror or error}", mend=mend) from error


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(path):
        yield


def _sweep(place: Path, name: str) -> None:
    """Remove what killed builders of ``name`` left; nobody else is building it, for the lock is ours."""
    for left in place.glob(f".{name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
