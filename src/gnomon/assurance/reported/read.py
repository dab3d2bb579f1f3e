"""Reading a log, of whichever kind it is."""

from __future__ import annotations

import json
from pathlib import Path

from gnomon.assurance.reported import harness_log, inspect_log
from gnomon.assurance.reported.score import Score
from gnomon.errors import GnomonError

_ZIP = b"PK\x03\x04"


def read_log(path: Path) -> list[Score]:
    """Every score that a log of inspect_ai or of lm-evaluation-harness states, in its order.

    Raises GnomonError when the file is neither, is not whole, or is of a run that did not succeed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_ZIP))
    except OSError as error:
        raise GnomonError(f"{path}: cannot be read: {error.strerror}", mend="give the file of a log") from None
    if start == _ZIP or path.suffix == ".eval":
        return inspect_log.read_archive(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        what = "samples alone" if path.suffix == ".jsonl" else f"no JSON: {error}"
        raise GnomonError(f"{path}: {what}", mend="give an .eval, a .json or a results_*.json") from None
    if inspect_log.is_log(document):
        return inspect_log.scores(path, document)
    if harness_log.is_log(document):
        return harness_log.scores(path, document)
    raise GnomonError(
        f"{path}: neither a log of inspect_ai nor results of lm-evaluation-harness", mend="give one of these"
    )
