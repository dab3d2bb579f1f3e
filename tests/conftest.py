"""Fixtures that every room's tests may use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)

# The same examples in every run, and no verdict by the clock of a busy machine.
settings.register_profile("gnomon", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gnomon")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the real data in ../shared is not on this machine")
    return SHARED
