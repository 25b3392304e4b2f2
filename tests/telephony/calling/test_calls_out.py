"""Calls that a resource places: caller id, limits, trunk after trunk, emergency, price."""

from typing import Any

import pytest
from sqlalchemy import select

from telephony.calling.ports import Answered, CarrierFacts
from telephony.calling.settings import CallSettings
from telephony.kernel.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    LimitForbids,
    LimitReached,
    NotFound,
    Unavailable,
)
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store import Store
from telephony.numbers.kinds import Capabilities, Capability
from telephony.usage.settings import LimitSettings
from telephony.usage.tables import limit_counters, running_calls, usage_daily
from tests.support import usage
from tests.support.calls import OTHER, OWN, PEER, House, ended, house, other_resource, own, rang, trunk

pytestmark = pytest.mark.wire

TARIFF = {"first": 60, "next": 60}


async def placed(store: Store, **more: Any) -> House:
    """Return a house with a call to OTHER under way."""
    on = await house(store, **more)
    await on.service.place(on.resource, OWN, OTHER, on.stop_of({"kind": "echo"}))
    await on.quiet()
    return on


def last(on: House) -> str:
    return on.legs.dialled[-1].leg


async def spent(on: House) -> int:
    query = select(limit_counters.c.used).where(limit_counters.c.name == "spent:USD")
    return int(await on.store.read(lambda tx: tx.execute(query).scalar()) or 0)


async def test_a_call_goes_out_is_answered_and_recorded(store: Store) -> None:
    on = await placed(store)
    (dialled,) = on.legs.dialled
    assert (dialled.trunk.name, dialled.number, dialled.sender) == ("a1", OTHER[1:], OWN[1:])
    await on.tell(rang(last(on)))
    assert (await on.record()).state == "ringing"
    await on.tell(Answered(last(on), "PCMA"))
    assert on.legs.of("echo", last(on))
    on.on.clock.advance(4.2)
    await on.tell(ended(last(on)))
    row, detail = await on.record(), await on.detail()
    assert (row.direction, row.state, row.own, row.peer) == ("outbound", "completed", OWN, OTHER)
    assert (detail.ended_by, detail.legs[0].length) == ("callee", 4_200_000)
    assert await on.ladder() == [
        "call.placed",
        "leg.dialled",
        "leg.ringing",
        "leg.answered",
        "call.routed",
        "leg.ended",
        "call.ended",
    ]
    assert await on.store.read(lambda tx: tx.execute(select(running_calls)).all()) == []
    (used,) = await on.store.read(lambda tx: tx.execute(select(usage_daily)).all())
    assert (used.kind, used.direction, used.count, used.units) == ("call", "outbound", 1, 5)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_a_trunk_that_fails_is_followed_by_the_next(sqlite_store: Store, status: int) -> None:
    on = await placed(sqlite_store)
    await on.tell(ended(last(on), status))
    assert [one.trunk.name for one in on.legs.dialled] == ["a1", "a2"]
    told = [entry.data for entry in await on.timeline() if entry.kind == "call.way-failed"]
    assert told == [{"trunk": "alpha/a1", "outcome": status, "then": "the next trunk"}]


@pytest.mark.parametrize("status", [403, 404, 480, 484, 486, 487, 600, 603, 604, 607, 608, 302])
async def test_an_answer_of_the_callee_is_final(sqlite_store: Store, status: int) -> None:
    on = await placed(sqlite_store)
    await on.tell(ended(last(on), status))
    assert len(on.legs.dialled) == 1
    detail = await on.detail()
    assert detail.cause is not None
    assert (detail.cause.sip, detail.ended_by) == (status, "callee")
    assert (await on.record()).ended is not None


async def test_silence_and_a_dead_worker_are_followed_by_the_next_three_trunks_at_most(
    sqlite_store: Store,
) -> None:
    on = await placed(sqlite_store)
    on.trunks.all["beta"] = CarrierFacts("beta", (trunk("beta", "b1"), trunk("beta", "b2")))
    assert on.legs.dialled[0].heard_within == 4.0
    await on.tell(ended(last(on), 408, unheard=True))
    await on.tell(ended(last(on), 500, lost=True))
    assert [one.trunk.name for one in on.legs.dialled] == ["a1", "a2", "b1"]
    await on.tell(ended(last(on), 503))
    assert len(on.legs.dialled) == 3
    assert (await on.record()).state == "unreached"
    told = [entry.data for entry in await on.timeline() if entry.kind == "call.way-failed"]
    assert [one["outcome"] for one in told] == ["no response", "transport error", 503]
    assert on.service.plane.ceilings.held == 0


