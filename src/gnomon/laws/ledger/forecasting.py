"""A user's own prediction: what fitted laws say of a measurement that was not made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gnomon.errors import GnomonError
from gnomon.laws.baselines import baselines
from gnomon.laws.comparison import Comparison
from gnomon.laws.forecast import forecast
from gnomon.laws.ledger.prediction import Prediction, Target, by_laws
from gnomon.laws.ledger.registering import MeasuredAlreadyError
from gnomon.measurement import hash_json


def predicted(
    comparison: Comparison,
    at: Mapping[str, float],
    *,
    quantity: str,
    unit: str,
    conditions: Mapping[str, Any] | None = None,
    name: str = "",
) -> Prediction:
    """The prediction of ``quantity`` at the inputs ``at`` by ``comparison``, with the two baselines on its table.

    Parameters
    ----------
    conditions : what further identifies the measurement, beside the inputs.
    name : default: the quantity and the conditions.

    Raises
    ------
    MeasuredAlreadyError : when the table has a row at these inputs.
    GnomonError : when an input and a condition disagree, and as `gnomon.laws.forecast.forecast` does.
    """
    table = comparison.fits[0].table
    believed = forecast(comparison, at)
    x = np.array([believed.at[column] for column in table.columns])
    known = np.flatnonzero(np.isclose(table.x, x, rtol=1e-9, atol=0.0).all(axis=1))
    if len(known):
        place = ", ".join(f"{column} = {value:g}" for column, value in believed.at.items())
        raise MeasuredAlreadyError(
            f"row {known[0] + 1} of the table is at {place}: it is measured already", mend="predict what it lacks"
        )
    given = dict(conditions or {})
    for column, value in believed.at.items():
        if given.setdefault(column, value) != value:
            raise GnomonError(f"the condition {column}={given[column]} is not the input {value:g}", mend="give it once")
    said = ", ".join(
        f"{key} = {value:g}" if isinstance(value, float) else f"{key} = {value}" for key, value in given.items()
    )
    rows = {"columns": list(table.columns), "target": table.target, "x": table.x.tolist(), "y": table.y.tolist()}
    return Prediction(
        name=name or f"{quantity} at {said}",
        by=by_laws(comparison),
        domain=believed.domain,
        outside=believed.outside,
        inputs={"rows": len(table), "table": hash_json(rows), "at": dict(believed.at)},
        target=Target(quantity=quantity, unit=unit, conditions=given),
        distribution=believed.distribution,
        baselines=baselines(table, believed.at),
    )
