"""A measured value: a float or a read-only float64 array, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.errors import GnomonError

Value = float | NDArray[np.float64]


def frozen_value(value: Any) -> Value | None:
    """``value`` as a float or a read-only float64 array."""
    if value is None:
        return None
    array = np.array(value, dtype=np.float64)
    if array.ndim == 0:
        return float(array)
    array.setflags(write=False)
    return array


def unwrapped(value: NDArray[np.float64] | np.float64) -> Value:
    """The result of array arithmetic as a `Value`: a float where it has no axes."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def same_value(a: Value | None, b: Value | None) -> bool:
    """Equal in shape and in every number (NaN equals NaN)."""
    if a is None or b is None:
        return a is b
    return np.shape(a) == np.shape(b) and bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))


def encode_value(value: Value | None) -> Any:
    """Nested lists for JSON. Infinities, which JSON lacks, become the strings ``"Infinity"`` and ``"-Infinity"``."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        if np.isfinite(value).all():
            return value.tolist()
        return [encode_value(v) for v in value] if value.ndim > 1 else [encode_value(float(v)) for v in value]
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def decode_value(data: Any) -> Value | None:
    """The inverse of `encode_value`."""
    if data is None:
        return None
    return frozen_value(data)  # NumPy reads "Infinity" and "NaN" as the floats they name


def plain_json(value: Any) -> Any:
    """``value`` as JSON values: NumPy numbers and arrays as numbers and lists, NaN and infinities as `encode_value`.

    Raises GnomonError on anything else that JSON cannot hold.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return encode_value(float(value))
    if isinstance(value, Mapping):
        return {str(k): plain_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(v) for v in value]
    if hasattr(value, "tolist"):
        return plain_json(value.tolist())
    raise GnomonError(f"a {type(value).__name__} is not a JSON value", mend="give numbers, texts, lists or mappings")
