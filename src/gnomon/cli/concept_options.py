"""Options of the commands that read concepts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Present = Annotated[str | None, typer.Option("--present", help="The label that has the concept; all others lack it.")]
Pair = Annotated[str | None, typer.Option("--pair", help="Column with the id that both texts of a pair share.")]
Span = Annotated[
    str | None, typer.Option("--span", help="Column that names a part of each text: words of it, or begin:end.")
]
Positive = Annotated[str | None, typer.Option("--positive", help="Column of each pair's text with the concept.")]
Negative = Annotated[str | None, typer.Option("--negative", help="Column of each pair's text without it.")]
KindOfConcept = Annotated[
    Literal["binary", "paired", "graded"] | None,
    typer.Option("--kind", help="binary, paired or graded; follows from the labels by default."),
]
WhereInText = Annotated[
    Literal["last", "mean", "span"] | None,
    typer.Option("--position", help="Where in each text: its last token, the mean over it, or over the --span."),
]
Cut = Annotated[
    Literal["error", "truncate"],
    typer.Option("--overlong", help="Texts longer than the context: error, or truncate to their beginning."),
]
ConceptFile = Annotated[Path, typer.Argument(metavar="FILE", help="Texts (CSV, TSV, JSONL) or arrays (.npz).")]
