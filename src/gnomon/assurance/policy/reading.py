"""Policies as files: TOML documents of a person's own, and those that gnomon ships."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from gnomon.assurance.policy.policy import Policy
from gnomon.errors import GnomonError, UnknownNameError
from gnomon.lab.spec import read_toml

_SECTIONS = {"level": "levels", "threshold": "thresholds", "safeguard": "safeguards"}


def shipped() -> dict[str, Path]:
    """The policies that come with gnomon, by name."""
    folder = Path(str(resources.files("gnomon.assurance") / "policies"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def read_policy(given: str | Path) -> Policy:
    """The policy in a TOML file, or the shipped one of that name, checked against all that is registered.

    Raises GnomonError, naming the file and the field, for anything that would only be found out while measuring.
    """
    path = Path(given)
    if not path.is_file():
        known = shipped()
        if path.suffix == ".toml" or path.name != str(given):
            raise GnomonError(f"no file {str(given)!r}", mend=f"give a TOML file, or one of {', '.join(known)}")
        if str(given) not in known:
            raise UnknownNameError("policy", str(given), known)
        path = known[str(given)]
    try:
        policy = policy_of(read_toml(path))
        policy.check()
    except GnomonError as error:
        raise GnomonError(error.cause if str(path) in error.cause else f"{path}: {error.cause}", mend=error.mend) from (
            None
        )
    return policy


def policy_of(document: dict[str, Any]) -> Policy:
    """The policy of a document: ``[policy]``, ``[[level]]``, ``[[threshold]]``, ``[[safeguard]]`` and ``[cadence]``.

    Raises GnomonError for other sections, and as `Policy` does. Names are not looked up; see `Policy.check`.
    """
    sections = ["policy", *_SECTIONS, "cadence"]
    for section in document:
        if section not in sections:
            raise UnknownNameError("section", section, sections)
    if not isinstance(document.get("policy"), dict):
        raise GnomonError("there is no [policy]", mend="add one with name, title, source and version")
    fields: dict[str, Any] = {plural: tuple(document.get(one, ())) for one, plural in _SECTIONS.items()}
    if "cadence" in document:
        fields["cadence"] = document["cadence"]
    return Policy(**document["policy"], **fields)
