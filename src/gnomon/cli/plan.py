"""`gnomon plan`: the size and tokens that a budget is best spent on."""

from __future__ import annotations

from typing import Annotated

import typer

from gnomon.cli.options import AsJson, print_json
from gnomon.cli.predict import Fits, Level, checked


def plan(
    fits: Fits,
    budget: Annotated[float, typer.Option("--budget", help="FLOP of the training run.")],
    flop_per: Annotated[float, typer.Option("--flop-per", help="FLOP for each parameter and token.")] = 6.0,
    level: Level = None,
    as_json: AsJson = False,
) -> int:
    """The compute-optimal size and tokens for a budget, from a fit of chinchilla, with intervals.

    The fit's inputs are parameters and tokens, in that order. Exits with 0, and with 3 when the table of the fit does
    not determine the law.
    """
    from gnomon.cli.tables import print_table
    from gnomon.laws.document import read_document
    from gnomon.laws.planning import plan as planned

    source = read_document(fits)
    names = [one.form.name for one in source.fits]
    one = source["chinchilla"] if "chinchilla" in names else source[source.best]
    found = planned(one, budget, flop_per=flop_per, level=checked(level, source))
    if as_json:
        print_json(found.to_json())
        return 0
    size, tokens = one.table.columns
    rows = [
        (name, f"{number.value:.4g}", f"{number.low:.4g} to {number.high:.4g}")
        for name, number in {
            f"size ({size})": found.size,
            f"tokens ({tokens})": found.tokens,
            f"loss ({one.table.target})": found.loss,
            "tokens per parameter": found.tokens_per_parameter,
            "exponent of size": found.size_exponent,
            "exponent of tokens": found.tokens_exponent,
        }.items()
    ]
    print_table(f"{budget:g} FLOP, best spent", ("", "value", f"{100 * found.level:.3g}% interval"), rows)
    if found.decades_beyond > 0:
        typer.echo(f"the budget is {found.decades_beyond:.1f} decades beyond the largest run of the table")
    return 0
