"""A PostgreSQL server of one's own, for the tests that need one."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "correct horse"
_QUOTED = PASSWORD.replace(" ", "%20")


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: the newest of Debian's, or that of the PATH."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which("initdb")
    return None if found is None else Path(found).parent


@dataclass
class Server:
    """A server on 127.0.0.1, whose superuser is ``owner``; it belongs to another account where we are root."""

    bin: Path
    folder: Path
    port: int
    account: str | None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        # a test kills clients, never the machine
        settings |= {"fsync": "off", "full_page_writes": "off", "max_connections": 60, "shared_buffers": "16MB"}
        command = [str(self.bin / "postgres"), "-D", str(self.folder / "data")]
        command += [f"-c{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._as_owner())  # type: ignore[call-overload]
        ready = [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(300):
            if subprocess.run(ready).returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop it at once, breaking its connections, as when the machine fails."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run ``statement`` as the superuser; what it returned."""
        command = [str(self.bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def url(self, database: str, user: str = "owner") -> str:
        """Where ``database`` is, with the password."""
        return f"postgresql://{user}:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def place(self, database: str, user: str = "owner") -> str:
        """As `url`, as it may be printed."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def empty_database(self) -> str:
        """Name of a database without tables: the same every time, emptied, which is much faster than a new one."""
        self.sql("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public AUTHORIZATION owner", "store")
        return "store"

    def initialise(self) -> None:
        """Make its files, start it, and make the database ``store``."""
        if self.account is not None:
            entry = pwd.getpwnam(self.account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = [str(self.bin / "initdb"), "-D", str(self.folder / "data"), "-U", "owner", "--no-sync"]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self._as_owner())  # type: ignore[call-overload]
        if done.returncode:
            raise RuntimeError(done.stderr)
        self.start()
        self.sql("CREATE DATABASE store")

    def _as_owner(self) -> dict[str, object]:
        if self.account is None:
            return {}
        entry = pwd.getpwnam(self.account)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server until the end of the block. Skips the test where there are no binaries of one."""
    found = binaries()
    if found is None or os.name != "posix":
        pytest.skip("PostgreSQL's server is not installed here (Debian: apt-get install postgresql)")
    account = None
    if os.geteuid() == 0:  # initdb refuses root
        names = {entry.pw_name for entry in pwd.getpwall()}
        account = next((name for name in ("postgres", "nobody") if name in names), None)
        if account is None:
            pytest.skip("PostgreSQL's server refuses to be run by root, and there is no other account")
    folder = Path(tempfile.mkdtemp(prefix="gnomon-postgresql-"))
    server = Server(found, folder, _free_port(), account)
    try:
        server.initialise()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def without_password(text: str) -> bool:
    """Whether ``text`` gives no password away."""
    return PASSWORD not in text and _QUOTED not in text and not re.search(r"://[^/@\s]*:(?!\*\*\*@)[^@\s]*@", text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
