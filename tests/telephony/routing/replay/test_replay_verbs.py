"""Replays read what the store has, a slice at a time, and nothing outside the period."""

import asyncio
from collections.abc import Iterable

import pytest
from sqlalchemy import Connection, insert

from telephony.kernel.clock import DAY, HOUR, MINUTE
from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict, InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from telephony.routing.compiling import compile_set
from telephony.routing.decide import Witness
from telephony.routing.replay import verbs
from telephony.routing.replay.compare import Effect
from telephony.routing.replay.draft import Draft
from telephony.routing.replay.journal import KindOfRow
from telephony.routing.replay.verbs import Replay, period_of
from telephony.routing.router import Tables
from telephony.routing.rules import Kind, RouteSet
from telephony.routing.sip_configuration.choice import Choice
from telephony.routing.targets import TargetKinds
from telephony.usage.sheet import Sheet
from tests.support.clock import ManualClock
from tests.support.routing import CARRIERS, route

pytestmark = pytest.mark.unit

ONE, TWO = ResourceId(b"a" * 16), ResourceId(b"b" * 16)
TODAY = 20_000 * DAY
EVERYTHING = Draft(operator=RouteSet(routes=(route(1, target="beta"),)))


class Nothing:
    """No trunks, no sheets, no carriers of numbers."""

    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        return None

    def sell(self, resource: ResourceId) -> Sheet | None:
        return None

    def buy(self, carrier: str) -> Sheet | None:
        return None

    def sheet(self, name: str) -> Sheet | None:
        return None

    async def carrier(self, number: str) -> str:
        return ""


def replay_of(store: Store) -> Replay:
    clock, nothing = ManualClock(), Nothing()
    clock.at = TODAY + HOUR
    compiled = compile_set(RouteSet(routes=(route(1),)), CARRIERS, TargetKinds())
    return Replay(
        store=store,
        clock=clock,
        tables=lambda: Tables(compiled.outbound, 1),
        carriers=lambda: CARRIERS,
        targets=TargetKinds(),
        own=nothing,
        owners=nothing,
        book=nothing,
        knows=lambda _: True,
        kinds={"sms": KindOfRow(Kind.SMS, len), "call": KindOfRow(Kind.VOICE)},
    )


def put(tx: Connection, rows: Iterable[tuple[ResourceId, int, str, str]]) -> None:
    for place, (resource, at, kind, direction) in enumerate(rows):
        tx.execute(
            insert(interactions).values(
                resource=resource,
                id=(at // 1000).to_bytes(6, "big") + b"%010d" % place,
                kind=kind,
                direction=direction,
                state="delivered",
                version=1,
                own="+14255550100",
                peer="+4930123456",
                rank=0,
                created=at,
                updated=at,
                detail=b"{}",
            )
        )


async def test_yesterday_alone_is_replayed_slice_after_slice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = TODAY - DAY
    rows = [
        (ONE, yesterday - MINUTE, "sms", "outbound"),
        *((ONE, yesterday + each * HOUR, "sms", "outbound") for each in range(7)),
        (ONE, yesterday + 8 * HOUR, "call", "outbound"),
        (ONE, yesterday + 9 * HOUR, "other", "outbound"),
        (TWO, yesterday + HOUR, "sms", "inbound"),
        (TWO, TODAY - 1, "sms", "outbound"),
        (TWO, TODAY, "sms", "outbound"),
    ]
    await store.write(lambda tx: put(tx, sorted(rows, key=lambda row: row[1])))
    monkeypatch.setattr(verbs, "SLICE", 3)
    replay = replay_of(store)
    done = await replay(EVERYTHING)
    assert (done.period.since, done.period.until, done.complete) == (yesterday, TODAY, True)
    assert done.tally.effects == {Effect.MOVED: 8, Effect.SAME: 2}
    assert done.tally.unmeasured == 1
    assert (await replay(EVERYTHING, resource=TWO)).tally.looked == 2
    assert (await replay(EVERYTHING, kind=Kind.VOICE)).tally.looked == 1
    assert (await replay(EVERYTHING, since=TODAY)).tally.looked == 1
    assert (await replay(EVERYTHING, until=yesterday)).tally.looked == 1


async def test_a_replay_that_would_be_too_long_stops_and_says_so(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(ONE, TODAY - DAY + each, "sms", "outbound") for each in range(5)]
    await sqlite_store.write(lambda tx: put(tx, rows))
    monkeypatch.setattr(verbs, "MAX_INTERACTIONS", 3)
    done = await replay_of(sqlite_store)(EVERYTHING)
    assert (done.complete, done.tally.looked) == (False, 3)


async def test_one_replay_runs_at_a_time_and_a_broken_one_ends(sqlite_store: Store) -> None:
    replay = replay_of(sqlite_store)
    first = asyncio.create_task(replay(EVERYTHING))
    await asyncio.sleep(0)
    with pytest.raises(Conflict):
        await replay(EVERYTHING)
    assert (await first).tally.looked == 0
    with pytest.raises(InvalidRequest):
        await replay(Draft())
    assert (await replay(EVERYTHING)).complete


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, (TODAY - DAY, TODAY)),
        (TODAY, None, (TODAY, TODAY + DAY)),
        (None, TODAY + HOUR, (TODAY + HOUR - DAY, TODAY + HOUR)),
        (TODAY - 31 * DAY, TODAY, (TODAY - 31 * DAY, TODAY)),
        (TODAY, TODAY, None),
        (TODAY - 32 * DAY, TODAY, None),
        (-1, None, None),
    ],
)
def test_a_period_is_yesterday_unless_told_and_at_most_a_month(
    since: int | None, until: int | None, expected: tuple[int, int] | None
) -> None:
    if expected is not None:
        assert period_of(since, until, TODAY + HOUR) == expected
        return
    with pytest.raises(InvalidRequest):
        period_of(since, until, TODAY + HOUR)
