"""Members of zip archives, those compressed with Zstandard among them, which zipfile reads from Python 3.14 on."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from gnomon.errors import GnomonError

_ZSTANDARD = 93
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


def read_member(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    """The member called ``name`` of the ``archive`` at ``path``.

    Raises GnomonError for Zstandard where neither zipfile nor pyarrow can read it, BadZipFile when it is not whole.
    """
    info = archive.getinfo(name)
    try:
        return archive.read(info)
    except NotImplementedError:
        if info.compress_type != _ZSTANDARD:
            raise zipfile.BadZipFile(f"compression {info.compress_type} of {name}") from None
    try:
        import pyarrow
    except ImportError:
        raise GnomonError(
            f"{path}: compressed with Zstandard", mend="install gnomon[parquet], or `inspect log convert --to json`"
        ) from None
    with path.open("rb") as file:
        file.seek(info.header_offset)
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        file.seek(name_length + extra_length, 1)
        packed = file.read(info.compress_size)
    data = bytes(pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd").read())
    if zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile(f"bad CRC-32 of {name}")
    return data
