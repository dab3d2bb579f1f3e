"""The identity of a deployment's safeguards."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from gnomon.assurance.deployment import Deployment


def safeguards_hash(deployment: Deployment) -> str:
    """SHA-256 of the controller and the monitor as they are saved; the same for every deployment without either."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as room:
        for name, part in (("controller", deployment.controller), ("monitor", deployment.monitor)):
            digest.update(name.encode())
            if part is not None:
                for file in sorted(part.save(Path(room) / name).iterdir()):
                    digest.update(file.read_bytes())
    return digest.hexdigest()
