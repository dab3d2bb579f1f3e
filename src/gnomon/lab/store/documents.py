"""A measurement as a row: its canonical JSON, with large arrays kept as files, and the columns to find it by."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from gnomon.errors import GnomonError
from gnomon.lab.store.arrays import ArrayFiles
from gnomon.measurement import Measurement, Value

# arrays with more numbers than this become files
LARGE = 256
_KEPT_AS_FILE = "array"


def to_row(measurement: Measurement, arrays: ArrayFiles) -> dict[str, Any]:
    """The row of ``measurement``; its large arrays are written to ``arrays`` first.

    Raises GnomonError when an array cannot be written.
    """
    identity = measurement.identity
    document = measurement.to_json()
    uncertainty = measurement.uncertainty
    document["value"] = _put(measurement.value, document["value"], arrays)
    for name in ("low", "high", "error"):
        document["uncertainty"][name] = _put(getattr(uncertainty, name), document["uncertainty"][name], arrays)
    origin = measurement.provenance
    return {
        "identity": identity,
        "quantity": measurement.quantity,
        "site": measurement.site,
        "estimator": measurement.estimator,
        "status": measurement.status,
        "subject": "" if origin is None else origin.subject,
        "weights_hash": None if origin is None else origin.weights_hash,
        "data_hash": None if origin is None else origin.data_hash,
        "seed": None if origin is None or origin.seed is None else str(origin.seed),
        "created": (origin.created if origin is not None else "") or datetime.now(UTC).isoformat(timespec="seconds"),
        "stored": time.time_ns(),
        "value": _scalar(measurement.value),
        "low": _scalar(uncertainty.low),
        "high": _scalar(uncertainty.high),
        "document": canonical(document),
    }


def from_document(text: str, identity: str, arrays: ArrayFiles) -> Measurement:
    """The measurement of one row. Raises GnomonError when the row or one of its arrays cannot be read."""
    try:
        document = json.loads(text)
        document["value"] = _get(document["value"], arrays)
        for name in ("low", "high", "error"):
            document["uncertainty"][name] = _get(document["uncertainty"][name], arrays)
        return Measurement.from_json(document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GnomonError(f"row {identity} of the store cannot be read: {error}", mend="restore a copy") from error


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces. Raises GnomonError on what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise GnomonError(f"cannot be stored as JSON: {error}") from error


def _put(value: Value | None, encoded: Any, arrays: ArrayFiles) -> Any:
    if isinstance(value, np.ndarray) and value.size > LARGE:
        return {_KEPT_AS_FILE: arrays.write(value)}
    return encoded


def _get(encoded: Any, arrays: ArrayFiles) -> Any:
    return arrays.read(encoded[_KEPT_AS_FILE]) if isinstance(encoded, dict) else encoded


def _scalar(value: Value | None) -> float | None:
    return value if isinstance(value, float) else None
