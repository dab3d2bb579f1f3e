"""`gnomon case export`: a case for the model hub, for CI, or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gnomon.cli.case_show import CasePath
from gnomon.errors import GnomonError


def export(
    case: CasePath,
    to: Annotated[Literal["model-card", "junit", "page"], typer.Option("--to", help="What to write.")],
    out: Annotated[Path, typer.Option("--out", help="File; for a page the folder.")],
) -> int:
    """Write a CASE as a Hugging Face model card, as JUnit XML for CI, or as a page."""
    from gnomon.assurance.case import load
    from gnomon.assurance.case.junit import junit
    from gnomon.assurance.case.model_card import model_card
    from gnomon.report.assurance import write_page

    found = load(case)
    if to == "page":
        typer.echo(f"page: {write_page(found, out)}")
        return 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(junit(found) if to == "junit" else model_card(found), encoding="utf-8")
    except OSError as error:
        raise GnomonError(f"cannot write {out}: {error.strerror}", mend="give another --out") from error
    typer.echo(f"{to}: {out}")
    return 0
