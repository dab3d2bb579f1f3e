"""Where a measurement comes from: enough to run it again and to know what it shares with others."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_RECORDED = ("gnomon", "numpy", "scipy", "torch", "transformers", "tokenizers")
_TUPLES = ("parents", "inherited_seeds", "inherited_data")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of a measurement.

    Two measurements with a common ``seed`` or ``data_hash`` share randomness; combining them needs a
    stated correlation (see `gnomon.measurement.arithmetic`). A combination has no single seed or data set:
    ``inherited_seeds`` and ``inherited_data`` hold all that its parts have, so that it shares with them too.
    """

    spec_hash: str
    weights_hash: str
    data_hash: str | None
    seed: int | None
    subject: str = ""
    code_version: str = ""
    code_commit: str | None = None
    code_dirty: bool | None = None
    packages: tuple[tuple[str, str], ...] = ()
    hardware: str = ""
    wall_seconds: float = 0.0
    flops: float = 0.0
    created: str = ""
    parents: tuple[str, ...] = ()
    inherited_seeds: tuple[int, ...] = ()
    inherited_data: tuple[str, ...] = ()

    @property
    def seeds(self) -> frozenset[int]:
        """Every seed that the number depends on."""
        return frozenset(self.inherited_seeds if self.seed is None else (*self.inherited_seeds, self.seed))

    @property
    def data_hashes(self) -> frozenset[str]:
        """Every data set that the number depends on."""
        return frozenset(self.inherited_data if self.data_hash is None else (*self.inherited_data, self.data_hash))

    def shares_with(self, other: Provenance) -> frozenset[str]:
        """Which sources of randomness the two have in common: a subset of ``{"seed", "data"}``."""
        shared = set()
        if self.seeds & other.seeds:
            shared.add("seed")
        if self.data_hashes & other.data_hashes:
            shared.add("data")
        return frozenset(shared)

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        out = asdict(self)
        out["packages"] = dict(self.packages)
        for name in _TUPLES:
            out[name] = list(out[name])
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Provenance:
        """Read what `to_json` wrote."""
        packages = tuple(sorted(data["packages"].items()))
        return cls(**{**data, "packages": packages, **{name: tuple(data.get(name, ())) for name in _TUPLES}})


def record(
    *,
    spec: Any,
    subject: str,
    weights_hash: str,
    data_hash: str | None,
    seed: int | None,
    wall_seconds: float,
    flops: float,
    hardware: str | None = None,
    parents: tuple[str, ...] = (),
) -> Provenance:
    """Provenance of something measured here and now by this installation. ``spec`` is any JSON value."""
    commit, dirty = code_state()
    return Provenance(
        spec_hash=hash_json(spec),
        weights_hash=weights_hash,
        data_hash=data_hash,
        seed=seed,
        subject=subject,
        code_version=code_version(),
        code_commit=commit,
        code_dirty=dirty,
        packages=installed_packages(),
        hardware=hardware or _hardware(),
        wall_seconds=wall_seconds,
        flops=flops,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parents=parents,
    )


def hash_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value`` (sorted keys, no spaces).

    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_version() -> str:
    """Hash of gnomon's own source files: two runs with the same value ran the same code."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def installed_packages() -> tuple[tuple[str, str], ...]:
    """Versions of the packages that a number may depend on, sorted by name."""
    found = []
    for name in _RECORDED:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(sorted(found))


@functools.cache
def code_state() -> tuple[str | None, bool | None]:
    """Commit of gnomon's checkout, and whether its sources differ from it; ``None`` where it is not run from one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None, None
    try:
        head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
        status = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--", "src"], capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    if head.returncode or status.returncode:
        return None, None
    return head.stdout.strip(), bool(status.stdout.strip())


@functools.cache
def _hardware() -> str:
    return f"{platform.system()} {platform.machine()} cpu"
