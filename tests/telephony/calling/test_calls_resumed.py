"""A gateway that starts again finds its calls, goes on with those that live, and closes the others."""

from typing import Any

import pytest
from sqlalchemy import select

from telephony.calling.ports import Answered, Resumed
from telephony.calling.service import RESUME_SECONDS, CallService
from telephony.calling.states import LegState
from telephony.kernel.errors import Unavailable
from telephony.kernel.store import Store
from telephony.kernel.store.leases import EndLease, RegisterNode, TakeOver
from telephony.usage.tables import limit_counters, running_calls
from tests.support import usage
from tests.support.calls import OTHER, OWN, FakeLegs, House, ended, house, rang

pytestmark = pytest.mark.wire


async def restarted(on: House, *resumed: Resumed, after: float = 5.0) -> House:
    """Let the gateway die, and another take its calls over, which finds some legs again."""
    await on.quiet()
    before = on.service.plane
    node = await on.store.write(RegisterNode("next"))
    await on.store.write(EndLease(before.node))
    assert await on.store.write(TakeOver(node)) > 0
    legs = FakeLegs()
    legs.open, legs.up = set(on.legs.open), set(on.legs.up)
    on.on.clock.advance(after)
    plane = type(before)(
        store=before.store,
        clock=before.clock,
        node=node,
        legs=legs,
        numbers=before.numbers,
        ways_in=before.ways_in,
        ways_out=before.ways_out,
        trunks=before.trunks,
        limits=before.limits,
        subscriptions=before.subscriptions,
        sealer=before.sealer,
        enqueue=before.enqueue,
        settings=before.settings,
    )
    service = legs.listener = CallService(plane)
    fresh = House(on.on, legs, on.trunks, on.router, service, node)
    for event in resumed:
        service.told(event)
    await service.resume()
    service._resumes -= 1  # as `start` does
    await fresh.quiet()
    return fresh


async def bridged(store: Store, **more: Any) -> tuple[House, str]:
    on = await house(store, **more)
    on.rules({"target": {"kind": "number", "number": OTHER}})
    await on.offer()
    out = on.legs.dialled[0].leg
    await on.tell(Answered(out, "PCMU"))
    return on, out


async def test_a_bridged_call_goes_on_with_its_timers_and_its_record(store: Store) -> None:
    on, out = await bridged(store)
    on = await restarted(on, Resumed("in-1"), Resumed(out, LegState.HELD))
    (call,) = on.service.live()
    assert [said.what for said in on.legs.said] == ["join"]
    assert call.legs[out].state is LegState.HELD
    assert on.service.plane.ceilings.held == 2
    await on.advance(10)
    await on.tell(ended(out))
    row, detail = await on.record(), await on.detail()
    assert row.state == "completed"
    assert [leg.length for leg in detail.legs] == [15_000_000, 15_000_000]
    assert "call.resumed" in await on.ladder()
    assert await on.store.read(lambda tx: tx.execute(select(running_calls)).all()) == []


async def test_an_echo_goes_on(store: Store) -> None:
    on = await house(store)
    await on.offer()
    on = await restarted(on, Resumed("in-1"))
    assert [said.what for said in on.legs.said] == ["echo"]
    await on.tell(ended("in-1"))
    assert (await on.record()).state == "completed"


async def test_legs_may_be_told_after_the_rows_were_read(store: Store) -> None:
    on, out = await bridged(store)
    on = await restarted(on)
    assert on.service.live() == []
    await on.tell(Resumed("in-1"), Resumed(out))
    assert on.service.live()
    await on.tell(ended(out))
    assert (await on.record()).state == "completed"


async def test_what_is_gone_is_closed_and_its_partner_hung_up(store: Store) -> None:
    on, _ = await bridged(store)
    on = await restarted(on, Resumed("in-1"))
    await on.advance(RESUME_SECONDS)
    assert on.legs.of("hang_up", "in-1")
    row = await on.record()
    assert row.state == "lost"
    assert on.service.live() == []
    assert on.service.plane.ceilings.held == 0


async def test_a_call_that_was_not_up_is_not_gone_on_with(store: Store) -> None:
    on = await house(store)
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    out = on.legs.dialled[0].leg
    await on.tell(rang(out))
    on = await restarted(on, Resumed(out, LegState.RINGING))
    assert on.legs.of("hang_up", out)
    assert (await on.record()).state == "lost"


async def test_what_nobody_knows_is_hung_up(store: Store) -> None:
    on, out = await bridged(store)
    on = await restarted(on, Resumed("in-1"), Resumed(out), Resumed("stranger"))
    assert on.service.live()  # at once
    await on.advance(RESUME_SECONDS)
    assert on.legs.of("hang_up", "stranger")
    await on.tell(Resumed("later"))
    assert on.legs.of("hang_up", "later")


async def test_a_lost_call_is_charged_for_no_longer_than_it_was_paid(store: Store) -> None:
    on = await house(store)
    await on.on.limit(daily_budget="5")
    await on.on.rates(usage.voice("1", 60_000, first=60, next=60))
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.tell(Answered(on.legs.dialled[0].leg, "PCMU"))
    on = await restarted(on, after=3600)
    await on.advance(RESUME_SECONDS)
    row = await on.record()
    assert (row.state, row.price) == ("lost", 60_000)
    query = select(limit_counters.c.used).where(limit_counters.c.name == "spent:USD")
    assert await on.store.read(lambda tx: tx.execute(query).scalar()) == 60_000


async def test_a_node_whose_calls_were_taken_over_ends_none_of_them(store: Store) -> None:
    on, out = await bridged(store)
    fresh = await restarted(on, Resumed("in-1"), Resumed(out))
    await on.tell(ended(out))
    row = await fresh.record()
    assert (row.state, row.ended) == ("talking", None)
    assert on.service.live() == []
    assert fresh.service.live()


async def test_calls_go_on_while_the_store_is_away_and_are_written_afterwards(sqlite_store: Store) -> None:
    on, out = await bridged(sqlite_store)
    write, left = sqlite_store.write, [3]

    async def away(job: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise Unavailable("The database is away.")
        return await write(job)

    sqlite_store.write = away  # type: ignore[method-assign]
    await on.tell(ended(out))
    assert on.legs.of("hang_up", "in-1")
    assert (await on.record()).state == "completed"


async def test_a_call_that_cannot_be_written_down_is_not_taken(sqlite_store: Store) -> None:
    on = await house(sqlite_store)

    async def away(_: Any) -> Any:
        raise Unavailable("The database is away.")

    sqlite_store.write = away  # type: ignore[method-assign]
    await on.offer()
    assert on.legs.of("hang_up", "in-1")[0].more == (503, 41)
    assert on.service.live() == []
    assert on.service.plane.ceilings.held == 0
