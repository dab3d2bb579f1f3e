"""Fixtures that every room's tests may use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the real data in ../shared is not on this machine")
    return SHARED
