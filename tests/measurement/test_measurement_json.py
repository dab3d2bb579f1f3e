from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from gnomon.errors import GnomonError
from gnomon.measurement import Cost, Measurement, Provenance, Quantity, Uncertainty
from random_measurements import measurements

Q = Quantity(name="height", symbol="h", definition="h", source="Gauss 1809")


@given(measurements())
def test_a_measurement_comes_back_from_strict_json(m: Measurement) -> None:
    back = Measurement.from_json(json.loads(json.dumps(m.to_json(), allow_nan=False)))
    assert back == m
    assert back.identity == m.identity
    assert back.uncertainty == m.uncertainty
    assert back.provenance == m.provenance
    assert back.unit == m.unit


def test_the_identity_changes_with_whatever_is_changed() -> None:
    provenance = Provenance(spec_hash="s", weights_hash="w", data_hash="d", seed=0)
    m = Measurement.ok(Q, 1.0, Uncertainty.stderr(1.0, 0.1, covers={"data"})).recorded(Cost(), provenance)
    changes = [
        {"quantity": "width"},
        {"value": np.nextafter(1.0, 2.0)},
        {"uncertainty": Uncertainty.stderr(1.0, 0.1, covers={"seed"})},
        {"site": "embed"},
        {"labels": {"step": "1"}},
        {"estimator": "ruler"},
        {"diagnostics": {"r": 1}},
        {"cost": Cost(seconds=1.0)},
        {"provenance": replace(provenance, seed=1)},
    ]
    identities = {replace(m, **c).identity for c in changes}  # type: ignore[arg-type]
    assert len(identities | {m.identity}) == len(changes) + 1
    assert all(replace(m, **c) != m for c in changes)  # type: ignore[arg-type]


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(GnomonError, match="unknown status"):
        replace(Measurement.ok(Q, 1.0, Uncertainty.exact()), status="fine")  # type: ignore[arg-type]


def test_diagnostics_may_hold_what_numpy_computes() -> None:
    m = Measurement.insufficient(Q, "few", suffices={"examples": np.int64(7)}, diagnostics={"ratio": np.inf})
    assert m.to_json()["suffices"] == {"examples": 7}
    assert m.to_json()["diagnostics"] == {"ratio": "Infinity"}
    assert Measurement.from_json(m.to_json()) == m
