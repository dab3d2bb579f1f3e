"""Reports: an examination as one self-contained page, with its figures beside it.

The names below are imported when they are first used: drawing needs Altair, Jinja2 and vl-convert, and who only
formats a number should not wait for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.report.content import CalibrationRow, Examination, SubjectFacts
    from gnomon.report.examining import examine
    from gnomon.report.page import write_report

_HOME = {
    "CalibrationRow": "gnomon.report.content",
    "Examination": "gnomon.report.content",
    "SubjectFacts": "gnomon.report.content",
    "examine": "gnomon.report.examining",
    "write_report": "gnomon.report.page",
}

__all__ = ["CalibrationRow", "Examination", "SubjectFacts", "examine", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gnomon.report' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
