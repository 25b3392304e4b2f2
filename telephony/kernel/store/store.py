"""The store's threads: one writer that commits whatever is queued as one group, a small pool of readers.

asyncio never touches a driver. A group costs one sync to disk however many jobs it holds, and each job stands
in its own SAVEPOINT, so that one that fails undoes only itself.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from telephony.kernel.errors import Unavailable
from telephony.kernel.store.engine import open_engine
from telephony.kernel.store.jobs import Job

log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_GROUP: Final = 1000
"""Jobs a transaction: keeps a group's commit under some ten milliseconds."""

MAX_QUEUED: Final = 20_000
"""Jobs waiting; beyond, callers are told to come back: a queue without end is a crash without warning."""

RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses of `write_until_done`; the last repeats."""


@dataclass(slots=True)
class _Waiting:
    job: Job[Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


Outcome = tuple[_Waiting, object, BaseException | None]


class Store:
    """The database of one process.

    `url` is SQLAlchemy's: `sqlite:///path` or `postgresql+psycopg://…`.
    """

    def __init__(self, url: str, *, readers: int = 2) -> None:
        self.engine: Engine = open_engine(url)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._queued = 0
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._writer = threading.Thread(target=self._run, name="store-writer")
        self._stopping = False
        self.trouble: str | None = None
        """What is wrong with the database now, in words, or None."""
        self.groups = 0
        """Groups committed so far."""

    def start(self) -> None:
        """Start the writer."""
        self._writer.start()

    def stop(self) -> None:
        """Finish what is queued, then close. Blocks."""
        self._stopping = True
        self._queue.put(None)
        if self._writer.is_alive():
            self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    async def write(self, job: Job[T]) -> T:
        """Run `job` in the next group and return its result once that is on disk.

        Raises what the job raised; Unavailable when the database is away, full or too far behind: then nothing
        of the job was kept, except that a commit whose answer was lost may have happened.
        """
        if self._queued >= MAX_QUEUED or self._stopping:
            raise Unavailable("The store is behind; try again.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queued += 1
        self._queue.put(_Waiting(job, future, loop))
        return await future

    async def write_until_done(self, job: Job[T]) -> T:
        """Like `write`, but waits out a database that is away: for what must not be forgotten."""
        attempt = 0
        while True:
            try:
                return await self.write(job)
            except Unavailable:
                if self._stopping:
                    raise
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a reader's connection and return its result.

        Raises Unavailable when the database is away.
        """
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect().execution_options(tandem_read_only=True) as connection:
                return query(connection)
        except DBAPIError as error:
            if _database_is_away(error):
                raise Unavailable("The database is away; try again.") from error
            raise

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            ended = False
            while len(group) < MAX_GROUP:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    ended = True
                    break
                group.append(item)
            self._answer(self._commit(group))
            if ended:
                return

    def _commit(self, group: Sequence[_Waiting]) -> list[Outcome]:
        """Run a group in one transaction; every member gets its outcome."""
        outcomes: list[Outcome] = []
        try:
            with self.engine.connect() as tx, tx.begin():
                ordered = sorted(group, key=lambda waiting: getattr(waiting.job, "order", 0))
                for kind, members in groupby(ordered, key=lambda waiting: type(waiting.job)):
                    outcomes += _run_together(tx, kind, list(members))
        except DBAPIError as error:
            if self.trouble is None:
                log.error("store.away", error=str(error.orig), jobs=len(group))
            self.trouble = f"the database does not take writes: {error.orig}"
            return [(waiting, None, Unavailable("The database is away; try again.")) for waiting in group]
        if self.trouble is not None:
            log.info("store.back")
            self.trouble = None
        self.groups += 1
        return outcomes

    def _answer(self, outcomes: Sequence[Outcome]) -> None:
        self._queued -= len(outcomes)
        by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
        for outcome in outcomes:
            by_loop.setdefault(outcome[0].loop, []).append(outcome)
        for loop, members in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, members)
            except RuntimeError:  # the loop is closed: nobody waits any more
                log.warning("store.nobody_waits", jobs=len(members))


def _run_together(tx: Connection, kind: type, members: list[_Waiting]) -> list[Outcome]:
    """Run jobs of one type: together where the type can, each alone otherwise or when that failed."""
    if len(members) > 1 and hasattr(kind, "together"):
        tx.exec_driver_sql("SAVEPOINT job")
        try:
            results = kind.together(tx, [waiting.job for waiting in members])
        except Exception as error:
            if _spoils_the_group(error):
                raise
            tx.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
        else:
            return [(waiting, result, None) for waiting, result in zip(members, results, strict=True)]
        finally:
            _release(tx)
    return [_run_alone(tx, waiting) for waiting in members]


def _run_alone(tx: Connection, waiting: _Waiting) -> Outcome:
    tx.exec_driver_sql("SAVEPOINT job")
    try:
        result = waiting.job(tx)
    except Exception as error:  # whatever a job raises goes to whoever asked for it
        if _spoils_the_group(error):
            raise
        tx.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
        _release(tx)
        return waiting, None, error
    _release(tx)
    return waiting, result, None


def _release(tx: Connection) -> None:
    tx.exec_driver_sql("RELEASE SAVEPOINT job")


def _resolve(outcomes: Sequence[Outcome]) -> None:
    for waiting, result, error in outcomes:
        if waiting.future.done():  # whoever asked went away
            continue
        if error is None:
            waiting.future.set_result(result)
        else:
            waiting.future.set_exception(error)


def _database_is_away(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError) or error.connection_invalidated


def _spoils_the_group(error: Exception) -> bool:
    """Tell whether the transaction itself is lost: disk full, connection gone, serialization failure."""
    return isinstance(error, DBAPIError) and _database_is_away(error)
