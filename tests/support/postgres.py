"""A PostgreSQL of our own: Debian's binaries, a free port, a folder that goes away, a user of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

USER: Final = "postgres"
"""Who PostgreSQL runs as when the tests run as root, which it refuses; Debian's package makes this user."""

START_SECONDS: Final = 30.0

SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "off",  # a killed server loses nothing by this, only a killed machine does
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "logging_collector": "off",
    "jit": "off",
}


class Postgres:
    """A server that can be stopped, killed and started again on the same port with the same data."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._settings = {**SETTINGS, **settings}
        self._made = 0
        _run(
            "initdb",
            f"--pgdata={self.data}",
            "--auth=trust",
            f"--username={USER}",
            "--no-sync",
            "--locale=C",
            "-EUTF8",
        )
        self.start()

    def url(self, database: str) -> str:
        """Return SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """Return a connection that commits every statement."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname=database, autocommit=True, connect_timeout=5
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = [
            f"-c{name}={value}" for name, value in (*self._settings.items(), ("port", str(self.port)))
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                _as_user("postgres", f"-D{self.data}", *settings), stdout=log, stderr=log, cwd="/"
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.02)  # it has no way to tell us, and this is no test
            else:
                return

    def kill(self) -> None:
        """End it at once, as a crash does: no client is told, nothing is written down."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order: clients are told."""
        self._end(signal.SIGINT)

    def create(self) -> str:
        """Create an empty database and return its name."""
        self._made += 1
        name = f"test_{self._made}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def disconnect_all(self, database: str) -> int:
        """Break every connection to a database, as an administrator does; return how many there were."""
        with self.connect() as connection:
            broken = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
                (database,),
            ).fetchone()
        assert broken is not None
        return int(broken[0])

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(START_SECONDS)
            self.process = None


@contextmanager
def running(**settings: str) -> Iterator[Postgres]:
    """Start a server, with settings of one's own; stop and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-postgres-"))
    try:
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = Postgres(folder, settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    subprocess.run(_as_user(program, *arguments), check=True, capture_output=True, cwd="/")


def _as_user(program: str, *arguments: str) -> list[str]:
    """Return a command that ends with us, however we end."""
    become = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *become, "--pdeathsig=QUIT", str(_binaries() / program), *arguments]


def _binaries() -> Path:
    """Return the folder of the newest PostgreSQL that Debian installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
