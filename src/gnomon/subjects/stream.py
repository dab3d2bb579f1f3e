"""Activations in memory-mapped files, for what does not fit in memory."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.subjects.accumulate import DEFAULT_BYTES, Progress, check_finite, positions_within
from gnomon.subjects.capture import capture
from gnomon.subjects.data import Data
from gnomon.subjects.statistic import Reads
from gnomon.subjects.subject import Subject
from gnomon.subjects.untouched import seeded

_MAX_POSITIONS = 8192


@dataclass(frozen=True)
class StreamedActivations:
    """Where the activations are.

    Parameters
    ----------
    files : by site, a ``.npy`` file of float32 rows ``(rows, width)``, ordered by example and position.
    rows : by site, a ``.npy`` file of int64 ``(rows, 2)``: example and position of each row. Sites with the same
        positions share one.
    """

    files: Mapping[str, Path]
    rows: Mapping[str, Path]

    def activations(self, site: str) -> NDArray[np.float32]:
        """The rows of ``site``, memory-mapped and read-only."""
        found: NDArray[np.float32] = np.load(self.files[site], mmap_mode="r")
        return found

    def positions(self, site: str) -> NDArray[np.int64]:
        """Example and position of each row of ``site``, memory-mapped and read-only."""
        found: NDArray[np.int64] = np.load(self.rows[site], mmap_mode="r")
        return found


def stream_to_files(
    subject: Subject,
    data: Data,
    sites: Sequence[str],
    directory: str | os.PathLike[str],
    *,
    max_bytes: int = DEFAULT_BYTES,
    progress: Progress | None = None,
) -> StreamedActivations:
    """Write the activations at ``sites`` for all of ``data`` into ``directory``, in one forward pass.

    Files are written under temporary names beside their own and renamed when all of them are complete, so that
    whatever stops it, nothing half-written remains. Their content does not depend on the batching. Padding is left
    out.

    Parameters
    ----------
    max_bytes : bounds the memory of a batch, see `gnomon.subjects.accumulate`; what is written takes none.

    Raises
    ------
    GnomonError : when the disk is full or cannot be written, when the files exist already, when a site is unknown,
        or when an activation is NaN or infinite.

    Cost: one forward pass; 4 bytes a number on disk.
    """
    for site in sites:
        subject.site(site)
    target = Path(directory)
    writers: dict[str, _Writer] = {}
    with _whole_or_nothing(target) as files, subject.evaluating(), seeded(0, subject.device):
        reads = Reads(sites=frozenset(sites))
        limit = min(_MAX_POSITIONS, positions_within(subject, data, reads, max_bytes))
        done = 0
        for batch in data.batches(max_positions=limit):
            captured = capture(subject, batch, reads)
            check_finite(captured)
            examples = batch.examples.numpy()
            for site in sites:
                values = captured.activations[site]
                if site not in writers:
                    lengths = _lengths(data, batch.mask, values.shape[1])
                    writers[site] = _Writer(files, target / f"{quote(site, safe='')}.npy", lengths, values.shape[2])
                mask = captured.mask(values.shape[1]).cpu().numpy()
                writers[site].write(examples, values.float().cpu().numpy(), mask)
            done += len(batch)
            if progress is not None:
                progress(done, len(data))
        rows = _write_rows(files, target, writers)
    return StreamedActivations(
        MappingProxyType({site: writer.path for site, writer in writers.items()}), MappingProxyType(rows)
    )


def _lengths(data: Data, mask: torch.Tensor | None, positions: int) -> NDArray[np.int64]:
    """Real positions of each example at a site."""
    if mask is not None and mask.shape[1] == positions:
        return data.lengths
    return np.full(len(data), positions, dtype=np.int64)


class _Pending:
    """A file of known size under a temporary name. It is written plainly, because a full disk under a memory map
    ends the process.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise GnomonError(f"{path} exists already", mend="give another directory or remove it")
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self.file = self.temporary.open("xb", buffering=0)

    def reserve(self, size: int) -> None:
        """Claim the space, where the system can, so that a disk too small is noticed before any work is done."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self.file.fileno(), 0, size)

    def put(self, content: bytes, offset: int) -> None:
        """Write all of ``content`` at ``offset``."""
        self.file.seek(offset)
        view = memoryview(content)
        while view:
            view = view[self.file.write(view) :]


class _Files:
    """The files of one run: all of them get their names, or none remains."""

    def __init__(self) -> None:
        self.pending: list[_Pending] = []

    def open(self, path: Path) -> _Pending:
        """A new file that will be called ``path``."""
        file = _Pending(path)
        self.pending.append(file)
        return file

    def commit(self) -> None:
        """Give every file its name."""
        for pending in self.pending:
            os.fsync(pending.file.fileno())
        for pending in self.pending:
            pending.temporary.replace(pending.path)

    def discard(self) -> None:
        """Remove what has not been given its name."""
        for pending in self.pending:
            pending.file.close()
            pending.temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _whole_or_nothing(directory: Path) -> Iterator[_Files]:
    files = _Files()
    made = [p for p in (directory, *directory.parents) if not p.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield files
        files.commit()
    except OSError as error:
        raise GnomonError(
            f"cannot write activations to {directory}: {error.strerror}", mend="free space, or give another directory"
        ) from error
    finally:
        files.discard()
        for path in made:  # the innermost first; a directory that holds something stays
            with contextlib.suppress(OSError):
                path.rmdir()


class _Writer:
    """One site's file: every example's rows at their own place."""

    def __init__(self, files: _Files, path: Path, lengths: NDArray[np.int64], width: int) -> None:
        self.path = path
        self.lengths = lengths
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._width = width
        self._file = files.open(path)
        header = _header((int(self._starts[-1]), width), np.dtype(np.float32))
        self._file.reserve(len(header) + 4 * width * int(self._starts[-1]))
        self._file.put(header, 0)
        self._offset = len(header)

    def write(self, examples: NDArray[np.int64], values: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Put the real positions of each example in their place."""
        for example, rows, real in zip(examples, values, mask, strict=True):
            content = np.ascontiguousarray(rows[real], dtype="<f4").tobytes()
            self._file.put(content, self._offset + 4 * self._width * int(self._starts[example]))


def _write_rows(files: _Files, directory: Path, writers: Mapping[str, _Writer]) -> dict[str, Path]:
    """One index for all sites with the same positions."""
    indices: list[tuple[NDArray[np.int64], Path]] = []
    found: dict[str, Path] = {}
    for site, writer in writers.items():
        path = next((p for lengths, p in indices if np.array_equal(lengths, writer.lengths)), None)
        if path is None:
            path = directory / f"_rows.{len(indices)}.npy"
            indices.append((writer.lengths, path))
            example = np.repeat(np.arange(len(writer.lengths)), writer.lengths)
            position = np.concatenate([np.arange(n) for n in writer.lengths])
            index = np.stack([example, position], axis=1).astype("<i8")
            header = _header(index.shape, index.dtype)
            file = files.open(path)
            file.put(header, 0)
            file.put(index.tobytes(), len(header))
        found[site] = path
    return found


def _header(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bytes:
    buffer = io.BytesIO()
    npy.write_array_header_2_0(
        buffer, {"descr": npy.dtype_to_descr(dtype.newbyteorder("<")), "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()
