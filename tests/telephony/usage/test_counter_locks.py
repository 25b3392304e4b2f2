"""Counters of several resources in one group of jobs: gateways never wait for each other on PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import pytest
from sqlalchemy import Connection, text

from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store.engine import open_engine
from telephony.kernel.store.group import Outcome, Waiting, run_group
from telephony.kernel.store.writer import Writer
from telephony.usage.counters import Most, add, lock_of, used

pytestmark = pytest.mark.wire

ONE, TWO = ResourceId(new_id(1)), ResourceId(new_id(2))
DAY, MANY = 7, Most("messages", 1_000)
MEET_SECONDS = 0.5
"""How long a gateway waits for the other to stand at the same place: it comes at once, or never."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Adds to a counter, then does something else in the same transaction."""

    resource: ResourceId
    then: Callable[[], None]

    def __call__(self, tx: Connection) -> bool:
        added = add(tx, self.resource, DAY, MANY, 1)
        self.then()
        return added


class Named(Plain):
    """The same, as every job that adds to counters does it."""

    __slots__ = ()

    def locks(self) -> set[int]:
        return {lock_of(self.resource)}


def crossed(url: str, kind: type[Plain]) -> list[Outcome]:
    """Let two gateways add to the same two counters in opposite order, each in one group of jobs."""
    begun = threading.Barrier(2)

    def meet() -> None:
        try:
            begun.wait(MEET_SECONDS)
        except threading.BrokenBarrierError:
            return  # the other one waits for our commit, as it should

    def nothing() -> None:
        return

    def commit(first: ResourceId, second: ResourceId) -> list[Outcome]:
        engine = open_engine(url)
        writer = Writer(engine)
        try:
            return writer.commit([waiting(kind(first, meet)), waiting(kind(second, nothing))])
        finally:
            writer.close()
            engine.dispose()

    with ThreadPoolExecutor(2) as gateways:
        both = [gateways.submit(commit, *order) for order in ((ONE, TWO), (TWO, ONE))]
        return [outcome for each in both for outcome in each.result(30)]


def waiting(job: Plain) -> Waiting:
    return Waiting(job, cast("Any", None), cast("Any", None))


def counted(url: str) -> list[int]:
    engine = open_engine(url)
    with engine.connect() as tx:
        found = [used(tx, each, DAY)["messages"] for each in (ONE, TWO)]
    engine.dispose()
    return found


def test_counters_in_opposite_order_are_locked_in_one(postgresql_url: str) -> None:
    done = crossed(postgresql_url, Named)
    assert [(result, error) for _, result, error in done] == [(True, None)] * 4
    assert counted(postgresql_url) == [2, 2]


def test_without_the_locks_one_of_the_gateways_would_be_refused(postgresql_url: str) -> None:
    done = crossed(postgresql_url, Plain)
    assert [type(error) for _, _, error in done if error is not None] == [Unavailable]


def test_a_lock_that_is_not_had_in_time_is_told_as_busy(postgresql_url: str) -> None:
    engine = open_engine(postgresql_url)
    with engine.connect() as holder, engine.connect() as tx:
        holder.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_of(ONE)})
        tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        ((_, _, error),) = run_group(tx, [waiting(Named(ONE, lambda: None))])
    engine.dispose()
    assert isinstance(error, Unavailable)


def test_resources_have_keys_of_their_own() -> None:
    assert lock_of(ONE) != lock_of(TWO)
    assert -(2**63) <= lock_of(ONE) < 2**63
