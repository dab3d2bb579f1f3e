"""`gnomon dictionary`: train a dictionary of latents, evaluate it, and make a page to browse it."""

from __future__ import annotations

import typer

from gnomon.cli.dictionary_browse import browse
from gnomon.cli.dictionary_evaluate import evaluate
from gnomon.cli.dictionary_train import train

app = typer.Typer(
    name="dictionary",
    help="Dictionaries of latents: sparse autoencoders and transcoders.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("browse")(browse)
