"""Options that say what is assured: safeguards, materials and compute, and how they become a deployment."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.cli.options import open_subject
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.assurance import Deployment
    from gnomon.assurance.asking import Question

Safeguards = Annotated[
    list[str] | None,
    typer.Option("--with", help="Directory of a controller or a monitor that it is used with; repeat."),
]
Materials = Annotated[
    list[str] | None, typer.Option("--material", help="NAME=FILE that evaluations read; before those beside SUBJECT.")
]
Compute = Annotated[
    float | None, typer.Option("--compute", help="Effective compute of its training, in FLOP; a world states its own.")
]


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What the command line says of the deployment.

    Parameters
    ----------
    subject, safeguards, materials, device : as given.
    compute : as given; what ``world.json`` states where it is ``None``.
    """

    subject: str
    safeguards: Sequence[str] = ()
    materials: Sequence[str] = ()
    compute: float | None = None
    device: str = "cpu"

    def open(self) -> Deployment:
        """The deployment. Raises GnomonError for what cannot be read, or a second controller or monitor."""
        from gnomon.assurance import Deployment
        from gnomon.control.controller import Controller
        from gnomon.control.monitors.monitor import Monitor
        from gnomon.organisms.world import read_world
        from gnomon.organisms.world.build import FILE
        from gnomon.structure.artefact import kind_of

        given = dict(_material(text) for text in self.materials)
        if len(given) < len(self.materials):
            raise GnomonError("--material names one material twice", mend="give each name once")
        if self.compute is not None and not 0 < self.compute < math.inf:
            raise GnomonError(f"--compute is {self.compute:g}", mend="give FLOP, such as 1e21")
        kinds = {path: kind_of(path) for path in self.safeguards}
        for path, kind in kinds.items():
            if kind not in ("controller", "monitor") or list(kinds.values()).count(kind) > 1:
                raise GnomonError(
                    f"--with {path} is a {kind}; a deployment has at most one controller and one monitor",
                    mend="give directories that gnomon steer or gnomon monitor fit wrote",
                )
        parts = {kind: path for path, kind in kinds.items()}
        folder = Path(self.subject) if Path(self.subject).is_dir() else None
        world = read_world(folder) if folder is not None and (folder / FILE).is_file() else None
        subject = open_subject(self.subject, self.device)
        return Deployment(
            subject=subject,
            controller=Controller.load(parts["controller"]) if "controller" in parts else None,
            monitor=Monitor.load(parts["monitor"], subject) if "monitor" in parts else None,
            folder=folder,
            materials=given,
            world=world,
            compute=_stated(folder / FILE) if self.compute is None and world and folder else self.compute,
        )

    def command(self, question: Question, *, level: float, seed: int) -> tuple[str, ...]:
        """The ``gnomon evaluate`` that puts ``question`` again, and gives the same numbers."""
        line = ["gnomon", "evaluate", self.subject, question.evaluation]
        for setting in question.settings:
            line += ["--set", setting]
        for path in () if question.bare else self.safeguards:
            line += ["--with", path]
        for text in self.materials:
            line += ["--material", text]
        if self.compute is not None:
            line += ["--compute", repr(self.compute)]
        if self.device != "cpu":
            line += ["--device", self.device]
        return (*line, "--level", repr(level), "--seed", str(seed))


def _material(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (equals and name and file):
        raise GnomonError(f"cannot read --material {text!r}", mend="write NAME=FILE")
    if not Path(file).is_file():
        raise GnomonError(f"--material {name}: no file {file!r}", mend="give the path of an existing file")
    return name, Path(file)


def _stated(file: Path) -> float | None:
    """The floating-point operations of training that a world's file states."""
    found = json.loads(file.read_text(encoding="utf-8")).get("training", {}).get("flops")
    return None if found is None else float(found)
