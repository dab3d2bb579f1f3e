"""An outbox: points as immutable files on a disk that hosts share, for one reader to bring into a store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.lab.store.documents import canonical
from gnomon.lab.store.durable import TEMPORARY, write_durably
from gnomon.lab.store.failures import one_line
from gnomon.lab.store.point_record import PointRecord
from gnomon.lab.store.store import Store

_SUFFIX = ".points"
_ASIDE = "set-aside"
_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})" + re.escape(_SUFFIX))


@dataclass
class Ingested:
    """What `Outbox.ingest` brought into the store.

    Parameters
    ----------
    records : the points, as they were handed in.
    set_aside : files that could not be read, where they are now.
    """

    records: list[PointRecord] = field(default_factory=list)
    set_aside: list[Path] = field(default_factory=list)


class Outbox:
    """A folder in which tasks that share nothing but a disk leave what they found, each in a file of its own.

    A file is never changed, and is there whole or not at all: it is flushed to the disk under another name and then
    renamed. Its name is made of a hash of the keys of its points and the SHA-256 of its content, so that two files of
    one name are one, and a file that was cut or damaged shows. Needs nothing of the file system but an atomic
    rename: no locks, no database.

    Parameters
    ----------
    folder : where the files are; made when it is first written to. One outbox belongs to one store.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def put(self, records: Sequence[PointRecord]) -> Path:
        """Leave ``records`` as one file, and return its path.

        Raises GnomonError for an outcome that is not JSON, or when the file cannot be written.
        """
        content = canonical([record.to_json() for record in records]).encode()
        keys = hashlib.sha256("\n".join(record.key for record in records).encode()).hexdigest()
        path = self.folder / f"{keys}-{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        with one_line(self.folder):
            write_durably(path, content)
        return path

    def ingest(self, store: Store) -> Ingested:
        """Bring what lies in the outbox into ``store``, and clear it away once it is safe there.

        It may be interrupted at any moment and run again, and several may run at once: `Store.add_points` keeps each
        point once. A file that cannot be read is moved to the folder ``set-aside`` beside the others, never deleted.
        Raises GnomonError when the folder or the store cannot be written; the files stay then.
        """
        found = Ingested()
        with one_line(self.folder):
            merged = []
            for path in self._files():
                try:
                    content = path.read_bytes()
                except FileNotFoundError:  # another reader was faster
                    continue
                records = _read(path, content)
                if records is None:
                    found.set_aside += self._set_aside(path)
                else:
                    found.records += records
                    merged.append(path)
            if found.records:
                store.add_points(found.records)
            for path in merged:
                path.unlink(missing_ok=True)
        return found

    def set_aside(self) -> list[Path]:
        """The files that could not be read, whenever that was."""
        return sorted((self.folder / _ASIDE).glob(f"*{_SUFFIX}"))

    def _files(self) -> list[Path]:
        found = self.folder.glob(f"*{_SUFFIX}")
        return sorted(path for path in found if not path.name.startswith(TEMPORARY))

    def _set_aside(self, path: Path) -> list[Path]:
        there = self.folder / _ASIDE / path.name
        there.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another reader was faster
            path.rename(there)
            return [there]
        return []


def _read(path: Path, content: bytes) -> list[PointRecord] | None:
    """The records in ``content`` of the file ``path``, or ``None`` when it is not what was written."""
    name = _NAME.fullmatch(path.name)
    if name is None or hashlib.sha256(content).hexdigest() != name[2]:
        return None
    try:
        return [PointRecord(**record) for record in json.loads(content)]
    except (ValueError, TypeError):
        return None
