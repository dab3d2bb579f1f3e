"""Every registered estimator passes every conformance check."""

from __future__ import annotations

import pytest

from gnomon.estimators import estimator, estimators
from gnomon.testing import check_estimator, checks


@pytest.mark.parametrize("check", checks())
@pytest.mark.parametrize("name", estimators())
def test_conforms(name: str, check: str) -> None:
    check_estimator(estimator(name), only=[check])
