"""The store's threads: one writer that commits whatever is queued as one group, a small pool of readers.

asyncio never touches a driver. A group costs one sync to disk however many jobs it holds, and each job stands
in its own SAVEPOINT, so that one that fails undoes only itself.
"""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from telephony.kernel.errors import Unavailable
from telephony.kernel.store.engine import is_away, is_read_only, open_engine
from telephony.kernel.store.group import Outcome, Waiting
from telephony.kernel.store.jobs import Job
from telephony.kernel.store.writer import Writer

log = structlog.get_logger(__name__)
T = TypeVar("T")

MAX_GROUP: Final = 1000
"""Jobs a transaction: keeps a group's commit under some ten milliseconds."""

GATHER_SECONDS: Final = 0.003
"""Groups begin no faster than this while they hold more than one job.

A commit costs a fifth of a millisecond of CPU, so groups of two or three cost more than the work in them
(measured at 3,000 jobs/s: 146 µs a job without, 80 with 2 ms, 64 with 5). A caller that is alone never waits.
"""

TOLD_AT_ONCE: Final = 8
"""Jobs whose callers go on in one turn of the loop: each may have a hundred answers to write, and a group of
many would hold up everything else on the loop."""

MAX_QUEUED: Final = 20_000
"""Jobs waiting; beyond, callers are told to come back: a queue without end is a crash without warning."""

RETRY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses of `write_until_done`; the last repeats."""

SWITCH_SECONDS: Final = 0.000_05
"""How long a thread waits for the interpreter before it insists.

An event loop under load gives the interpreter away for microseconds at every turn, and a thread's wait begins
anew each time: with Python's 5 ms the writer starved behind a full loop (measured: 660 to 1,480 rows/s
beside it; 5,200 to 7,600 with 0.1 ms, 6,200 to 6,500 with 0.02 ms).
"""


class Store:
    """The database of one process.

    `url` is SQLAlchemy's: `sqlite:///path` or `postgresql+psycopg://…`.
    """

    def __init__(self, url: str, *, readers: int = 2) -> None:
        # One connection for the writer, one a reader, one for whoever uses the engine itself (a migration, a
        # test).
        self.engine: Engine = open_engine(url, connections=readers + 2)
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # nothing enters the queue behind the None that ends it
        self._open = False
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._writer = Writer(self.engine)
        self._thread = threading.Thread(target=self._run, name="store-writer")

    @property
    def trouble(self) -> str | None:
        """What is wrong with the database, in words, or None. Writes tell: a renewed lease keeps it true."""
        return self._writer.trouble

    @property
    def groups(self) -> int:
        """Groups committed so far."""
        return self._writer.groups

    @property
    def queued(self) -> int:
        """Jobs that wait for their group."""
        return self._queue.qsize()

    def start(self) -> None:
        """Start the writer. Call once. Lowers the process's switch interval (SWITCH_SECONDS)."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        self._thread.start()
        self._open = True

    def stop(self) -> None:
        """Finish what is queued, then close. Blocks. Whoever asks later gets Unavailable. Works twice."""
        with self._gate:
            was_open, self._open = self._open, False
            if was_open:
                self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._readers.shutdown()
        self.engine.dispose()

    async def write(self, job: Job[T]) -> T:
        """Run `job` in the next group and return its result once that is on disk.

        Raises what the job raised; Unavailable when the database is away, full or too far behind: then
        nothing of the job was kept, except that a commit whose answer was lost may have happened. A caller
        that is cancelled does not take its job back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._gate:
            if not self._open:
                raise Unavailable("The store is closed.")
            if self._queue.qsize() >= MAX_QUEUED:
                raise Unavailable("The store is behind; try again.")
            self._queue.put(Waiting(job, future, loop))
        return await future

    async def write_until_done(self, job: Job[T]) -> T:
        """Like `write`, but waits out a database that is away: for what must not be forgotten.

        Raises what the job raised; Unavailable only when the store stops. After a commit whose answer was
        lost the job runs a second time: it must bear that, as a compare-and-set does.
        """
        attempt = 0
        while True:
            try:
                return await self.write(job)
            except Unavailable:
                if not self._open:
                    raise
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on a reader's connection and return its result; it sees one moment, and cannot write.

        It runs a second time when its connection turns out to be broken. Raises Unavailable when the database
        is away or the store is closed.
        """
        try:
            running = asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)
        except RuntimeError as error:  # the pool was shut down
            raise Unavailable("The store is closed.") from error
        return await running

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            try:
                return self._read_once(query)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._read_once(query)  # the pool threw its connections away with that one
        except DBAPIError as error:
            if is_away(error) and not is_read_only(error):
                raise Unavailable("The database is away; try again.") from error
            raise

    def _read_once(self, query: Callable[[Connection], T]) -> T:
        with self.engine.connect() as connection:
            return query(read_only(connection))

    def _run(self) -> None:
        began = 0.0
        crowded = False
        while (first := self._queue.get()) is not None:
            group = [first]
            if crowded and (pause := began + GATHER_SECONDS - time.monotonic()) > 0:
                time.sleep(pause)
            began = time.monotonic()
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
            crowded = len(group) > 1
            _answer(self._writer.commit(group))
            if ended:
                break
        self._writer.close()


def read_only(connection: Connection) -> Connection:
    """Make a connection's next transaction see one moment and refuse to write; it ends with the checkout."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection.execution_options(tandem_read_only=True)


def _answer(outcomes: Sequence[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].loop, []).append(outcome)
    for loop, members in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, members)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.warning("store.nobody_waits", jobs=len(members))


def _resolve(outcomes: Sequence[Outcome], begin: int = 0) -> None:
    end = begin + TOLD_AT_ONCE
    if end < len(outcomes):
        outcomes[begin][0].loop.call_soon(_resolve, outcomes, end)
    for waiting, result, error in outcomes[begin:end]:
        if waiting.future.done():  # whoever asked went away
            continue
        if error is None:
            waiting.future.set_result(result)
        else:
            waiting.future.set_exception(error)
