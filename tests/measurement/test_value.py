from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import GnomonError
from gnomon.measurement.value import decode_value, encode_value, frozen_value, plain_json, same_value
from random_measurements import arrays, json_values, shapes


@given(st.data())
def test_a_value_comes_back_from_strict_json(data: st.DataObject) -> None:
    value = frozen_value(data.draw(shapes.flatmap(arrays)))
    text = json.dumps(encode_value(value), allow_nan=False)
    back = decode_value(json.loads(text))
    assert same_value(back, value)
    assert np.array_equal(np.signbit(np.asarray(back)), np.signbit(np.asarray(value)))  # also the sign of zero


def test_infinities_have_their_names() -> None:
    assert encode_value(float("inf")) == "Infinity"
    assert encode_value(np.array([[1.0, -np.inf]])) == [[1.0, "-Infinity"]]


def test_sameness_is_in_shape_and_number() -> None:
    assert not same_value(1.0, np.array([1.0]))
    assert not same_value(None, 0.0)
    assert same_value(None, None)
    assert not same_value(1.0, np.nextafter(1.0, 2.0))


@given(json_values)
def test_plain_json_is_json_and_changes_no_more(value: object) -> None:
    plain = plain_json(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain_json(plain) == plain


def test_plain_json_of_what_numpy_computes() -> None:
    given_ = {
        "n": np.int64(3),
        "x": np.float32(0.5),
        "a": np.arange(2),
        "b": np.bool_(True),
        "inf": np.inf,
        "t": (1, 2),
    }
    assert plain_json(given_) == {"n": 3, "x": 0.5, "a": [0, 1], "b": True, "inf": "Infinity", "t": [1, 2]}


def test_what_is_no_json_value_is_refused_by_its_type() -> None:
    with pytest.raises(GnomonError, match="set is not a JSON value"):
        plain_json({"names": {1, 2}})
