"""What is particular to a store on a PostgreSQL server: what it says when something is wrong, rights, lost servers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.cli.main import run as gnomon
from gnomon.errors import GnomonError
from gnomon.lab.store import NoStoreError, PointRecord, Store, recording
from gnomon.lab.store.schema import SCHEMA_VERSION
from postgresql_server import PASSWORD, Server, running_server, without_password
from store_writers import reading

POINT = PointRecord(key="k", experiment="trial", spec={}, status="done")


@pytest.fixture
def url(server: Server) -> str:
    return server.url(server.empty_database())


def refused(url: str, *, create: bool = True) -> str:
    """What is said when the store at ``url`` is opened: one line without a password."""
    with pytest.raises(GnomonError) as caught:
        Store.open(url, create=create)
    said = str(caught.value)
    assert "\n" not in said
    assert without_password(said)
    assert "wrong%20one" not in said
    assert "wrong one" not in said
    return said


class TestRefusals:
    def test_no_server(self) -> None:
        said = refused("postgresql://ann:secret@127.0.0.1:1/db")
        assert said == (
            "no server answers at postgresql://ann@127.0.0.1:1/db: Connection refused; start it, or mend the URL"
        )
        assert "No such file" in refused("postgresql://ann:secret@/db?host=/nowhere")

    def test_wrong_password_and_unknown_user(self, server: Server, url: str) -> None:
        for wrong in (url.replace("horse", "wrong%20one"), url.replace("owner", "nobody")):
            said = refused(wrong)
            assert "does not let this user in; mend user and password in the URL, or set $PGPASSWORD" in said

    def test_no_password_and_one_from_the_environment(
        self, server: Server, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PGPASSWORD", raising=False)
        bare = server.place("store")
        assert "set $PGPASSWORD" in refused(bare)
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        with Store.open(bare) as store:
            assert store.place == bare

    def test_no_such_database(self, server: Server) -> None:
        assert refused(server.url("nowhere")) == (
            f"store {server.place('nowhere')}: the server has no such database; make it with createdb, or mend the URL"
        )

    def test_urls_that_are_not_understood(self, server: Server) -> None:
        for option in ("colour=red", "sslmode=perhaps", "host=/a&host=/b"):
            assert "has an option that is not understood" in refused(f"{server.url('store')}?{option}")
        assert "names no database" in refused(server.url("").removesuffix("/"))

    def test_another_driver(self) -> None:
        assert "is not supported" in refused("postgresql+psycopg2://ann:secret@host/db")

    def test_no_driver(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pg8000", None)
        assert refused(url).endswith("needs the driver pg8000; pip install 'gnomon[postgresql]'")

    def test_a_server_that_has_no_encryption(self, url: str) -> None:
        assert "Server refuses SSL" in refused(f"{url}?sslmode=require")

    def test_another_programs_database(self, server: Server, url: str) -> None:
        server.sql("CREATE TABLE recipes (name text)", "store")
        assert "is a database, but no gnomon store" in refused(url)

    def test_a_newer_schema(self, server: Server, url: str) -> None:
        with Store.open(url):
            pass
        server.sql("UPDATE schema_version SET version = version + 1", "store")
        assert f"has schema version {SCHEMA_VERSION + 1}, this gnomon reads {SCHEMA_VERSION}" in refused(url)

    def test_an_empty_database_that_is_only_to_be_read(self, server: Server, url: str) -> None:
        with pytest.raises(NoStoreError, match="there is no store at postgresql://owner@127"):
            Store.open(url, create=False)
        assert server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "store") == "0"


class TestRights:
    @pytest.fixture
    def guest(self, server: Server, url: str) -> Iterator[str]:
        """The URL of a user who owns nothing."""
        server.sql(f"DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        yield server.url("store", "guest")
        server.sql("DROP OWNED BY guest", "store")

    def test_a_user_who_may_not_make_tables(self, server: Server, guest: str) -> None:
        server.sql("GRANT USAGE ON SCHEMA public TO guest", "store")
        said = refused(guest)
        assert said.endswith("the server does not permit this user to do that; ask its owner to GRANT it")

    def test_a_user_who_may_only_read(self, server: Server, url: str, guest: str) -> None:
        with Store.open(url) as store:
            store.add(reading(0, 0))
            store.add_points([POINT])
        server.sql("GRANT USAGE ON SCHEMA public TO guest", "store")
        server.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest", "store")
        refusal = (
            f"store {server.place('store', 'guest')} cannot be written; choose another with --store or $GNOMON_STORE"
        )
        assert refused(guest) == refusal
        with Store.open(guest, create=False) as store:
            assert store.measurements() == [reading(0, 0)]
            assert store.points() == [POINT]
            assert store.health()["writable"] is False
            with pickle.loads(pickle.dumps(store)) as again:
                assert again.read_only
            for write in (lambda: store.add(reading(0, 1)), lambda: store.add_points([POINT])):
                with pytest.raises(GnomonError) as caught:
                    write()
                assert str(caught.value) == refusal

    def test_a_database_that_is_read_only(self, server: Server, url: str) -> None:
        with Store.open(url) as store:
            store.add(reading(0, 0))
        server.sql("ALTER DATABASE store SET default_transaction_read_only = on")
        try:
            assert "cannot be written" in refused(url)
            with Store.open(url, create=False) as store:
                assert store.measurements() == [reading(0, 0)]
        finally:
            server.sql("SET default_transaction_read_only = off; ALTER DATABASE store RESET ALL")


class TestArrays:
    def test_damage_is_seen_when_read_and_in_the_health_and_the_same_again_mends_it(
        self, server: Server, url: str
    ) -> None:
        with Store.open(url) as store:
            store.add(reading(0, 0))
            server.sql("UPDATE arrays SET content = content || 'x'::bytea", "store")
            with pytest.raises(GnomonError, match=r"array [0-9a-f]{64} of the store postgresql:.* is corrupt"):
                store.measurements()
            health = store.health()
            assert (health["intact"], health["integrity"]) == (False, "3 arrays are corrupt")
            store.add(reading(0, 0))
            assert store.measurements() == [reading(0, 0)]
            assert store.health()["intact"]
            server.sql("DELETE FROM arrays", "store")
            with pytest.raises(GnomonError, match=r"array [0-9a-f]{64} is missing from the store postgresql:"):
                store.measurements()


CHILD = """
import pickle, sys
store = pickle.loads(sys.stdin.buffer.read())
from store_writers import reading
with store:
    store.add(reading(0, 1))
