"""The result of measuring: a value that cannot be separated from what it means and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from gnomon.errors import GnomonError
from gnomon.measurement.cost import Cost
from gnomon.measurement.provenance import Provenance, hash_json
from gnomon.measurement.quantity import Quantity
from gnomon.measurement.uncertainty import Uncertainty
from gnomon.measurement.unit import Unit
from gnomon.measurement.value import Value, decode_value, encode_value, frozen_value, plain_json, same_value

Status = Literal["ok", "insufficient", "failed"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurement:
    """Value, uncertainty, unit, status, diagnostics and provenance of one quantity at one place.

    Build one with `ok`, `insufficient` or `failed`.

    Parameters
    ----------
    quantity : name of the quantity.
    symbol, unit : copied from the quantity, so that a stored measurement stands alone.
    value : float or array; ``None`` unless the status is ``ok``.
    uncertainty : see `Uncertainty`; ``unknown`` unless the status is ``ok``.
    site : where in the subject, or ``None`` for the whole of it.
    labels : further coordinates, e.g. ``{"other_site": "blocks.2"}``.
    status, reason : ``insufficient`` and ``failed`` say why.
    suffices : for ``insufficient``, the budget that would do, e.g. ``{"examples": 12000}``; empty if none is known.
    estimator : name of the procedure.
    diagnostics : JSON values that help to judge the number; never needed to read it.
    cost : what it cost.
    provenance : where it comes from; filled in by whoever runs the estimator.
    """

    quantity: str
    symbol: str
    unit: Unit
    value: Value | None
    uncertainty: Uncertainty
    site: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    status: Status = "ok"
    reason: str = ""
    suffices: Mapping[str, float] = field(default_factory=dict)
    estimator: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", frozen_value(self.value))
        if self.status not in get_args(Status):
            raise GnomonError(f"{self.quantity}: unknown status {self.status!r}", mend=", ".join(get_args(Status)))
        if self.status == "ok":
            if self.value is None or np.isnan(self.value).any():
                raise GnomonError(f"{self.quantity}: a measurement that is ok has a value", mend="use insufficient")
            low = self.uncertainty.low
            if low is not None and np.shape(low) != np.shape(self.value):
                raise GnomonError(f"{self.quantity}: value and interval differ in shape")
        elif self.value is not None or not self.reason:
            raise GnomonError(f"{self.quantity}: a measurement that is {self.status} has a reason and no value")

    @classmethod
    def ok(
        cls,
        quantity: Quantity,
        value: Any,
        uncertainty: Uncertainty,
        *,
        site: str | None = None,
        labels: Mapping[str, str] | None = None,
        estimator: str = "",
        diagnostics: Mapping[str, Any] | None = None,
    ) -> Measurement:
        """A reading. Raises GnomonError when the value is NaN or outside the quantity's range."""
        array = np.asarray(value, dtype=np.float64)
        if (array < quantity.lowest).any() or (array > quantity.highest).any():
            raise GnomonError(
                f"{quantity.name} = {value} is outside [{quantity.lowest}, {quantity.highest}]",
                mend="this is a defect of the estimator",
            )
        if array.ndim != len(quantity.axes):
            raise GnomonError(f"{quantity.name} has axes {quantity.axes}, the value has shape {array.shape}")
        return cls(
            quantity=quantity.name,
            symbol=quantity.symbol,
            unit=quantity.unit,
            value=value,
            uncertainty=uncertainty,
            site=site,
            labels=dict(labels or {}),
            estimator=estimator,
            diagnostics=dict(diagnostics or {}),
        )

    @classmethod
    def insufficient(
        cls,
        quantity: Quantity,
        reason: str,
        *,
        suffices: Mapping[str, float] | None = None,
        site: str | None = None,
        labels: Mapping[str, str] | None = None,
        estimator: str = "",
        diagnostics: Mapping[str, Any] | None = None,
        status: Status = "insufficient",
    ) -> Measurement:
        """Not measurable with this budget, and what would suffice."""
        return cls(
            quantity=quantity.name,
            symbol=quantity.symbol,
            unit=quantity.unit,
            value=None,
            uncertainty=Uncertainty.unknown(),
            site=site,
            labels=dict(labels or {}),
            status=status,
            reason=" ".join(reason.split()),
            suffices=dict(suffices or {}),
            estimator=estimator,
            diagnostics=dict(diagnostics or {}),
        )

    @classmethod
    def failed(cls, quantity: Quantity, reason: str, *, site: str | None = None, estimator: str = "") -> Measurement:
        """The procedure broke (NaN weights, a crash); ``reason`` says how."""
        return cls.insufficient(quantity, reason, site=site, estimator=estimator, status="failed")

    def recorded(self, cost: Cost, provenance: Provenance) -> Measurement:
        """The same measurement with its cost and provenance."""
        return replace(self, cost=cost, provenance=provenance)

    @property
    def identity(self) -> str:
        """Hash of everything in it: the key under which the store keeps it."""
        return hash_json(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """JSON object; the inverse of `from_json`."""
        return {
            "quantity": self.quantity,
            "symbol": self.symbol,
            "unit": str(self.unit),
            "site": self.site,
            "labels": dict(self.labels),
            "value": encode_value(self.value),
            "uncertainty": self.uncertainty.to_json(),
            "status": self.status,
            "reason": self.reason,
            "suffices": plain_json(self.suffices),
            "estimator": self.estimator,
            "diagnostics": plain_json(self.diagnostics),
            "cost": plain_json(self.cost.to_json()),
            "provenance": None if self.provenance is None else plain_json(self.provenance.to_json()),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measurement:
        """Read what `to_json` wrote."""
        provenance = data["provenance"]
        return cls(
            **{
                **data,
                "unit": Unit.parse(data["unit"]),
                "value": decode_value(data["value"]),
                "uncertainty": Uncertainty.from_json(data["uncertainty"]),
                "cost": Cost(**data["cost"]),
                "provenance": None if provenance is None else Provenance.from_json(provenance),
            }
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Measurement):
            return NotImplemented
        return same_value(self.value, other.value) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]
