"""Checkpoints of a training run: the last two are kept, each whole or not at all."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.artefact import Artefact

KIND = "dictionary-checkpoint"
_NAME = re.compile(r"step-(\d+)")
_KEPT = 2


class Checkpoints:
    """Those of one run, in ``directory``, which may hold other things too.

    Parameters
    ----------
    identity : hash of all that decides the run; checkpoints of another one are not taken up.
    """

    def __init__(self, directory: Path, identity: str) -> None:
        self._directory = directory
        self._identity = identity

    def save(self, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
        """Write one beside those that exist, then remove all but the last two.

        Raises GnomonError when it cannot be written; those that exist are still there then.
        """
        path = self._directory / f"step-{document['step']:09d}"
        Artefact(KIND, {**document, "identity": self._identity}, tensors).save(path)
        # what a run that was killed while it wrote has left goes too
        for old in (*self._found()[:-_KEPT], *self._directory.glob(".step-*")):
            shutil.rmtree(old, ignore_errors=True)
        return path

    def latest(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Document and tensors of the last that is whole, with a warning where a later one is not.

        Raises GnomonError when all are damaged, or when they are of another run.
        """
        found = self._found()
        fault: GnomonError | None = None
        for path in reversed(found):
            try:
                artefact = Artefact.load(path, KIND)
            except GnomonError as error:
                fault = error
                warnings.warn(f"{error}; an earlier checkpoint is used if there is one", stacklevel=2)
                continue
            if artefact.document["identity"] != self._identity:
                raise GnomonError(
                    f"{path} is of a run with other rows, options or seed",
                    mend="give the same as then, or another directory",
                )
            return dict(artefact.document), dict(artefact.tensors)
        if fault is not None:
            raise fault
        return None

    def _found(self) -> list[Path]:
        if not self._directory.is_dir():
            return []
        return sorted(path for path in self._directory.iterdir() if _NAME.fullmatch(path.name))
