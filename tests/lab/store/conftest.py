"""The two databases that a store may be on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.lab.store import Store
from postgresql_server import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new store may be made: a folder, or the URL of an empty database of a running server."""
    if request.param == "sqlite":
        return str(tmp_path / "store")
    server: Server = request.getfixturevalue("server")
    return server.url(server.empty_database())


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    """A new store, on SQLite and on PostgreSQL."""
    with Store.open(location) as opened:
        yield opened
