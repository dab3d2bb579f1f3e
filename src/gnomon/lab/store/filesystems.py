"""On which file system a path lies, and whether SQLite can be trusted there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gnomon.errors import GnomonError

# Several hosts may have these mounted at once. SQLite's locks and the shared memory of its write-ahead log do not
# reach from one to the other (https://sqlite.org/wal.html, https://sqlite.org/useovernet.html).
# fmt: off
_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "cvmfs", "davfs", "fhgfs", "gfs", "gfs2", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "quobyte", "smb", "smb2", "smb3", "smbfs",
    "wekafs",
})
_NETWORK_FUSE = frozenset({
    "beegfs", "ceph", "ceph-fuse", "davfs", "gcsfuse", "glusterfs", "goofys", "hdfs", "juicefs", "lustre", "moosefs",
    "mount-s3", "quobyte", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
})
# fmt: on
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mounted file system: where, and its type, e.g. ``ext4`` or ``fuse.sshfs``."""

    point: Path
    kind: str

    @property
    def is_network(self) -> bool:
        """Whether other hosts may have it mounted too."""
        kind, _, beneath = self.kind.lower().partition(".")
        return beneath in _NETWORK_FUSE if kind in {"fuse", "fuseblk"} and beneath else kind in _NETWORK


def mounts() -> list[Mount]:
    """The mounted file systems, in the order in which they were mounted; none where the system does not tell."""
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return read_mounts(text)


def read_mounts(text: str) -> list[Mount]:
    r"""The mounts listed in ``text``, in the format of ``/proc/self/mountinfo`` (proc(5)).

    >>> read_mounts("36 35 0:39 / /home/my\\040data rw,noatime shared:1 - nfs4 server:/home rw")
    [Mount(point=PosixPath('/home/my data'), kind='nfs4')]
    """
    found = []
    for line in text.splitlines():
        here, _, there = line.partition(" - ")
        fields, kind = here.split(" "), there.split(" ")[0]
        if len(fields) > 4 and kind:
            found.append(Mount(Path(_ESCAPED.sub(lambda m: chr(int(m[1], 8)), fields[4])), kind))
    return found


def mount_of(path: Path, table: Sequence[Mount]) -> Mount | None:
    """The mount in ``table`` that ``path`` lies on: the deepest above it, and of several there the last."""
    place = path.resolve()
    above = [m for m in table if place.is_relative_to(m.point)]
    return max(reversed(above), key=lambda m: len(m.point.parts), default=None)


def refuse_network(directory: Path) -> None:
    """Raise GnomonError when ``directory`` lies on a network file system, or would when it is made."""
    mount = mount_of(directory, mounts())
    if mount is not None and mount.is_network:
        raise GnomonError(
            f"store {directory} lies on a network file system ({mount.kind}), where SQLite's locks do not hold",
            mend="choose a local directory or postgresql://user@host/database with --store or $GNOMON_STORE",
        )
