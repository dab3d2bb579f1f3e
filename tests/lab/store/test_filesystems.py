from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.store import Store, filesystems
from gnomon.lab.store.filesystems import Mount, mount_of, mounts, read_mounts

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:5 / /dev rw shared:2 - devtmpfs udev rw
24 22 0:21 / /home rw,noatime shared:3 master:1 - nfs4 server:/export/home rw,vers=4.2
25 24 0:30 / /home/ann/local rw - tmpfs tmpfs rw
26 22 0:31 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw
27 22 0:32 / /mnt/my\\040share rw - cifs //host/share rw
28 22 0:33 / /mnt/laptop rw - fuse.sshfs ann@laptop:/ rw
29 22 0:34 / /merged rw - overlay overlay rw
30 22 0:35 / /stacked rw - nfs server:/a rw
31 30 0:36 / /stacked rw - xfs /dev/vdb rw
32 22 0:37 / /mnt/usb rw - fuseblk /dev/sdb1 rw
33 22 0:38 / /mnt/encrypted rw - fuse.gocryptfs /x rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/lib", "ext4", False),
        ("/home", "nfs4", True),
        ("/home/ann/work/.gnomon", "nfs4", True),
        ("/home/ann/local/.gnomon", "tmpfs", False),
        ("/home/ann/locale", "nfs4", True),
        ("/homes", "ext4", False),
        ("/scratch/a", "lustre", True),
        ("/mnt/my share/a", "cifs", True),
        ("/mnt/laptop", "fuse.sshfs", True),
        ("/merged/a", "overlay", False),
        ("/stacked/a", "xfs", False),  # the later mount covers the earlier
        ("/mnt/usb/a", "fuseblk", False),
        ("/mnt/encrypted/a", "fuse.gocryptfs", False),
    ],
)
def test_the_deepest_mount_decides(path: str, kind: str, is_network: bool) -> None:
    mount = mount_of(Path(path), read_mounts(TABLE))
    assert mount is not None
    assert (mount.kind, mount.is_network) == (kind, is_network)


@pytest.mark.parametrize("kind", ["nfs", "smb3", "gpfs", "beegfs", "9p", "ceph", "glusterfs", "fuse.s3fs", "NFS"])
def test_network_file_systems(kind: str) -> None:
    assert Mount(Path("/"), kind).is_network


@pytest.mark.parametrize(
    "kind",
    ["ext4", "xfs", "btrfs", "zfs", "apfs", "tmpfs", "overlay", "overlayfs", "virtiofs", "f2fs", "fuse", "squashfs"],
)
def test_local_file_systems(kind: str) -> None:
    assert not Mount(Path("/"), kind).is_network


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    table = [Mount(Path("/"), "ext4"), Mount(tmp_path / "far", "nfs4")]
    mount = mount_of(tmp_path / "near" / "store", table)
    assert mount is not None
    assert mount.kind == "nfs4"


def test_a_store_there_is_refused_with_the_reason_and_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "old"):
        pass
    monkeypatch.setattr(filesystems, "mounts", lambda: [Mount(Path("/"), "ext4"), Mount(tmp_path, "nfs4")])
    for place, create in ((tmp_path / "new", True), (tmp_path / "old", True), (tmp_path / "old", False)):
        with pytest.raises(
            GnomonError, match=r"network file system \(nfs4\).*local directory or postgresql://"
        ) as caught:
            Store.open(place, create=create)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(filesystems, "mounts", lambda: [Mount(tmp_path, "overlay")])
    with Store.open(tmp_path / "new"):
        pass


def test_the_mounts_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = mounts()
    if Path("/proc/self/mountinfo").exists():
        assert mount_of(Path("/proc/self"), found) in [m for m in found if m.kind == "proc"]
    monkeypatch.setattr(filesystems, "_MOUNTS", tmp_path / "none")
    assert mounts() == []
    assert mount_of(tmp_path, []) is None
