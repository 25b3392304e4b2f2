"""A group of jobs in one transaction: their order, a SAVEPOINT around each, and what became of each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, cast

from sqlalchemy import Connection

from telephony.kernel.errors import Unavailable
from telephony.kernel.store.engine import check_transaction, command, is_away, is_contended, run
from telephony.kernel.store.jobs import Job, LockingJob

_LOCK: Final = "SELECT pg_advisory_xact_lock(each) FROM unnest(%s::bigint[]) each"
"""In the order of the array."""


@dataclass(slots=True)
class Waiting:
    """A job, and who waits for it."""

    job: Job[Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


Outcome = tuple[Waiting, object, Exception | None]
"""Who waits, the job's result, and what it raised if it did."""


class GroupLost(Exception):
    """The whole transaction is lost; `cause` is what took it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def in_order(group: Sequence[Waiting]) -> list[Waiting]:
    """Return a group as it will run: by `order`, batch jobs of one type side by side, else as it arrived."""
    first_of: dict[type, int] = {}
    keys: list[tuple[int, int, int]] = []
    for place, waiting in enumerate(group):
        kind = type(waiting.job)
        rank = first_of.setdefault(kind, place) if hasattr(kind, "together") else place
        keys.append((getattr(kind, "order", 0), rank, place))
    return [group[place] for _, _, place in sorted(keys)]


def run_group(tx: Connection, group: Sequence[Waiting]) -> list[Outcome]:
    """Run jobs, which stand `in_order`; commits nothing.

    A single job runs without a SAVEPOINT: when it raises, there is nothing to commit. Raises GroupLost.
    """
    try:
        _lock(tx, group)
    except Exception as error:  # of the database; smaller groups need fewer locks
        if len(group) > 1 or is_away(error):
            raise GroupLost(error) from error
        return [(group[0], None, _for_caller(error))]
    if len(group) == 1:
        return [_run_single(tx, group[0])]
    outcomes: list[Outcome] = []
    for kind, members in groupby(group, key=lambda waiting: type(waiting.job)):
        outcomes += _run_kind(tx, kind, list(members))
    return outcomes


def _lock(tx: Connection, group: Sequence[Waiting]) -> None:
    """Take the locks of a group's jobs, in one order; until the transaction's end."""
    if tx.dialect.name != "postgresql":
        return
    jobs = (cast("LockingJob", waiting.job) for waiting in group if hasattr(waiting.job, "locks"))
    keys = {key for job in jobs for key in job.locks()}
    if keys:
        run(tx, _LOCK, (sorted(keys),))


def _run_kind(tx: Connection, kind: Any, members: list[Waiting]) -> list[Outcome]:  # noqa: ANN401
    """Run jobs of one type: together where the type can, each alone otherwise or when that failed."""
    if len(members) > 1 and hasattr(kind, "together"):
        _savepoint(tx)
        try:
            results = kind.together(tx, [waiting.job for waiting in members])
            outcomes: list[Outcome] = [
                (waiting, result, None) for waiting, result in zip(members, results, strict=True)
            ]
            _release(tx)
        except Exception as error:  # one of them is at fault: alone, it keeps its error to itself
            _undo(tx, error)
        else:
            return outcomes
    return [_run_alone(tx, waiting) for waiting in members]


def _run_alone(tx: Connection, waiting: Waiting) -> Outcome:
    _savepoint(tx)
    try:
        result = waiting.job(tx)
        _release(tx)
    except Exception as error:  # whatever a job raises goes to whoever asked for it
        _undo(tx, error)
        return waiting, None, _for_caller(error)
    return waiting, result, None


def _run_single(tx: Connection, waiting: Waiting) -> Outcome:
    try:
        result = waiting.job(tx)
        check_transaction(tx)
    except Exception as error:  # whatever a job raises goes to whoever asked for it
        if is_away(error):
            raise GroupLost(error) from error
        return waiting, None, _for_caller(error)
    return waiting, result, None


def _savepoint(tx: Connection) -> None:
    try:
        command(tx, "SAVEPOINT job")
    except Exception as error:
        raise GroupLost(error) from error


def _release(tx: Connection) -> None:
    command(tx, "RELEASE SAVEPOINT job")


def _undo(tx: Connection, error: Exception) -> None:
    """Undo one job. Raises GroupLost when the transaction went too, or the database is away."""
    if is_away(error):
        raise GroupLost(error) from error
    try:
        command(tx, "ROLLBACK TO SAVEPOINT job")
        _release(tx)
    except Exception as lost:
        raise GroupLost(error) from lost


def _for_caller(error: Exception) -> Exception:
    """Return what whoever asked is told: two writers in each other's way are no fault of the job."""
    if is_contended(error):
        unavailable = Unavailable("The database was busy with the same rows; try again.")
        unavailable.__cause__ = error
        return unavailable
    if isinstance(error, StopIteration):  # which no future can carry
        stopped = RuntimeError("a job raised StopIteration")
        stopped.__cause__ = error
        return stopped
    return error