async def test_after_it_rang_no_other_trunk_is_tried(sqlite_store: Store) -> None:
    on = await placed(sqlite_store)
    await on.tell(rang(last(on)), ended(last(on), 503))
    assert len(on.legs.dialled) == 1


async def test_488_is_followed_by_a_trunk_of_other_codecs_alone(sqlite_store: Store) -> None:
    on = await placed(sqlite_store)
    await on.tell(ended(last(on), 488))
    assert len(on.legs.dialled) == 1
    on.trunks.all["alpha"] = CarrierFacts(
        "alpha", (trunk("alpha", "a1"), trunk("alpha", "a2", priority=1, codecs=("G722",)))
    )
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.tell(ended(last(on), 488))
    assert [one.trunk.name for one in on.legs.dialled] == ["a1", "a1", "a2"]


async def test_nobody_answers(sqlite_store: Store) -> None:
    on = await placed(sqlite_store, settings=CallSettings(ring_seconds=25))
    await on.tell(rang(last(on)))
    await on.advance(24.9)
    assert on.service.live()
    await on.advance(0.2)
    assert len(on.legs.dialled) == 1
    row, detail = await on.record(), await on.detail()
    assert row.state == "unanswered"
    assert detail.cause is not None
    assert (detail.cause.sip, detail.cause.q850) == (480, 19)


@pytest.mark.parametrize("whose", ["nobody", "another"])
async def test_a_caller_id_must_be_owned(store: Store, whose: str) -> None:
    on = await house(store)
    if whose == "another":
        await own(on, PEER, other_resource())
    with pytest.raises(Forbidden):
        await on.service.place(on.resource, PEER, OTHER)
    assert on.legs.dialled == []
    row = await on.record()
    assert (row.state, row.ended is not None) == ("rejected", True)


async def test_a_verified_number_may_be_shown(store: Store) -> None:
    class Verified:
        def verified(self, resource: ResourceId, number: str) -> bool:
            return number == PEER

    on = await house(store, callers=Verified())
    await on.service.place(on.resource, PEER, OTHER)
    await on.quiet()
    assert on.legs.dialled[0].sender == PEER[1:]


async def test_a_number_that_makes_no_calls_makes_none(store: Store) -> None:
    on = await house(store)
    await own(on, "+12065550151", None, Capabilities(Capability.INBOUND, Capability.BOTH))
    with pytest.raises(Forbidden):
        await on.service.place(on.resource, "+12065550151", OTHER)


async def test_what_is_no_number_or_has_no_route_is_said(store: Store) -> None:
    on = await house(store)
    with pytest.raises(InvalidRequest):
        await on.service.place(on.resource, OWN, "no number")
    with pytest.raises(InvalidRequest):
        await on.service.place(on.resource, "Ann", OTHER)
    on.rules(routes=({"target": "alpha", "prefixes": ["+49"]},))
    with pytest.raises(NotFound):
        await on.service.place(on.resource, OWN, OTHER)


