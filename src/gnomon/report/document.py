"""What every page is made of: templates, style, scripts, and files that are whole or absent."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from gnomon.errors import GnomonError
from gnomon.report.exports import LICENCE, script
from gnomon.report.mathml import definition, mathml, prose

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, *, charts: bool = True, programs: Sequence[str] = (), **content: Any) -> str:
    """The page that ``template`` makes of ``content``, with the scripts of ``charts`` and its own ``programs``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "mathml": mathml,
        "definition": definition,
        "prose": prose,
        "json": _json,
        "drawing": Markup,
    }
    names = ("charts.js", *programs) if charts else programs
    scripts = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in names]
    if charts:
        scripts.insert(0, script())
    return environment.get_template(template).render(
        version=version("gnomon"),
        style=Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),
        scripts=[Markup(s) for s in scripts],
        script_hashes=[_integrity(s) for s in scripts],
        licence=LICENCE,
        **content,
    )


def write_file(path: Path, content: bytes) -> Path:
    """Write ``content`` under a temporary name and rename it; leave nothing behind when that fails."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        return Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turns what the file system raises about ``folder`` into a GnomonError."""
    try:
        yield
    except OSError as error:
        mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give another folder"
        raise GnomonError(f"cannot write the report to '{folder}': {error.strerror or error}", mend=mend) from error


def _json(spec: Mapping[str, Any]) -> Markup:
    """``spec`` inside a script element: ``<``, ``>``, ``&`` and ``'`` are escaped, so that no text can close it."""
    return htmlsafe_json_dumps(dict(spec))


def _integrity(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
