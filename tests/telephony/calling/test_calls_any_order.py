"""Whatever legs tell, in whatever order: the call ends, no leg is left, and there is one record."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from telephony.calling.causes import cause_of
from telephony.calling.ports import Answered, Ended, Held, LegEvent, Played, Pressed, Rang, Silent
from telephony.calling.record import read_detail
from telephony.calling.states import CALL, CallState, LegState
from telephony.kernel.store import Store
from telephony.numbers.tables import inventory, numbers
from tests.support.calls import OTHER, OWN, House, house

pytestmark = pytest.mark.wire

TARGETS: tuple[dict[str, Any], ...] = (
    {"kind": "echo"},
    {"kind": "play", "what": "hello"},
    {"kind": "play", "what": "hello", "early": True},
    {"kind": "number", "number": OTHER},
    {"kind": "reject", "reason": "busy"},
    {"kind": "webhook", "url": "https://app.example.com/in"},
)

STEPS = (
    "ring",
    "early",
    "answer",
    "hold",
    "go on",
    "press",
    "played",
    "silent",
    "bye",
    "busy",
    "503",
    "lost",
    "unheard",
    "second",
    "minute",
    "hang up",
    "take",
)


def event(what: str, leg: str, play: int) -> LegEvent | None:
    made: dict[str, LegEvent] = {
        "ring": Rang(leg, 180, False),
        "early": Rang(leg, 183, True),
        "answer": Answered(leg, "PCMU"),
        "hold": Held(leg, True),
        "go on": Held(leg, False),
        "press": Pressed(leg, "1", "info"),
        "played": Played(leg, f"play-{play}", "end"),
        "silent": Silent(leg),
        "bye": Ended(leg, cause_of(200, by_peer=True)),
        "busy": Ended(leg, cause_of(486, by_peer=True)),
        "503": Ended(leg, cause_of(503, by_peer=True)),
        "lost": Ended(leg, cause_of(500), lost=True),
        "unheard": Ended(leg, cause_of(408), unheard=True),
    }
    return made.get(what)


scripts = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.booleans()), max_size=14)
rules = st.lists(st.sampled_from(TARGETS), min_size=1, max_size=3)


async def lived(on: House, inbound: bool, script: list[tuple[str, int, bool]]) -> None:
    if inbound:
        await on.offer()
    else:
        await on.service.place(on.resource, OWN, OTHER, on.stop_of({"kind": "number", "number": OTHER}))
        await on.quiet()
    for what, which, settle in script:
        live = on.service.live()
        if what == "second":
            await on.advance(1)
        elif what == "minute":
            await on.advance(61)
        elif what == "hang up" and live:
            await on.service.hang_up(on.resource, live[0].id)
        elif what == "take" and live:
            task = asyncio.ensure_future(on.service.take(on.resource, live[0].id))
            await on.quiet()
            await asyncio.gather(task, return_exceptions=True)
        legs = ["in-1", *(one.leg for one in on.legs.dialled)]
        told = event(what, legs[which % len(legs)], which)
        if told is not None:
            on.legs.tell(told)
        if settle:
            await on.quiet()
        for call in on.service.live():
            assert call.state not in CALL.final or call.open_legs or on.service.plane.tasks
    await on.quiet()
    for call in on.service.live():
        await on.service.hang_up(on.resource, call.id)
    await on.quiet()
    await on.advance(65)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets=rules, inbound=st.booleans(), script=scripts, stubborn=st.booleans(), answering=st.booleans())
async def test_every_call_ends_with_one_record_and_no_leg_left(
    sqlite_store: Store,
    targets: list[dict[str, Any]],
    inbound: bool,
    script: list[tuple[str, int, bool]],
    stubborn: bool,
    answering: bool,
) -> None:
    on = await fresh(sqlite_store)
    on.rules({"target": {"kind": "sequence", "targets": [{"target": one} for one in targets]}})
    on.legs.answering = answering
    if stubborn:
        on.legs.stubborn = {"in-1"}
    await lived(on, inbound, script)
    assert on.service.live() == []
    assert on.service._by_leg == {}
    assert on.service.plane.ceilings.held == 0
    assert on.service.plane.passed_on == {}
    (row,) = [row for row in await on.records() if row.resource == on.resource]
    assert CallState(row.state) in CALL.final
    assert row.ended is not None
    assert row.node is None
    detail = read_detail(bytes(row.detail))
    assert all(leg.state is LegState.ENDED for leg in detail.legs)
    assert detail.cause is not None
    ladder = await on.ladder(row)
    assert ladder.count("call.ended") + ladder.count("call.rejected") == 1
    assert {said.leg for said in on.legs.of("dial")} <= {said.name for said in detail.legs}


async def fresh(store: Store) -> House:
    """Return a house on a store that others used before."""
    for table in (numbers, inventory):
        await store.write(lambda tx, table=table: tx.execute(delete(table)).rowcount)
    return await house(store)
