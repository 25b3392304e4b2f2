"""A database that is full, gone, or in the way: what was accepted stays, what was not is told so."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text, update

from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store.schema import bodies, nodes
from tests.support import stores
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.wire, pytest.mark.promise("R35")]

RECOVERY_SECONDS = 5.0
"""R35: how long after a database is back everything works again."""


@dataclass(frozen=True)
class Keep:
    """Adds a body of some kilobytes."""

    number: int
    size: int = 4000

    def __call__(self, tx: Connection) -> int:
        key = self.number.to_bytes(16, "big")
        tx.execute(
            insert(bodies).values(resource=key, interaction=key, body=bytes(self.size), expires=self.number)
        )
        return self.number


def kept(tx: Connection) -> list[int]:
    return list(tx.execute(select(bodies.c.expires).order_by(bodies.c.expires)).scalars())


class Disk:
    """How many pages SQLite may use; its own limit gives the same error as a full disk."""

    def __init__(self, store: Store) -> None:
        self.pages = 0  # SQLite leaves its limit as it is
        self.connections: list[sqlite3.Connection] = []

        @event.listens_for(store.engine, "connect")
        def limit(connection: sqlite3.Connection, _record: object) -> None:
            self.connections.append(connection)
            self._set(connection)

    def limit(self, pages: int) -> None:
        self.pages = pages
        for connection in self.connections:
            self._set(connection)

    def _set(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute(f"PRAGMA max_page_count={self.pages}").close()
        except sqlite3.ProgrammingError:  # closed after an earlier failure
            self.connections.remove(connection)


@pytest.fixture
def full(sqlite_url: str) -> Iterator[tuple[Store, Disk]]:
    """A store, and the disk below it."""
    store = Store(sqlite_url)
    disk = Disk(store)
    store.start()
    yield store, disk
    store.stop()


async def until_back(store: Store, number: int) -> float:
    """Write until it works again; return the seconds that took."""
    started = time.monotonic()
    async with asyncio.timeout(RECOVERY_SECONDS):
        await store.write_until_done(Keep(number))
    return time.monotonic() - started


async def test_a_full_disk_refuses_new_work_and_keeps_what_was_accepted(full: tuple[Store, Disk]) -> None:
    store, disk = full
    accepted = await asyncio.gather(*(store.write(Keep(number)) for number in range(20)))
    disk.limit(1)  # SQLite takes it as "no more pages than now"
    results = await asyncio.gather(
        *(store.write(Keep(number)) for number in range(100, 200)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, Unavailable)]
    accepted += [result for result in results if isinstance(result, int)]
    assert refused
    assert len(refused) + len(accepted) == 120
    assert store.trouble is not None
    assert "full" in store.trouble
    assert await store.read(kept) == sorted(accepted)

    disk.limit(1_000_000)
    await until_back(store, 1000)
    assert store.trouble is None
    assert await store.read(kept) == [*sorted(accepted), 1000]


async def test_a_disk_that_fills_in_the_middle_of_a_job_undoes_that_whole_job(
    full: tuple[Store, Disk],
) -> None:
    store, disk = full
    await store.write(Keep(1))
    disk.limit(1)

    def many(tx: Connection) -> None:
        for number in range(10, 400):
            Keep(number)(tx)

    with pytest.raises(Unavailable):
        await store.write(many)
    assert await store.read(kept) == [1]
    disk.limit(1_000_000)
    await store.write_until_done(many)
    assert len(await store.read(kept)) == 391


async def test_what_must_not_be_forgotten_waits_for_space(full: tuple[Store, Disk]) -> None:
    store, disk = full
    disk.limit(1)
    with pytest.raises(Unavailable):
        await store.write(Keep(1, size=10_000_000))
    waiting = asyncio.create_task(store.write_until_done(Keep(2, size=100_000)))
    with pytest.raises(Unavailable):
        await store.write(Keep(3, size=100_000))
    assert not waiting.done()
    disk.limit(1_000_000)
    async with asyncio.timeout(RECOVERY_SECONDS):
        assert await waiting == 2
    assert await store.read(kept) == [2]


async def test_another_writer_that_keeps_the_file_is_waited_for(sqlite_store: Store) -> None:
    path = sqlite_store.engine.url.database
    assert path is not None
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(sqlite_store.write(Keep(1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("COMMIT")
    assert await waiting == 1
    other.close()


async def test_connections_that_break_are_replaced(postgres: Postgres, postgresql_store: Store) -> None:
    database = postgresql_store.engine.url.database
    assert database is not None
    await postgresql_store.write(Keep(1))
    assert await postgresql_store.read(kept) == [1]
    assert postgres.disconnect_all(database) >= 2
    assert await postgresql_store.read(kept) == [1]  # a reader tries again by itself
    await until_back(postgresql_store, 2)
    assert postgresql_store.trouble is None
    assert await postgresql_store.read(kept) == [1, 2]


async def test_a_connection_that_breaks_inside_a_group_loses_the_whole_group_and_says_so(
    postgres: Postgres, postgresql_store: Store
) -> None:
    store = postgresql_store
    entered, opened = threading.Event(), threading.Event()

    def wait(tx: Connection) -> None:
        tx.execute(text("SELECT 1"))
        entered.set()
        assert opened.wait(10)

    first = asyncio.create_task(store.write(wait))
    await asyncio.to_thread(entered.wait)
    entered.clear()
    opened.clear()
    # The next group: a job, one that waits inside, another job.
    tasks = [asyncio.create_task(store.write(job)) for job in (Keep(1), wait, Keep(2))]
    await asyncio.sleep(0)
    opened.set()
    await first
    opened.clear()
    await asyncio.to_thread(entered.wait)
    assert store.engine.url.database is not None
    postgres.disconnect_all(store.engine.url.database)
    opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert store.trouble is not None
    await until_back(store, 3)
    assert await store.read(kept) == [3]


async def test_a_database_that_crashed_is_found_again_within_seconds(
    postgres: Postgres, postgresql_store: Store
) -> None:
    store = postgresql_store
    accepted = [await store.write(Keep(number)) for number in range(5)]
    assert await store.read(kept) == accepted
    postgres.kill()
    try:
        with pytest.raises(Unavailable):
            await store.write(Keep(10))
        with pytest.raises(Unavailable):
            await store.read(kept)
        assert store.trouble is not None
        waiting = asyncio.create_task(store.write_until_done(Keep(11)))
        with pytest.raises(Unavailable):  # the queue does not grow behind a database that is away
            await store.write(Keep(12))
    finally:
        postgres.start()
    async with asyncio.timeout(RECOVERY_SECONDS):
        assert await waiting == 11
    assert store.trouble is None
    assert await store.read(kept) == [*accepted, 11]


async def test_a_store_may_start_before_its_database(postgres: Postgres, postgresql_url: str) -> None:
    postgres.stop()
    try:
        with stores.started(postgresql_url) as store:
            with pytest.raises(Unavailable):
                await store.write(Keep(1))
            postgres.start()
            await until_back(store, 2)
            assert await store.read(kept) == [2]
    finally:
        if postgres.process is None:
            postgres.start()


async def test_a_commit_that_fails_is_no_success(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    dialect: Any = store.engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        if dialect.name == "sqlite":
            error: Exception = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR  # type: ignore[attr-defined]
        else:
            error = dialect.dbapi.errors.lookup("08006")("the server went away")
        raise error

    await store.write(Keep(1))
    monkeypatch.setattr(dialect, "do_commit", fail)
    results = await asyncio.gather(*(store.write(Keep(number)) for number in (2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 2
    monkeypatch.setattr(dialect, "do_commit", commit)
    await until_back(store, 4)
    assert await store.read(kept) == [1, 4]


async def test_two_gateways_in_each_others_way_cost_one_job_and_no_trouble(
    postgresql_store: Store, postgresql_url: str
) -> None:
    """A deadlock: PostgreSQL ends one of the two, and it is told to try again."""
    a, b = b"a" * 16, b"b" * 16
    both = threading.Barrier(2)

    def rows(tx: Connection) -> None:
        tx.execute(insert(nodes), [{"id": key, "name": "", "started": 0, "lease_until": 1} for key in (a, b)])

    def cross(first: bytes, second: bytes) -> Any:
        def run(tx: Connection) -> None:
            tx.exec_driver_sql("SET LOCAL deadlock_timeout = '50ms'")
            tx.execute(update(nodes).where(nodes.c.id == first).values(name="x"))
            both.wait(10)
            tx.execute(update(nodes).where(nodes.c.id == second).values(name="x"))

        return run

    with stores.started(postgresql_url) as other:
        await postgresql_store.write(rows)
        results = await asyncio.gather(
            postgresql_store.write(cross(a, b)), other.write(cross(b, a)), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["NoneType", "Unavailable"]
        assert other.trouble is None
        assert postgresql_store.trouble is None
