"""`gnomon predict`: what fitted laws say of a measurement that was not made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gnomon.cli.options import AsJson, print_json
from gnomon.errors import GnomonError

if TYPE_CHECKING:
    from gnomon.laws import Fit
    from gnomon.laws.comparison import Comparison

Fits = Annotated[Path, typer.Argument(metavar="FIT", help="What gnomon fit saved or printed as JSON.")]
Level = Annotated[float | None, typer.Option("--level", help="Of the intervals; default: that of the fit.")]


def predict(
    fits: Fits,
    places: Annotated[list[str], typer.Option("--at", help="COLUMN=VALUE,… of the inputs; repeat for more places.")],
    level: Level = None,
    as_json: AsJson = False,
) -> int:
    """Forecast one more measurement at each --at, with an interval that holds all that is uncertain.

    The interval covers the parameters, the form where several were compared, and the scatter of the measurement itself.
    It says where the laws do not claim to hold: far beyond the table.
    """
    from gnomon.cli.tables import print_table
    from gnomon.laws.document import read_document

    source = read_document(fits)
    level = checked(level, source)
    target = source.fits[0].table.target
    found = [_forecast(source, read_place(text, source.fits[0].table.columns), level) for text in places]
    if as_json:
        print_json(found if len(found) > 1 else found[0])
        return 0
    rows = [
        (
            ", ".join(f"{name} = {value:g}" for name, value in one["at"].items()),
            f"{one['value']:.5g}",
            f"{one['low']:.5g} to {one['high']:.5g}",
            "; ".join(one["outside"]) or "inside",
        )
        for one in found
    ]
    print_table(f"{target}, forecast", ("at", "value", f"{100 * level:.3g}% interval", "domain"), rows)
    if len(source.fits) > 1:
        names = sorted(source.weights, key=lambda name: -source.weights[name])
        each = [
            (row[0], *(_shown(one["forms"][n]["value"]) for n in names)) for row, one in zip(rows, found, strict=True)
        ]
        print_table("by form (its weight)", ("at", *(f"{n} ({source.weights[n]:.0%})" for n in names)), each)
    typer.echo(f"domain: {found[0]['domain']}")
    return 0


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def read_place(text: str, columns: tuple[str, ...]) -> dict[str, float]:
    """``NAME=VALUE,…`` as inputs. Raises GnomonError for anything else; names may hold commas.

    >>> read_place("Model Size=1e9, D=2e10", ("Model Size", "D"))
    {'Model Size': 1000000000.0, 'D': 20000000000.0}
    """
    found = {}
    rest = text.strip()
    while rest:
        name = next((c for c in columns if rest.startswith(c) and rest[len(c) :].lstrip().startswith("=")), None)
        known, equals, after = (name, "=", rest[len(name) :].lstrip()[1:]) if name else rest.partition("=")
        value, _, rest = after.partition(",")
        rest = rest.strip()
        try:
            number = float(value)
        except ValueError:
            number = None
        if not equals or number is None or known.strip() in found:
            raise GnomonError(f"cannot read the place {text!r}", mend=f"write {','.join(f'{c}=…' for c in columns)}")
        found[known.strip()] = number
    return found


def checked(level: float | None, source: Comparison) -> float:
    """``level``, or that of the fits. Raises GnomonError for what is no level."""
    if level is None:
        return source.fits[0].level
    if not 0 < level < 1:
        raise GnomonError(f"a level of {level:g}", mend="give one between 0 and 1, such as 0.95")
    return level


def _forecast(source: Comparison, at: Mapping[str, float], level: float) -> dict[str, Any]:
    from gnomon.laws.distribution import Mixture
    from gnomon.laws.forecast import forecast

    def ends(one: Mixture) -> dict[str, float]:
        return {
            "value": one.quantile(0.5),
            "low": one.quantile((1 - level) / 2),
            "high": one.quantile((1 + level) / 2),
        }

    def of(one: Fit) -> dict[str, float | None]:
        try:
            return {**ends(forecast(one, at).distribution)}
        except GnomonError:  # it has no value there, and no part in the forecast
            return dict.fromkeys(("value", "low", "high"))

    whole = forecast(source, at)
    each = {one.form.name: of(one) for one in source.fits}
    return {
        "target": source.fits[0].table.target,
        "at": dict(whole.at),
        **ends(whole.distribution),
        "level": level,
        "forms": {name: {**values, "weight": source.weights[name]} for name, values in each.items()},
        "variances": dict(whole.variances),
        "domain": whole.domain,
        "inside": not whole.outside,
        "outside": list(whole.outside),
    }
