"""`gnomon quantities`: what can be measured."""

from __future__ import annotations

from gnomon.cli.options import AsJson, print_json


def quantities(as_json: AsJson = False) -> None:
    """List every quantity that can be measured, with its unit, definition, source and estimators."""
    from gnomon.cli.tables import print_table
    from gnomon.estimators import estimators_of, measurable

    known = [(q, [e.name for e in estimators_of(q.name)]) for q in measurable().values()]
    if as_json:
        print_json({"quantities": [{**q.to_json(), "estimators": names} for q, names in known]})
        return
    rows = [(q.name, q.symbol, str(q.unit), ", ".join(q.dims), ", ".join(names), q.source) for q, names in known]
    print_table(f"{len(rows)} quantities", ("quantity", "symbol", "unit", "per", "estimators", "source"), rows)
