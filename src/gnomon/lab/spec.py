"""A spec: everything that decides the outcome of an experiment, as a frozen, hashable document."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.measurement import hash_json


class Spec(BaseModel):
    """Base of all specs: frozen, without unknown fields, NaN or infinity; faults are told in one line.

    Two specs that are equal have one hash, whatever file, command line or process they come from.

    >>> class Trial(Spec):
    ...     steps: int = 10
    >>> Trial(steps=20).hash == Trial().changed({"steps": "20"}).hash
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            faults = (
                f"{'.'.join(map(str, e['loc'])) or 'spec'}: {e['msg']} (got {e['input']!r})" for e in error.errors()
            )
            raise GnomonError(f"bad {cls.__name__}: {'; '.join(faults)}", mend="mend the field") from None

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hash_json(self.model_dump(mode="json"))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The spec with some fields changed; names of nested fields are dotted (``optimizer.learning_rate``).

        Values may be text, as a command line gives them. Raises UnknownNameError for a name that is no field,
        GnomonError for a value that does not fit.
        """
        document = self.model_dump(mode="json")
        for name, value in changes.items():
            *parents, last = name.split(".")
            inner: Any = document
            for parent in parents:
                inner = inner.get(parent) if isinstance(inner, dict) else None
            if not isinstance(inner, dict) or last not in inner:
                raise UnknownNameError(f"field of {type(self).__name__}", name, list(_names(document)))
            inner[last] = parsed(value) if isinstance(value, str) else value
        return self.model_validate(document)


def read_toml(path: str | Path) -> dict[str, Any]:
    """The document in a TOML file. Raises GnomonError when there is none or it cannot be read."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GnomonError(f"no file {str(path)!r}", mend="give the path of a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GnomonError(f"{path} is not TOML: {error}", mend="mend the line") from None


def parsed(text: str) -> Any:
    """``text`` as a TOML value where it is one (numbers, lists, true), else as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _names(document: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for name, value in document.items():
        names += _names(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return names
