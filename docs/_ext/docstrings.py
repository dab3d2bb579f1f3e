"""gnomon's docstrings as reStructuredText: sections become rubrics, and ``name : what it is`` definition lists.

Napoleon would read what stands after the colon as a type; here types are in the signature, which is made readable.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_FIELD = re.compile(r"^(\*{0,2}[A-Za-z_][\w.]*(?:, \*{0,2}[A-Za-z_]\w*)*) : (.+)$")
# aliases that autodoc expands, markers that it cannot parse, and the bounds of a specification's fields
_SIGNATURE = (
    (
        re.compile(r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[(.+?)\]\]"),
        r"NDArray[\1]",
    ),
    (re.compile(r"~?(?:typing\.)?Annotated\[(\w+), .*?\)\]"), r"\1"),
    (re.compile(r"<factory>"), "..."),
)
_OF_FIELDS = {"Parameters", "Attributes", "Class attributes", "Raises"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Rewrite every docstring and signature that autodoc reads."""
    app.connect("autodoc-process-docstring", _rewritten)
    app.connect("autodoc-process-signature", _readable)
    return {"parallel_read_safe": True}


def _rewritten(app: Sphinx, kind: str, name: str, documented: object, options: object, lines: list[str]) -> None:
    del app, kind, name, documented, options
    found: list[str] = []
    section = ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"}:
            section = line.strip()
            found += [f".. rubric:: {section}", ""]
        elif not line or set(line) != {"-"}:
            field = _FIELD.match(line) if section in _OF_FIELDS else None
            found += [f"``{field[1]}``", f"    {field[2]}"] if field else [line]
    lines[:] = found


def _readable(
    app: Sphinx, kind: str, name: str, documented: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    del app, kind, name, documented, options
    for pattern, replacement in _SIGNATURE:
        signature, returns = (s and pattern.sub(replacement, s) for s in (signature, returns))
    return signature, returns
