"""What is to be assured: a subject as it would be used, and what it can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gnomon.control.controller import Controller
from gnomon.control.defence import Defence
from gnomon.control.monitors.monitor import Monitor
from gnomon.errors import GnomonError
from gnomon.organisms.world import World
from gnomon.subjects import Subject


@dataclass(frozen=True, kw_only=True, eq=False)
class Deployment:
    """A subject with its safeguards, and the materials that evaluations ask it.

    Parameters
    ----------
    subject : the bare network.
    controller, monitor : its safeguards, where it has any.
    folder : the directory that the subject was read from; materials of the same name are looked for there.
    materials : files by name, e.g. ``{"forbidden": Path("requests.csv")}``; they come before those of the folder.
    world : where the subject is an organism that learnt one, what is true in it.
    compute : effective compute of its training, in FLOP; ``None`` where nobody says.
    """

    subject: Subject
    controller: Controller | None = None
    monitor: Monitor | None = None
    folder: Path | None = None
    materials: Mapping[str, Path] = field(default_factory=dict)
    world: World | None = None
    compute: float | None = None

    @property
    def guarded(self) -> bool:
        """Whether it has a safeguard."""
        return self.controller is not None or self.monitor is not None

    @property
    def defence(self) -> Defence:
        """The subject behind its safeguards."""
        return Defence(name="deployed", subject=self.subject, controller=self.controller, monitor=self.monitor)

    @property
    def bare(self) -> Deployment:
        """The same without safeguards: what it can do when nothing stops it."""
        return replace(self, controller=None, monitor=None)

    def has(self, name: str) -> bool:
        """Whether there is material called ``name``."""
        return self._find(name) is not None

    def material(self, name: str) -> Path:
        """The file of the material called ``name``. Raises GnomonError where there is none."""
        found = self._find(name)
        if found is None:
            raise GnomonError(f"there is no material {name!r}", mend=f"give --material {name}=FILE")
        return found

    def _find(self, name: str) -> Path | None:
        if name in self.materials:
            return self.materials[name]
        if self.folder is None:
            return None
        for part in ("", "concepts/"):
            for ending in ("csv", "tsv", "jsonl", "txt", "eval", "json"):
                path = self.folder / f"{part}{name}.{ending}"
                if path.is_file():
                    return path
        return None
