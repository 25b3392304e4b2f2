"""What the writer thread does with a group: one connection, one transaction, the way back after a failure."""

import contextlib
import time
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from telephony.kernel.errors import Unavailable
from telephony.kernel.store.engine import is_away, say
from telephony.kernel.store.group import GroupLost, Outcome, Waiting, in_order, run_group

log = structlog.get_logger(__name__)

REOPEN_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts to connect; the last repeats. Meanwhile groups fail at once."""


class Writer:
    """Commits groups. All of it belongs to the writer thread; `trouble` and `groups` anybody may read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._failed_opens = 0
        self._open_again = 0.0
        self.trouble: str | None = None
        self.groups = 0

    def commit(self, group: Sequence[Waiting]) -> list[Outcome]:
        """Run a group in one transaction; every member gets its outcome. Raises nothing."""
        return self._commit(in_order(group))

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, group: Sequence[Waiting]) -> list[Outcome]:
        try:
            outcomes = self._transaction(group)
        except Exception as error:  # whatever it is, nobody may be left waiting
            self._drop()
            cause = error.cause if isinstance(error, GroupLost) else error
            if isinstance(cause, Unavailable) or is_away(cause):
                self._away(cause, len(group))
                return [(waiting, None, _unavailable(cause)) for waiting in group]
            # The database is well, so one of the jobs spoiled the transaction for all: find it by halves.
            if len(group) == 1:
                log.error("store.job_spoils", job=type(group[0].job).__name__, error=str(cause))
                return [(group[0], None, cause)]
            half = len(group) // 2
            return self._commit(group[:half]) + self._commit(group[half:])
        if self.trouble is not None:
            log.info("store.back")
            self.trouble = None
        return outcomes

    def _transaction(self, group: Sequence[Waiting]) -> list[Outcome]:
        tx = self._open()
        transaction = tx.begin()
        outcomes = run_group(tx, group)
        if all(error is not None for _, _, error in outcomes):
            transaction.rollback()
            return outcomes
        transaction.commit()
        self.groups += 1
        return outcomes

    def _open(self) -> Connection:
        if self._connection is not None:
            return self._connection
        if time.monotonic() < self._open_again:
            raise Unavailable("The database is away; try again.")
        try:
            self._connection = self._engine.connect()
        except DBAPIError:
            pause = REOPEN_SECONDS[min(self._failed_opens, len(REOPEN_SECONDS) - 1)]
            self._failed_opens += 1
            self._open_again = time.monotonic() + pause
            raise
        self._failed_opens = 0
        return self._connection

    def _drop(self) -> None:
        """Throw the connection away: closing it undoes what it had begun."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(
                Exception
            ):  # it may be broken in any way; a new one is opened either way
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()

    def _away(self, cause: Exception, jobs: int) -> None:
        if isinstance(cause, Unavailable):  # between two attempts to connect: said already
            return
        if self.trouble is None:
            log.error("store.away", error=say(cause), jobs=jobs)
        self.trouble = f"the database does not take writes: {say(cause)}"


def _unavailable(cause: Exception) -> Unavailable:
    error = Unavailable("The database is away; try again.")
    error.__cause__ = cause
    return error
