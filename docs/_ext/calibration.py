"""The calibration page: what ``gnomon calibrate --json`` last said, as a table a family of estimators."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from gnomon.cli.tables import certificate_row
from gnomon.estimators import estimators
from gnomon.lab.certificate import Certificate

_COLUMNS = ("quantity", "known answer", "truth", "mean", "bias", "spread", "coverage", "read", "verdict")
_MARKUP, _ESCAPED = re.compile(r"([|*_$<\\`])"), r"\\\1"


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the page before Sphinx looks for its sources."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Make ``calibration.md`` from ``calibration.json`` in ``folder``."""
    found = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    certificates = [Certificate(**c) for c in found["instruments"]]
    families: dict[str, list[Certificate]] = {}
    for certificate in certificates:
        module = estimators()[certificate.estimator].__module__
        families.setdefault(module.removeprefix("gnomon.estimators.").split(".")[0], []).append(certificate)
    passed = sum(c.passed for c in certificates)
    lines = [
        "# Calibration",
        "",
        f"`gnomon calibrate --json` ran {len({c.estimator for c in certificates})} instruments on {len(certificates)} "
        f"known answers in {found['seconds'] / 60:.1f} minutes ({found['hardware']}; processes: {found['workers']}): "
        f"{passed} passed. Truth, mean, bias and spread are over the instances that were read; coverage is the share "
        "of them whose interval, widened by its systematic bound, holds the truth.",
    ]
    for family, members in sorted(families.items()):
        lines += ["", f"## {family}", "", _row(_COLUMNS), _row(["---"] * len(_COLUMNS))]
        lines += [_row(certificate_row(c)) for c in members]
    page = folder / "calibration.md"
    text = "\n".join(lines) + "\n"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_MARKUP.sub(_ESCAPED, cell) for cell in cells)} |"