"""


def test_it_crosses_a_process_boundary(url: str) -> None:
    with Store.open(url) as store:
        store.add(reading(0, 0))
        path = f"{Path(__file__).parents[2]}"
        code = f"import sys; sys.path.insert(0, {path!r}){CHILD}"
        subprocess.run([sys.executable, "-c", code], input=pickle.dumps(store), check=True)
        assert store.measurements() == [reading(0, 0), reading(0, 1)]


def test_the_password_is_not_kept_with_the_command(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gnomon", "measure", "net", "--store", url, f"--store={url}"])
    with Store.open(url) as store:
        with recording(store, "measure", subject="net", spec={}):
            pass
        (run,) = store.runs()
    assert without_password(run.command)
    assert run.command.count("postgresql://owner@127.0.0.1") == 2


def test_the_command_line_takes_the_url(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNOMON_STORE", url)
    assert gnomon(["doctor"]) == 0
    assert "none yet" in capsys.readouterr().out
    with Store.open() as store:
        store.add_points([POINT])
    assert gnomon(["doctor", "--json"]) == 0
    assert '"points": 1' in capsys.readouterr().out
    assert gnomon(["doctor", "--store", url.replace("horse", "wrong%20one")]) == 1
    said = "".join(capsys.readouterr())
    assert "does not let" in said
    assert without_password(said)
    assert "wrong" not in said


def test_a_server_that_goes_away_and_comes_back() -> None:
    with running_server() as server, Store.open(server.url("store")) as store:
        store.add_points([POINT])
        server.stop()
        with pytest.raises(GnomonError) as caught:
            store.add_points([PointRecord(key="l", experiment="trial", spec={}, status="done")])
        assert "\n" not in str(caught.value)
        assert without_password(str(caught.value))
        server.start()
        store.add_points([PointRecord(key="l", experiment="trial", spec={}, status="done")])
        server.stop()
        server.start()  # the pool's connections are dead; this is not seen by whoever uses the store
        assert [r.key for r in store.points()] == ["k", "l"]
