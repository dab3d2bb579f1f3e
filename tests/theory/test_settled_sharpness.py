"""The edge of stability: networks settle there, and where the domain says they cannot they do not."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.errors import GnomonError
from gnomon.phenomena.sharpness_experiment import Descent, descend
from gnomon.theory import OutOfDomainError
from gnomon.theory.edge_of_stability import EdgeOfStability


@pytest.mark.parametrize(("learning_rate", "momentum"), [(2.3, 0.0), (2.3, 0.5)], ids=["plain", "momentum"])
def test_networks_settle_a_few_hundredths_above_it(learning_rate: float, momentum: float) -> None:
    found = descend(Descent(learning_rate=learning_rate, momentum=momentum, time=2500.0, readings=12, seed=1001))
    theory = EdgeOfStability(learning_rate=learning_rate, momentum=momentum, at_start=found["sharpness"][0])
    assert theory.outside() == ()
    assert 0.98 < np.median(found["sharpness"][9:]) / theory.value() < 1.06


def test_an_edge_out_of_reach_is_refused_and_not_reached() -> None:
    found = descend(Descent(learning_rate=0.5, time=600.0, readings=4, seed=1001))
    theory = EdgeOfStability(learning_rate=0.5, of_flow=max(found["sharpness"]))
    assert max(found["sharpness"]) < 0.9 * theory.value()
    with pytest.raises(OutOfDomainError, match="rises to"):
        theory.predict()


def test_a_start_beyond_the_edge_is_refused() -> None:
    with pytest.raises(OutOfDomainError, match="starts at a sharpness of 5, beyond 2"):
        EdgeOfStability(learning_rate=1.0, at_start=5.0).predict()


@pytest.mark.parametrize("fields", [{"learning_rate": 0.0}, {"momentum": 1.0}, {"of_flow": -1.0}], ids=str)
def test_what_has_no_meaning_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(GnomonError, match="give positive numbers"):
        EdgeOfStability(**{"learning_rate": 1.0, **fields})