async def test_a_trunk_without_a_free_channel_is_left_out(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.trunks.all["alpha"] = CarrierFacts(
        "alpha", (trunk("alpha", "a1", channels=0), trunk("alpha", "a2", priority=1, calls_per_second=1.0))
    )
    on.trunks.all["beta"] = CarrierFacts("beta", (trunk("beta", "b1"),), channels=1)
    for _ in range(3):
        await on.service.place(on.resource, OWN, OTHER)
        await on.quiet()
    assert [one.trunk.name for one in on.legs.dialled] == ["a2", "b1"]
    row = (await on.records())[-1]
    assert row.state == "unreached"
    assert [entry.kind for entry in await on.timeline(row)].count("call.way-skipped") == 3


async def test_a_trunk_that_is_down_is_left_out_unless_all_are(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.trunks.all["alpha"] = CarrierFacts("alpha", (trunk("alpha", "a1", up=False), trunk("alpha", "a2")))
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.tell(
        ended(last(on), 503),
    )
    await on.tell(ended(last(on), 503))
    assert [one.trunk.name for one in on.legs.dialled] == ["a2", "b1"]
    on.trunks.all = {"alpha": CarrierFacts("alpha", (trunk("alpha", "a1", up=False),))}
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    assert on.legs.dialled[-1].trunk.name == "a1"


async def test_a_node_without_room_says_so(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.legs.rooms = 0
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    detail = await on.detail()
    assert detail.cause is not None
    assert (detail.cause.sip, detail.cause.q850) == (503, 34)
    assert on.service.plane.ceilings.held == 0


# --- limits -------------------------------------------------------------------------------------------------


async def test_a_new_resource_may_little_and_each_refusal_names_its_limit(store: Store) -> None:
    on = await house(store, limits=LimitSettings())
    await on.service.place(on.resource, OWN, OTHER)
    with pytest.raises(LimitReached) as rate:
        await on.service.place(on.resource, OWN, OTHER)
    assert rate.value.limit == "calls_per_second"
    await on.advance(1)
    await on.service.place(on.resource, OWN, OTHER)
    await on.advance(1)
    with pytest.raises(LimitForbids) as calls:
        await on.service.place(on.resource, OWN, OTHER)
    assert calls.value.limit == "calls"
    for to, limit in (
        ("+491701234567", "countries"),
        ("+881612345678", "satellite"),
        ("+19005550100", "premium"),
    ):
        await on.advance(1)
        with pytest.raises(LimitForbids) as refused:
            await on.service.place(on.resource, OWN, to)
        assert refused.value.limit == limit
    await on.quiet()
    states = [row.state for row in await on.records()]
    assert states == ["setup", "rejected", "setup", *["rejected"] * 4]


async def test_a_call_is_charged_by_its_tariff_and_nothing_more_stays_reserved(store: Store) -> None:
    on = await house(store)
    await on.on.limit(daily_budget="1")
    await on.on.rates(usage.voice("1", 60_000, **TARIFF))
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    assert await spent(on) == 60_000
    await on.tell(Answered(last(on), "PCMU"))
    await on.advance(59.6)
    assert await spent(on) == 120_000
    await on.advance(1)
    await on.tell(ended(last(on)))
    row = await on.record()
    assert (row.price, row.currency) == (120_000, "USD")
    assert await spent(on) == 120_000


async def test_a_call_that_is_not_answered_costs_nothing(store: Store) -> None:
    on = await house(store)
    await on.on.limit(daily_budget="1")
    await on.on.rates(usage.voice("1", 60_000, **TARIFF))
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.tell(ended(last(on), 503))
    assert await spent(on) == 60_000
    await on.tell(ended(last(on), 486))
    assert await spent(on) == 0
    assert (await on.record()).price == 0


async def test_a_budget_that_is_used_up_ends_the_call_before_the_next_increment(store: Store) -> None:
    on = await house(store)
    await on.on.limit(daily_budget="0.10")
    await on.on.rates(usage.voice("1", 300_000))  # half a cent a second
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.tell(Answered(last(on), "PCMU"))
    for _ in range(50):
        await on.advance(0.5)
    row, detail = await on.record(), await on.detail()
    assert row.price is not None
    assert 95_000 <= row.price <= 100_000 + 5_000
    assert detail.cause is not None
    assert (detail.ended_by, "daily_budget" in detail.cause.text) == ("us", True)
    assert await spent(on) <= 100_000


async def test_a_budget_that_has_no_room_for_the_first_increment_lets_nothing_begin(store: Store) -> None:
    on = await house(store)
    await on.on.limit(daily_budget="0.10")
    await on.on.rates(usage.voice("1", 60_000, **TARIFF))
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    assert len(on.legs.dialled) == 1
    row = (await on.records())[-1]
    assert row.state == "rejected"


async def test_a_demonstration_resource_reaches_no_real_carrier(store: Store) -> None:
    on = await house(store)
    on.on.demonstrations.add(on.resource)
    with pytest.raises(LimitForbids) as refused:
        await on.service.place(on.resource, OWN, OTHER)
    assert refused.value.limit == "demonstration"


# --- emergency ----------------------------------------------------------------------------------------------


async def test_an_emergency_call_takes_marked_trunks_and_no_limit(store: Store) -> None:
    on = await house(store)
    await on.on.limit(calls=0, calls_per_second=0, daily_budget="0")
    on.trunks.all["beta"] = CarrierFacts("beta", (trunk("beta", "b1"), trunk("beta", "b9", emergency=True)))
    on.service.draining = True
    await on.service.place(on.resource, OWN, "911")
    await on.quiet()
    (dialled,) = on.legs.dialled
    assert (dialled.trunk.name, dialled.number, dialled.sender) == ("b9", "911", OWN[1:])
    assert (await on.detail()).emergency


async def test_an_emergency_call_shows_an_own_number_whatever_was_asked_for(store: Store) -> None:
    on = await house(store)
    on.trunks.all["alpha"] = CarrierFacts("alpha", (trunk("alpha", "a1", emergency=True),))
    await on.service.place(on.resource, PEER, "911")
    await on.quiet()
    assert on.legs.dialled[0].sender == OWN[1:]
    assert "call.caller-replaced" in await on.ladder()


async def test_an_emergency_call_without_a_marked_trunk_is_404(store: Store) -> None:
    on = await house(store)
    with pytest.raises(NotFound):
        await on.service.place(on.resource, OWN, "9-1-1")
    detail = await on.detail()
    assert detail.cause is not None
    assert (detail.cause.sip, detail.emergency) == (404, True)
    assert any("emergency" in sentence for sentence in on.service.trouble())
    on.on.clock.advance(3601)
    assert on.service.trouble() == []


# --- hung up ------------------------------------------------------------------------------------------------


async def test_a_call_is_hung_up_by_request(store: Store) -> None:
    on = await placed(store)
    (call,) = on.service.live(on.resource)
    with pytest.raises(NotFound):
        await on.service.hang_up(other_resource(), call.id)
    await on.service.hang_up(on.resource, call.id)
    await on.quiet()
    assert (await on.record()).state == "abandoned"
    with pytest.raises(Conflict):
        await on.service.hang_up(on.resource, call.id)
    with pytest.raises(NotFound):
        await on.service.hang_up(on.resource, InteractionId(b"0" * 16))


async def test_a_placed_call_is_joined_to_another_number(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.service.place(on.resource, OWN, OTHER, on.stop_of({"kind": "number", "number": PEER}))
    await on.quiet()
    first = last(on)
    await on.tell(Answered(first, "PCMU"))
    second = last(on)
    assert on.legs.dialled[-1].number == PEER[1:]
    await on.tell(rang(second))
    assert on.legs.of("play", first)[-1].more[1] == "ringback"
    await on.tell(Answered(second, "PCMU"))
    assert on.legs.of("join")[-1].more == (second,)
    await on.tell(ended(first))
    assert on.legs.of("hang_up", second)


async def test_a_call_is_ended_when_it_is_as_long_as_calls_may_be(sqlite_store: Store) -> None:
    on = await placed(sqlite_store, settings=CallSettings(most_hours=1))
    await on.tell(Answered(last(on), "PCMU"))
    await on.advance(3599)
    assert on.service.live()
    await on.advance(2)
    assert not on.service.live()


async def test_a_draining_node_takes_no_new_calls(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    on.service.draining = True
    with pytest.raises(Unavailable):
        await on.service.place(on.resource, OWN, OTHER)
    await on.offer()
    assert on.legs.of("hang_up", "in-1")[0].more == (503, 42)


async def test_many_calls_at_once_do_not_overshoot_a_budget(sqlite_store: Store) -> None:
    on = await house(sqlite_store)
    await on.on.limit(daily_budget="0.30")
    await on.on.rates(usage.voice("1", 300_000, first=6, next=6))
    for _ in range(5):
        await on.service.place(on.resource, OWN, OTHER)
    await on.quiet()
    for dialled in list(on.legs.dialled):
        await on.tell(Answered(dialled.leg, "PCMU"))
    for _ in range(60):
        await on.advance(0.5)
    assert on.service.live() == []
    rows = await on.records()
    assert sum(row.price for row in rows) <= 300_000
    assert sum(row.price for row in rows) >= 270_000
    assert await spent(on) == sum(row.price for row in rows)
