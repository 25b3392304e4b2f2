"""What has reached its age goes, and nothing else does, on both databases."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, func, insert, select

from telephony.kernel.clock import DAY
from telephony.kernel.ids import ResourceId, new_id, to_text
from telephony.kernel.store import Store, retention
from telephony.kernel.store.retention import RetentionSettings, expiring_tables, purge, run_retention
from telephony.kernel.store.schema import bodies, interactions, repeatability, timeline
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.wire

ONE, TWO = ResourceId(b"1" * 16), ResourceId(b"2" * 16)


class Past:
    """Writes interactions that began and ended days ago, with a body and two lines each."""

    def __init__(
        self, resource: ResourceId, began: int, ended: int | None, *, kind: str = "sms", count: int = 1
    ) -> None:
        self.resource = resource
        self.kind = kind
        self.at = START - began * DAY
        self.ended = None if ended is None else START - ended * DAY
        self.ids = [new_past_id(self.at) for _ in range(count)]

    def __call__(self, tx: Connection) -> None:
        common = {
            "direction": "outbound",
            "state": "x",
            "version": 1,
            "rank": 0,
            "own": "a",
            "peer": "b",
            "detail": b"{}",
        }
        times = {"created": self.at, "updated": self.at, "ended": self.ended}
        key = {"resource": self.resource, "kind": self.kind}
        tx.execute(insert(interactions), [common | times | key | {"id": number} for number in self.ids])
        tx.execute(
            insert(bodies),
            [
                {"resource": self.resource, "interaction": number, "body": b"", "expires": START + DAY}
                for number in self.ids
            ],
        )
        entry = {"resource": self.resource, "at": 1, "node": b"n" * 16, "source": "t", "kind": "t"}
        tx.execute(
            insert(timeline),
            [entry | {"interaction": number, "seq": seq} for number in self.ids for seq in (1, 2)],
        )


_made = 0


def new_past_id(at: int) -> bytes:
    """An id of the past: `new_id` never goes backwards within a process."""
    global _made  # noqa: PLW0603
    _made += 1
    return (at // 1000).to_bytes(6, "big") + new_id(0)[6:8] + _made.to_bytes(8, "big")


def left(table: Table) -> "Count":
    return Count(table)


class Count:
    def __init__(self, table: Table) -> None:
        self.table = table

    def __call__(self, tx: Connection) -> int:
        return int(tx.execute(select(func.count()).select_from(self.table)).scalar_one())


async def ids_left(store: Store) -> set[bytes]:
    return set(await store.read(lambda tx: tx.execute(select(interactions.c.id)).scalars().all()))


async def test_a_finished_interaction_goes_with_everything_about_it(store: Store) -> None:
    old, young, unfinished = Past(ONE, 100, 91), Past(ONE, 100, 89), Past(ONE, 1000, None)
    for past in (old, young, unfinished):
        await store.write(past)
    assert await purge(store, START, RetentionSettings()) == 1
    assert await ids_left(store) == {young.ids[0], unfinished.ids[0]}
    assert await store.read(left(timeline)) == 4
    assert await store.read(left(bodies)) == 2


async def test_each_resource_and_kind_has_its_own_age(store: Store) -> None:
    settings = RetentionSettings(
        default_days=50, days={"sms": 20}, resources={to_text(TWO): {"sms": 5, "call": 400}}
    )
    keeps = [
        Past(ONE, 30, 19),
        Past(ONE, 60, 49, kind="call"),
        Past(TWO, 30, 4),
        Past(TWO, 399, 399, kind="call"),
        Past(TWO, 60, 49, kind="other"),
    ]
    goes = [
        Past(ONE, 30, 21),
        Past(ONE, 60, 51, kind="call"),
        Past(TWO, 30, 6),
        Past(TWO, 500, 401, kind="call"),
        Past(TWO, 60, 51, kind="other"),
    ]
    for past in (*keeps, *goes):
        await store.write(past)
    assert await purge(store, START, settings) == len(goes)
    assert await ids_left(store) == {past.ids[0] for past in keeps}


async def test_many_go_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICE", 20)
    for resource in (ONE, TWO):
        await store.write(Past(resource, 200, 100, count=retention.SLICE * 25 + 7))
        await store.write(Past(resource, 10, 5, count=3))
    assert await purge(store, START, RetentionSettings()) == 2 * (20 * 25 + 7)
    assert await store.read(left(interactions)) == 6
    assert await purge(store, START, RetentionSettings()) == 0


async def test_rows_with_an_end_of_their_own_go_when_it_has_come(store: Store) -> None:
    def write(tx: Connection) -> None:
        key = {"resource": ONE, "interaction": b"i" * 16, "body": b"hello"}
        tx.execute(insert(bodies), [key | {"expires": START}, key | {"resource": TWO, "expires": START + 1}])
        answer = {"resource": ONE, "operation": "o", "first_sent": 1, "fingerprint": b"", "response": b""}
        tx.execute(
            insert(repeatability),
            [answer | {"request_id": str(n), "expires": START + n} for n in range(-450, 10)],
        )

    await store.write(write)
    assert await purge(store, START, RetentionSettings()) == 1 + 451
    assert await store.read(left(bodies)) == 1
    assert await store.read(left(repeatability)) == 9


async def test_the_service_goes_round_until_it_is_stopped(store: Store) -> None:
    clock, stop = ManualClock(), asyncio.Event()
    await store.write(Past(ONE, 100, 89))
    running = asyncio.create_task(run_retention(store, clock, RetentionSettings(every_seconds=0.01), stop))
    clock.advance(2 * DAY / 1_000_000)
    async with asyncio.timeout(5):
        while await ids_left(store):
            await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_the_service_waits_for_a_database_that_is_away(store: Store) -> None:
    stop = asyncio.Event()
    store.stop()
    running = asyncio.create_task(run_retention(store, ManualClock(), RetentionSettings(), stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)


def test_tables_say_themselves_that_their_rows_expire() -> None:
    assert {bodies, repeatability} <= set(expiring_tables())
    for table in expiring_tables():  # a row without a time is kept: a key that still signs
        assert table.c.expires.type.python_type is int


days = st.integers(1, 1000)


@given(days, st.dictionaries(st.sampled_from(["sms", "call"]), days), days)
def test_nothing_is_younger_than_the_least_age(default: int, kinds: dict[str, int], own: int) -> None:
    settings = RetentionSettings(default_days=default, days=kinds, resources={to_text(ONE): {"sms": own}})
    for resource in (ONE, TWO):
        for kind in ("sms", "call", "other"):
            assert settings.days_of(resource, kind) >= settings.least_days


def test_settings_come_from_configuration_and_refuse_what_they_do_not_know() -> None:
    settings = msgspec.toml.decode(b"default_days = 30\n[days]\nsms = 7\n", type=RetentionSettings)
    assert (settings.days_of(ONE, "sms"), settings.days_of(ONE, "call")) == (7, 30)
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(b"[days]\nsms = 0\n", type=RetentionSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(b"forever = true\n", type=RetentionSettings)
