"""Counters that several gateways add to: never past the limit, on either database."""

import asyncio

import pytest
from sqlalchemy import Connection

from telephony.kernel.ids import InteractionId, ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.usage.counters import (
    Most,
    add,
    begin_call,
    day_of,
    end_call,
    forget_days,
    give_back,
    used,
)
from tests.support.stores import started

pytestmark = pytest.mark.wire

RESOURCE = ResourceId(new_id(1))
OTHER = ResourceId(new_id(2))


async def test_two_gateways_together_never_pass_a_limit(store: Store, store_url: str) -> None:
    most = Most("messages", 50)
    with started(store_url) as other:
        asked = [
            store_.write(lambda tx, amount=amount: amount if add(tx, RESOURCE, 7, most, amount) else 0)
            for amount in (1, 2, 3, 5)
            for _ in range(8)
            for store_ in (store, other)
        ]
        added = sum(await asyncio.gather(*asked))
        counted = await store.read(lambda tx: used(tx, RESOURCE, 7))
    assert added == counted["messages"]
    assert most.most - 1 <= added <= most.most


async def test_days_resources_and_names_are_counted_apart(store: Store) -> None:
    most = Most("messages", 1)

    def job(tx: Connection) -> list[bool]:
        return [
            add(tx, RESOURCE, 1, most, 1),
            add(tx, RESOURCE, 2, most, 1),
            add(tx, OTHER, 1, most, 1),
            add(tx, RESOURCE, 1, Most("spent:USD", 1), 1),
            add(tx, RESOURCE, 1, most, 1),
        ]

    assert await store.write(job) == [True, True, True, True, False]


async def test_nothing_is_free_of_a_limit_but_what_is_free(store: Store) -> None:
    def job(tx: Connection) -> list[bool]:
        nothing = Most("spent:USD", 0)
        return [add(tx, RESOURCE, 1, nothing, 0), add(tx, RESOURCE, 1, nothing, 1)]

    assert await store.write(job) == [True, False]


async def test_what_is_given_back_can_be_used_again(store: Store) -> None:
    most = Most("spent:USD", 10)

    def job(tx: Connection) -> list[bool]:
        first = add(tx, RESOURCE, 1, most, 10)
        give_back(tx, RESOURCE, 1, most.name, 4)
        return [first, add(tx, RESOURCE, 1, most, 5), add(tx, RESOURCE, 1, most, 4)]

    assert await store.write(job) == [True, False, True]


async def test_a_transaction_that_is_undone_counts_nothing(store: Store) -> None:
    def job(tx: Connection) -> None:
        add(tx, RESOURCE, 1, Most("messages", 5), 5)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.write(job)
    assert await store.read(lambda tx: used(tx, RESOURCE, 1)) == {}


async def test_two_gateways_together_never_begin_more_calls_than_a_resource_may(
    store: Store, store_url: str
) -> None:
    with started(store_url) as other:
        nodes = [await each.write(RegisterNode("test")) for each in (store, other)]

        calls = [InteractionId(new_id(1)) for _ in range(20)]
        begun = await asyncio.gather(
            *(
                (store, other)[place % 2].write(
                    lambda tx, place=place: begin_call(tx, RESOURCE, calls[place], nodes[place % 2], 1, 3)
                )
                for place in range(20)
            )
        )
        assert sum(begun) == 3
        first = calls[begun.index(True)]
        await other.write(lambda tx: end_call(tx, RESOURCE, first))
        again = InteractionId(new_id(1))
        assert await store.write(lambda tx: begin_call(tx, RESOURCE, again, nodes[0], 1, 3))
        assert not await store.write(
            lambda tx: begin_call(tx, RESOURCE, InteractionId(new_id(1)), nodes[0], 1, 3)
        )


async def test_counters_of_days_that_are_over_are_forgotten(store: Store) -> None:
    await store.write(lambda tx: [add(tx, RESOURCE, day, Most("messages", 9), 1) for day in (5, 6, 7)])
    assert await store.write(lambda tx: forget_days(tx, 7)) == 2
    assert await store.read(lambda tx: used(tx, RESOURCE, 7)) == {"messages": 1}


def test_a_day_is_utcs() -> None:
    assert [day_of(at) for at in (0, 86_400_000_000 - 1, 86_400_000_000)] == [0, 0, 1]
