"""A case as a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gnomon.assurance.case.case import FORMAT, Case
from gnomon.errors import GnomonError

NAME = "case.json"
_LONGEST = 240  # of what is said of a fault: what was got may be the whole document


def save(case: Case, folder: Path | str) -> Path:
    """Write ``case.json`` into ``folder``, whole or not at all; its path. Raises GnomonError when it cannot."""
    path = Path(folder) / NAME
    content = json.dumps(case.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = path.with_name(f".{NAME}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(content, encoding="utf-8")
        return temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GnomonError(f"cannot write {path}: {error.strerror}", mend="give another folder") from error


def load(where: Path | str) -> Case:
    """The case in a folder, or in a file. Raises GnomonError, in one line, when there is none or it is not sound."""
    path = Path(where)
    path = path / NAME if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GnomonError(
            f"no case at {path}: {error.strerror}", mend="give a folder that gnomon assure --out wrote"
        ) from error
    except ValueError as error:
        raise GnomonError(f"{path} is not JSON: {error}", mend="write it anew with gnomon assure --out") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GnomonError(f"{path} is no case of format {FORMAT}", mend="write it anew with gnomon assure --out")
    try:
        return Case.model_validate(document)
    except GnomonError as error:
        cause = error.cause if len(error.cause) <= _LONGEST else f"{error.cause[:_LONGEST]} …"
        raise GnomonError(f"{path}: {cause}", mend=error.mend) from None
