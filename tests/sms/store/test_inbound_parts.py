"""Long inbound texts: their parts are kept, joined, and delivered as far as they came."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, func, select
from sqlalchemy import text as sql

from sms.message import from_wire_id
from sms.optouts.store import lock_to_change
from sms.reassembly import GAP, PartKey, ReassemblySettings
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.pdu import DeliverSm
from sms.store.inbound import SweepParts
from sms.store.inbound_parts import lock_senders
from sms.store.inbound_tables import inbound_parts
from sms.store.queries import MessageView, Search
from telephony.kernel.clock import DAY
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from tests.support import stores
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, Subscribers, Wanting, plane, text

pytestmark = pytest.mark.wire

OK, NOBODY = int(CommandStatus.ESME_ROK), int(CommandStatus.ESME_RINVDSTADR)
WORDS = ("Once upon a time ", "there was a gateway ", "that lost nothing.")


def part(number: int, total: int = 3, reference: int = 7, body: str = "", **fields: object) -> DeliverSm:
    """Return a part with an 8-bit header."""
    header = bytes((5, 0, 3, reference, total, number))
    return text(header + (body or WORDS[number - 1]).encode(), esm_class=0x40, **fields)


def wide(number: int, total: int = 3, reference: int = 0x1234) -> DeliverSm:
    """Return a part with a 16-bit header."""
    header = bytes((6, 8, 4)) + reference.to_bytes(2, "big") + bytes((total, number))
    return text(header + WORDS[number - 1].encode(), esm_class=0x40)


def sar(number: int, total: int = 3, reference: int = 0x0207) -> DeliverSm:
    """Return a part with optional parameters."""
    tlvs = (
        (int(Tag.SAR_MSG_REF_NUM), reference.to_bytes(2, "big")),
        (int(Tag.SAR_TOTAL_SEGMENTS), bytes((total,))),
        (int(Tag.SAR_SEGMENT_SEQNUM), bytes((number,))),
    )
    return text(WORDS[number - 1].encode(), tlvs=tlvs)


async def deliver(on: Plane, *pdus: DeliverSm, together: bool = False) -> list[int]:
    """Deliver to a new inlet, one after the other or in one batch; return the statuses."""
    link, inlet = FakeLink(), on.inlet()
    for sequence, pdu in enumerate(pdus):
        inlet.delivered(link, pdu, sequence)
        if not together:
            await inlet.flush()
    await inlet.flush()
    return [status for _, status in sorted(link.answers)]


async def views(on: Plane) -> list[MessageView]:
    """Return the inbound messages, oldest first."""
    found = await on.store.read(Search(resource=on.resource, direction="inbound"))
    identifiers = [from_wire_id(one.message_id) for one in reversed(found)]
    return [await on.view(identifier) for identifier in identifiers if identifier is not None]


async def texts(on: Plane) -> list[str | None]:
    return [view.text for view in await views(on)]


async def sweep(on: Plane) -> int:
    now, settings = on.clock.now(), on.settings.reassembly
    finisher, count = await on.store.write(SweepParts(on.finisher(), now, now + DAY, settings))
    on.ended(finisher)
    return count


async def rows(on: Plane) -> int:
    query = select(func.count()).select_from(inbound_parts)
    return await on.store.read(lambda tx: tx.execute(query).scalar_one())


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
async def test_parts_in_any_order_become_one_message(store: Store, order: tuple[int, ...]) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    assert await deliver(on, *(part(number) for number in order)) == [OK] * 3
    (view,) = await views(on)
    assert (view.text, view.message.segments) == ("".join(WORDS), 3)
    kinds = [(entry.kind, entry.data.get("part")) for entry in view.timeline]
    assert kinds[-1] == ("message.received", None)
    assert sorted(kinds[:-1]) == [("part.received", number) for number in (1, 2, 3)]
    assert len(on.deliveries) == 1
    assert b'"segmentCount":3' in on.deliveries[0].payload


@pytest.mark.parametrize("made", [part, wide, sar])
async def test_every_way_of_tying_parts_together_works_in_one_batch(store: Store, made: object) -> None:
    on = await plane(store)
    pdus = [made(number) for number in (2, 3, 1)]  # type: ignore[operator]
    assert await deliver(on, *pdus, text(b"whole"), together=True) == [OK] * 4
    assert await texts(on) == ["".join(WORDS), "whole"]


async def test_a_repeated_part_is_answered_and_changes_nothing(store: Store) -> None:
    on = await plane(store)
    pdus = [part(1), part(1), part(2), part(3), part(3), part(1)]
    assert await deliver(on, *pdus) == [OK] * 6
    assert await texts(on) == ["".join(WORDS)]


async def test_a_part_cut_inside_a_character_is_whole_again(store: Store) -> None:
    on = await plane(store)
    octets = "Grüße 🎉".encode("utf-16-be")
    pdus = [
        text(bytes((5, 0, 3, 1, 2, number)) + body, esm_class=0x40, data_coding=8)
        for number, body in ((2, octets[-2:]), (1, octets[:-2]))
    ]
    assert await deliver(on, *pdus) == [OK, OK]
    assert await texts(on) == ["Grüße 🎉"]


async def test_what_came_in_time_is_delivered_with_a_mark_and_the_missing_parts_named(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    await deliver(on, part(1), part(3))
    on.clock.advance(599)
    assert await sweep(on) == 0
    on.clock.advance(2)
    assert await sweep(on) == 1
    (view,) = await views(on)
    assert view.text == f"{WORDS[0]}{GAP}{WORDS[2]}"
    assert view.timeline[-1].data["missing"] == [2]
    assert len(on.deliveries) == 1
    assert await sweep(on) == 0
    assert await rows(on) == 0


async def test_a_part_that_comes_after_all_is_delivered_by_itself(store: Store) -> None:
    on = await plane(store)
    await deliver(on, part(1), part(3))
    on.clock.advance(601)
    await sweep(on)
    await deliver(on, part(2))
    on.clock.advance(601)
    await sweep(on)
    assert (await texts(on))[-1] == f"{GAP}{WORDS[1]}{GAP}"


async def test_parts_of_delivered_texts_are_forgotten_in_the_end(store: Store) -> None:
    on = await plane(store)
    await deliver(on, part(1), part(2), part(3))
    assert await rows(on) == 3
    on.clock.advance(601)
    assert await sweep(on) == 0
    assert await rows(on) == 0


async def test_a_reference_that_is_used_again_is_another_text(store: Store) -> None:
    on = await plane(store)
    first = [part(number, 2, body=f"first {number} ") for number in (1, 2)]
    second = [part(number, 2, body=f"second {number} ") for number in (2, 1)]
    assert await deliver(on, *first, *second) == [OK] * 4
    assert await texts(on) == ["first 1 first 2 ", "second 1 second 2 "]


async def test_texts_of_different_senders_are_kept_apart(store: Store) -> None:
    on = await plane(store)
    other = {"source_addr": "12065550102"}
    pdus = [part(1, 2), part(2, 2, **other), part(1, 2, **other), part(2, 2)]
    assert await deliver(on, *pdus, together=True) == [OK] * 4
    assert await texts(on) == ["".join(WORDS[:2])] * 2


async def test_parts_for_nobodys_number_are_refused(store: Store) -> None:
    on = await plane(store)
    assert await deliver(on, part(1, destination_addr="14255550198")) == [NOBODY]
    assert await rows(on) == 0


async def test_too_many_waiting_parts_push_the_oldest_text_out(store: Store) -> None:
    settings = SmsSettings(reassembly=ReassemblySettings(parts_per_sender=255))
    on = await plane(store, settings=settings)
    for start in range(0, 260, 52):
        pdus = [
            part(1, 2, reference, body=f"{reference}")
            for reference in range(start, start + 52)
            if reference < 256
        ]
        on.clock.advance(1)
        await deliver(on, *pdus, together=True)
    assert await rows(on) == 256
    assert await sweep(on) == 1
    assert await texts(on) == [f"0{GAP}"]


async def test_a_word_in_a_joined_text_counts_as_in_a_whole_one(store: Store) -> None:
    on = await plane(store)
    await deliver(on, part(2, 2, body="OP"), part(1, 2, body="ST"))
    assert len(on.replies) == 1


# Several gateways on PostgreSQL

OURS = PartKey(CARRIER, NUMBER, PEER, "udh8", 7, 3)
OTHERS = PartKey(CARRIER, NUMBER, "+12065550102", "udh8", 7, 3)


@contextmanager
def another_gateway_holds(on: Plane, take: Callable[[Connection], None]) -> Iterator[None]:
    """Let another transaction hold what `take` takes."""
    with on.store.engine.connect() as tx, tx.begin():
        take(tx)
        yield


async def somebody_waits(on: Plane) -> None:
    """Wait until a transaction waits for an advisory lock."""
    waits = sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(10):
        while not await on.store.read(lambda tx: tx.execute(waits).scalar_one()):
            pass


@pytest.mark.parametrize(
    "take",
    [lock_to_change, lambda tx: lock_senders(tx, [OTHERS])],
    ids=["opt-outs", "another sender's parts"],
)
async def test_parts_wait_for_nothing_but_their_own_senders(
    postgresql_store: Store, take: Callable[[Connection], None]
) -> None:
    on = await plane(postgresql_store)
    with another_gateway_holds(on, take):
        assert await asyncio.wait_for(deliver(on, part(2), part(3), part(1)), 10) == [OK] * 3
        assert await texts(on) == ["".join(WORDS)]


async def test_parts_wait_for_those_of_their_sender_that_another_gateway_keeps(
    postgresql_store: Store,
) -> None:
    on = await plane(postgresql_store)
    with another_gateway_holds(on, lambda tx: lock_senders(tx, [OURS])):
        ours = asyncio.create_task(deliver(on, part(1)))
        await somebody_waits(on)
        assert await rows(on) == 0
    assert await ours == [OK]
    assert await rows(on) == 1


async def test_the_parts_of_two_gateways_at_once_are_one_text(postgresql_url: str) -> None:
    with stores.started(postgresql_url) as one, stores.started(postgresql_url) as two:
        on = await plane(one)
        other = replace(on, store=two, node=await two.write(RegisterNode("other")))
        for reference in range(20):
            pdus = [part(number, 3, reference) for number in (1, 2, 3)]
            await asyncio.gather(
                deliver(on, *pdus[::2], together=True), deliver(other, pdus[1], together=True)
            )
        assert await texts(on) == ["".join(WORDS)] * 20


async def test_the_sweep_leaves_alone_what_another_gateway_keeps_parts_of(postgresql_store: Store) -> None:
    on = await plane(postgresql_store)
    await deliver(on, part(1), part(1, source_addr=OTHERS.peer[1:]))
    on.clock.advance(601)
    with another_gateway_holds(on, lambda tx: lock_senders(tx, [OURS])):
        assert await sweep(on) == 1
    assert await sweep(on) == 1
    assert len(await texts(on)) == 2
