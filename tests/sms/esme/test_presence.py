"""Gateways that share a database keep an account's limits together."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from sms.esme.presence import LEAST_SHARE, BindsOverall, Need, ShareOut, slice_of
from sms.esme.tables import presence
from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import BindTransceiver
from telephony.kernel.ids import NodeId, ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from tests.support.esme import Esme, bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit

pytestmark = pytest.mark.wire

RESOURCE = ResourceId(bytes(16))


def need(binds: int = 1, *, most: int = 4, wanted: float = 0.0, asking: bool = False, **more: Any) -> Need:
    return Need(RESOURCE, SYSTEM_ID, binds, most, wanted, more.get("per_second"), asking)


async def nodes(store: Store, count: int) -> list[NodeId]:
    return [await store.write(RegisterNode(f"node {number}")) for number in range(count)]


@asynccontextmanager
async def gateways(store: Store, **account: Any) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two gateways of one database, and the usual account."""
    async with desk(store, alone=False) as one:
        await one.account(**account)
        other = replace(one.plane, node=await store.write(RegisterNode("other")))
        async with desk(store, on=other, alone=False) as two:
            yield one, two


def visit(at: Desk, **more: Any) -> Any:
    return bound(at.port, SYSTEM_ID, PASSWORD, **more)


async def test_binds_count_over_all_gateways(store: Store) -> None:
    one, two = await nodes(store, 2)
    share = (await store.write(ShareOut(one, [need(1, most=2, asking=True)])))[SYSTEM_ID]
    assert (share.let_in, share.per_second) == (True, math.inf)
    assert (await store.write(ShareOut(two, [need(1, most=2, asking=True)])))[SYSTEM_ID].let_in
    for node in (one, two):
        assert not (await store.write(ShareOut(node, [need(2, most=2, asking=True)])))[SYSTEM_ID].let_in
    assert await store.read(BindsOverall(RESOURCE)) == {SYSTEM_ID: 2}
    await store.write(ShareOut(one, [need(0, most=2)]))
    assert (await store.write(ShareOut(two, [need(2, most=2, asking=True)])))[SYSTEM_ID].let_in
    assert await store.read(BindsOverall(RESOURCE)) == {SYSTEM_ID: 2}


async def test_what_a_dead_gateway_told_is_void(store: Store) -> None:
    dead, living = await nodes(store, 2)
    await store.write(ShareOut(dead, [need(4, per_second=10.0, wanted=10.0)]))
    await store.write(lambda tx: tx.execute(update(presence).values(expires=1)))
    share = (await store.write(ShareOut(living, [need(4, asking=True, per_second=10.0)])))[SYSTEM_ID]
    assert (share.let_in, share.per_second) == (True, 10.0)


async def test_slices_follow_what_is_sent_and_never_add_up_to_more(store: Store) -> None:
    one, two = await nodes(store, 2)
    granted: dict[NodeId, float] = {}

    async def tell(node: NodeId, wanted: float) -> float:
        told = await store.write(ShareOut(node, [need(per_second=100.0, wanted=wanted)]))
        granted[node] = told[SYSTEM_ID].per_second
        assert sum(granted.values()) <= 100.0 * (1 + LEAST_SHARE)
        return granted[node]

    assert await tell(one, 100.0) == 100.0
    assert await tell(two, 100.0) == pytest.approx(0.1)  # nothing is left yet
    assert await tell(one, 100.0) == pytest.approx(50.0)
    assert await tell(two, 100.0) == pytest.approx(50.0)
    await tell(two, 0.0)
    assert await tell(one, 100.0) > 85.0


@given(
    per_second=st.floats(0.01, 10_000),
    wanted=st.floats(0, 100_000),
    others=st.lists(st.tuples(st.floats(0, 100_000), st.floats(0, 10_000)), max_size=4),
)
@settings(max_examples=50, deadline=None)
def test_a_slice_is_never_more_than_is_left(
    per_second: float, wanted: float, others: list[tuple[float, float]]
) -> None:
    mine = slice_of(per_second, wanted, others)
    left = per_second - sum(has for _, has in others)
    assert 0.0 < mine <= max(left, per_second * LEAST_SHARE) * (1 + 1e-9)


async def test_an_account_binds_no_more_often_than_it_may_wherever_it_goes(store: Store) -> None:
    async with gateways(store, max_binds=1) as (one, two):
        async with visit(one):
            async with visit(two, status=CommandStatus.ESME_RALYBND):
                pass
            async with visit(one, status=CommandStatus.ESME_RALYBND):
                pass
        await until_bound(store, one, {})
        async with visit(two) as esme:
            assert (await esme.submit(submit(registered_delivery=0)))[0] == 0
            assert await store.read(BindsOverall(one.plane.resource)) == {SYSTEM_ID: 1}
    assert await store.read(BindsOverall(one.plane.resource)) == {}


async def until_bound(store: Store, at: Desk, binds: dict[str, int]) -> None:
    """Wait until the database knows of these binds."""
    async with asyncio.timeout(5):
        while await store.read(BindsOverall(at.plane.resource)) != binds:
            pass


async def test_a_second_gateway_adds_nothing_to_an_accounts_rate(store: Store) -> None:
    async with gateways(store, per_second=5.0) as (one, two), visit(one) as here, visit(two) as there:
        taken = await burst(here, 10) + await burst(there, 10)
    assert 1 <= taken <= 7  # five, and the one with which each bucket begins


async def burst(esme: Esme, count: int) -> int:
    """Send so many at once; return how many were taken."""
    statuses = [(await esme.submit(submit(registered_delivery=0)))[0] for _ in range(count)]
    assert set(statuses) <= {0, CommandStatus.ESME_RTHROTTLED}
    return statuses.count(0)


async def test_nobody_is_let_in_while_the_database_is_away(sqlite_store: Store) -> None:
    async with desk(sqlite_store, alone=False) as at:
        await at.account()
        await asyncio.to_thread(sqlite_store.stop)
        async with visit(at, status=CommandStatus.ESME_RSYSERR):
            pass
        assert at.esmes.reception.binds() == {}


async def test_an_account_that_goes_while_it_waits_to_be_let_in_leaves_its_place(store: Store) -> None:
    async with desk(store, alone=False) as at:
        await at.account(max_binds=1)
        for _ in range(3):
            hasty = Esme(*await asyncio.open_connection("127.0.0.1", at.port))
            hasty.send(BindTransceiver(system_id=SYSTEM_ID, password=PASSWORD))
            await hasty.close()
        async with asyncio.timeout(5):
            while await bind_status(at) != 0:
                pass
            while at.esmes.reception.binds() != {SYSTEM_ID: 0}:
                await asyncio.sleep(0)


async def bind_status(at: Desk) -> int:
    """Try to bind; return the answer's status."""
    esme = Esme(*await asyncio.open_connection("127.0.0.1", at.port))
    esme.send(BindTransceiver(system_id=SYSTEM_ID, password=PASSWORD))
    status = (await esme.next()).status
    await esme.close()
    return status
