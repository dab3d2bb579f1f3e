"""A point of a sweep: one experiment with one spec, and the key under which the store knows it."""

from __future__ import annotations

import functools
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from gnomon.lab.spec import Spec
from gnomon.lab.sweep.experiment import Experiment, experiment_named
from gnomon.measurement import hash_json
from gnomon.measurement.provenance import code_version


@dataclass(frozen=True)
class Point:
    """One experiment with one spec. Two points that are equal have one key, and are run once.

    Raises UnknownNameError for an experiment that is not registered.
    """

    experiment: str
    spec: Spec

    def __post_init__(self) -> None:
        experiment_named(self.experiment)

    @functools.cached_property
    def key(self) -> str:
        """SHA-256 of experiment, spec and the version of the code that runs it."""
        code = version_of(experiment_named(self.experiment))
        return hash_json({"experiment": self.experiment, "spec": self.spec.model_dump(mode="json"), "code": code})


def version_of(one: Experiment) -> str:  # type: ignore[type-arg]
    """Version of gnomon's code and, where the experiment comes from elsewhere, of the file that defines it."""
    return code_version() + _foreign(one.module)


@functools.cache
def _foreign(module: str) -> str:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.split(".")[0] == "gnomon":
        return ""
    return "+" + hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]
