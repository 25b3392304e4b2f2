"""Counters of several resources in one group of jobs: two gateways never wait for each other on PostgreSQL."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import Connection

from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.usage.counters import Most, add, lock_of, used
from tests.support.stores import started

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


async def crossed(one: Store, other: Store, kind: type[Plain]) -> list[object]:
    """Let two gateways add to the same two counters in opposite order, each in one transaction."""
    begun = threading.Barrier(2)
    gate = threading.Barrier(3)

    def meet() -> None:
        try:
            begun.wait(MEET_SECONDS)
        except threading.BrokenBarrierError:
            return  # the other one waits for our commit, as it should

    def hold() -> None:
        gate.wait(10)

    def nothing() -> None:
        return

    writes = []
    for store, order in ((one, (ONE, TWO)), (other, (TWO, ONE))):
        held = asyncio.ensure_future(store.write(lambda _: hold()))
        await asyncio.sleep(0)  # a writer that is busy: what follows becomes one group
        writes += [
            held,
            asyncio.ensure_future(store.write(kind(order[0], meet))),
            asyncio.ensure_future(store.write(kind(order[1], nothing))),
        ]
    await asyncio.sleep(0)
    await asyncio.to_thread(gate.wait, 10)
    return list(await asyncio.gather(*writes, return_exceptions=True))


async def test_counters_in_opposite_order_are_locked_in_one(
    postgresql_store: Store, postgresql_url: str
) -> None:
    with started(postgresql_url) as other:
        done = await crossed(postgresql_store, other, Named)
    assert done == [None, True, True, None, True, True]
    counted = await postgresql_store.read(lambda tx: [dict(used(tx, each, DAY)) for each in (ONE, TWO)])
    assert counted == [{"messages": 2}, {"messages": 2}]


async def test_a_job_that_does_not_name_its_counters_can_be_in_anothers_way(
    postgresql_store: Store, postgresql_url: str
) -> None:
    with started(postgresql_url) as other:
        done = await crossed(postgresql_store, other, Plain)
    assert sum(isinstance(each, Unavailable) for each in done) >= 1


def test_resources_have_keys_of_their_own() -> None:
    assert lock_of(ONE) != lock_of(TWO)
    assert -(2**63) <= lock_of(ONE) < 2**63
