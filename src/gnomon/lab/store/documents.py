"""A measurement as a row: its canonical JSON, with large arrays kept apart, and the columns to find it by."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError
from gnomon.lab.store.arrays import ReadArray, encode
from gnomon.measurement import Measurement, Value

# arrays with more numbers than this are kept apart
LARGE = 256
_KEPT_APART = "array"


def to_row(measurement: Measurement, contents: dict[str, bytes]) -> dict[str, Any]:
    """The row of ``measurement``; its large arrays go to ``contents``, which are to be written before the row."""
    identity = measurement.identity
    document = measurement.to_json()
    uncertainty = measurement.uncertainty
    document["value"] = _put(measurement.value, document["value"], contents)
    for name in ("low", "high", "error"):
        document["uncertainty"][name] = _put(getattr(uncertainty, name), document["uncertainty"][name], contents)
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


def from_document(text: str, identity: str, read: ReadArray) -> Measurement:
    """The measurement of one row. Raises GnomonError when the row or one of its arrays cannot be read."""
    try:
        document = json.loads(text)
        document["value"] = _get(document["value"], read)
        for name in ("low", "high", "error"):
            document["uncertainty"][name] = _get(document["uncertainty"][name], read)
        return Measurement.from_json(document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise GnomonError(f"row {identity} of the store cannot be read: {error}", mend="restore a copy") from error


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces. Raises GnomonError on what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise GnomonError(f"cannot be stored as JSON: {error}") from error


def put_array(array: NDArray[Any], contents: dict[str, bytes]) -> str:
    """The digest of ``array``, whose content goes to ``contents``."""
    digest, content = encode(array)
    contents[digest] = content
    return digest


def _put(value: Value | None, encoded: Any, contents: dict[str, bytes]) -> Any:
    if isinstance(value, np.ndarray) and value.size > LARGE:
        return {_KEPT_APART: put_array(value, contents)}
    return encoded


def _get(encoded: Any, read: ReadArray) -> Any:
    return read(encoded[_KEPT_APART]) if isinstance(encoded, dict) else encoded


def _scalar(value: Value | None) -> float | None:
    return value if isinstance(value, float) else None
