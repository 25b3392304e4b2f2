"""What carriers push: kept, then answered."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from carriers.model.carrier import Carrier
from sms.dispatch import Dispatcher
from sms.message import from_wire_id
from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.pdu import DeliverSm
from sms.store.queries import MessageSummary, Search
from sms.store.tables import early_receipts
from telephony.kernel.errors import Unavailable
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.formats import NumberFormat, NumberFormats
from tests.support.sms import (
    CARRIER,
    NUMBER,
    PEER,
    FakeLink,
    Plane,
    Subscribers,
    Wanting,
    plane,
    receipt,
    text,
)

pytestmark = pytest.mark.wire

OK, AGAIN = int(CommandStatus.ESME_ROK), int(CommandStatus.ESME_RX_T_APPN)
NOBODY = int(CommandStatus.ESME_RINVDSTADR)


async def _deliver(on: Plane, *pdus: DeliverSm, link: FakeLink | None = None) -> list[int]:
    """Deliver, and return the statuses in order."""
    link = link or FakeLink()
    inlet = on.inlet()
    for sequence, pdu in enumerate(pdus):
        inlet.delivered(link, pdu, sequence)
    await inlet.flush()
    return [status for _, status in sorted(link.answers)]


async def _received(on: Plane) -> list[MessageSummary]:
    return await on.store.read(Search(resource=on.resource, direction="inbound"))


async def test_a_text_is_answered_after_it_is_kept(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    link, inlet = FakeLink(), on.inlet()
    inlet.delivered(link, text(b"Hi"), 7)
    assert link.answers == []
    await inlet.flush()
    assert link.answers == [(7, OK)]
    (found,) = await _received(on)
    assert (found.from_, found.to, found.state) == (PEER, NUMBER, "received")
    assert len(on.deliveries) == 1


async def test_numbers_are_read_as_the_carrier_writes_them_and_their_spelling_is_kept(store: Store) -> None:
    american = NumberFormat(form="national", country="US", international_prefix="011")
    on = await plane(store, carrier=Carrier(formats=NumberFormats(inbound=american)))
    national = text(
        b"Hi",
        source_addr=PEER.removeprefix("+1"),
        source_addr_ton=2,
        destination_addr=NUMBER.removeprefix("+1"),
        dest_addr_ton=2,
    )
    assert await _deliver(on, national) == [OK]
    (found,) = await _received(on)
    assert (found.from_, found.to) == (PEER, NUMBER)
    identifier = from_wire_id(found.message_id)
    assert identifier is not None
    (came,) = [each for each in (await on.view(identifier)).timeline if each.kind == "message.received"]
    assert came.data["written"] == ["4255550199", "2065550100"]


async def test_a_receipt_is_answered_and_ends_its_message(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept()
    dispatcher.offer([message])
    await link.until_sent(1)
    link.answer(OK, "00AB")
    assert await _deliver(on, receipt("ab")) == [OK]
    await dispatcher.stop()
    assert await on.state(message) == "delivered"


@pytest.mark.parametrize(
    ("form", "answered", "reported"),
    [("same", "00ab", "AB"), ("hex-to-decimal", "171", "AB"), ("decimal-to-hex", "0xab"[2:], "0171")],
)
async def test_ids_are_compared_in_the_carriers_form(
    sqlite_store: Store, form: Any, answered: str, reported: str
) -> None:
    on = await plane(sqlite_store, carrier=Carrier(receipt_id=form))
    link = FakeLink()
    dispatcher = await on.dispatching(link)
    (message,) = await on.accept()
    dispatcher.offer([message])
    await link.until_sent(1)
    link.answer(OK, answered)
    await _deliver(on, receipt(reported))
    await dispatcher.stop()
    assert await on.state(message) == "delivered"


async def test_a_text_to_a_number_that_nobody_owns_is_refused(store: Store) -> None:
    on = await plane(store)
    assert await _deliver(on, text(destination_addr="14255550198"), text()) == [NOBODY, OK]
    assert len(await _received(on)) == 1


async def test_a_text_in_message_payload_is_read(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    payload = ((int(Tag.MESSAGE_PAYLOAD), "Grüße".encode("utf-16-be") * 100),)
    assert await _deliver(on, text(b"", data_coding=8, tlvs=payload)) == [OK]
    (found,) = await _received(on)
    identifier = from_wire_id(found.message_id)
    assert identifier is not None
    assert (await on.view(identifier)).text == "Grüße" * 100


async def test_a_receipt_in_message_payload_is_read(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    payload = ((int(Tag.MESSAGE_PAYLOAD), b"id:1 stat:DELIVRD err:000"),)
    assert await _deliver(on, text(b"", esm_class=4, tlvs=payload)) == [OK]
    count = select(func.count()).select_from(early_receipts)
    assert await on.store.read(lambda tx: tx.execute(count).scalar_one()) == 1


@pytest.mark.parametrize(
    "pdu",
    [
        text(b"\xff\xfe\x00\xd8", data_coding=8),
        text(b"\x00", data_coding=8),
        text(bytes(range(256))[:200], data_coding=0),
        text(b"\x1b", data_coding=0),
        text(b"\x80\xff", data_coding=4),
        text(b"\xff" * 100, data_coding=13),
        text(b"\x00\x01", data_coding=255),
        text(b"\x40" + b"x" * 10, esm_class=0x40),
        text(b"\x05\x00\x03\x01\x00\x00x", esm_class=0x40),
        text(b""),
        text(b"", esm_class=0x40),
        text(source_addr="", source_addr_ton=0),
        text(source_addr="\xff\x01", source_addr_ton=5),
        text(esm_class=0xFF & ~0x24),
    ],
)
async def test_whatever_a_text_holds_it_is_kept_and_answered(sqlite_store: Store, pdu: DeliverSm) -> None:
    on = await plane(sqlite_store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    assert await _deliver(on, pdu) == [OK]
    assert len(await _received(on)) == 1
    assert len(on.deliveries) == 1


@pytest.mark.parametrize(
    "pdu",
    [
        text(b"", esm_class=4),
        text(b"Hello", esm_class=4),
        text(b"id:\xff\x00 stat:", esm_class=4),
        text(b"id:1 stat:WHATEVER", esm_class=0x20),
        text(b"", tlvs=((int(Tag.RECEIPTED_MESSAGE_ID), b"\0"),)),
    ],
)
async def test_a_receipt_that_says_nothing_is_taken_so_that_it_does_not_come_again(
    sqlite_store: Store, pdu: DeliverSm
) -> None:
    on = await plane(sqlite_store)
    assert await _deliver(on, pdu) == [OK]
    assert await _received(on) == []


async def test_a_receipt_with_an_id_of_any_octets_is_kept(store: Store) -> None:
    on = await plane(store)
    odd = ((int(Tag.RECEIPTED_MESSAGE_ID), b"\xff'; DROP \x01\0rest"), (int(Tag.MESSAGE_STATE), b"\x02"))
    assert await _deliver(on, text(b"", esm_class=4, tlvs=odd), receipt("x" * 70)) == [OK, OK]


async def test_a_store_that_is_away_asks_for_another_try(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = await plane(sqlite_store)

    async def away(job: Any) -> Any:
        raise Unavailable("away")

    monkeypatch.setattr(on.store, "write", away)
    assert await _deliver(on, text(), receipt("1"), text()) == [AGAIN, AGAIN, AGAIN]


async def test_one_that_cannot_be_kept_does_not_hold_up_the_others(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = await plane(sqlite_store)
    write = on.store.write

    async def poisoned(job: Any) -> Any:
        if any(message.text == "poison" for message in job.messages):
            raise ValueError("cannot be written")
        return await write(job)

    monkeypatch.setattr(on.store, "write", poisoned)
    answers = await _deliver(on, text(b"one"), text(b"poison"), text(b"two"))
    assert answers == [OK, AGAIN, OK]
    assert len(await _received(on)) == 2


async def test_a_mistake_in_reading_one_is_answered_too(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = await plane(sqlite_store)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sms.inlet.decode", broken)
    assert await _deliver(on, text()) == [int(CommandStatus.ESME_RX_P_APPN)]


async def test_a_flood_is_kept_in_few_writes_and_every_one_is_answered(store: Store) -> None:
    on = await plane(store)
    groups = on.store.groups
    answers = await _deliver(on, *(text(f"No. {number}".encode()) for number in range(2000)))
    assert answers == [OK] * 2000
    assert on.store.groups - groups <= 10
    assert len(await on.store.read(Search(resource=on.resource, limit=500))) == 500


async def test_texts_to_many_resources_come_to_their_owners(store: Store) -> None:
    on = await plane(store)
    others = [Plane(on.store, on.clock, on.node, type(on.resource)(new_id(on.clock.now()))) for _ in range(3)]
    for index, other in enumerate(others):
        number = type(NUMBER)(f"+1425555010{index}")
        await store.write(AcquireNumber(OwnedNumber(other.resource, number, CARRIER), 1))
    pdus = [text(destination_addr=f"1425555010{index % 3}") for index in range(9)]
    assert await _deliver(on, *pdus) == [OK] * 9
    assert [len(await _received(other)) for other in others] == [3, 3, 3]
    assert await _received(on) == []


async def test_receipts_and_texts_of_one_batch_go_their_ways(store: Store) -> None:
    on = await plane(store)
    link = FakeLink()
    dispatcher: Dispatcher = await on.dispatching(link)
    messages = await on.accept(count_=5)
    dispatcher.offer(messages)
    await link.until_sent(5)
    for number in range(5):
        link.answer(OK, f"id{number}")
    pdus = [pdu for number in range(5) for pdu in (receipt(f"id{number}"), text())]
    assert await _deliver(on, *pdus) == [OK] * 10
    await dispatcher.stop()
    assert [await on.state(message) for message in messages] == ["delivered"] * 5
    assert len(await _received(on)) == 5


async def test_answers_go_out_on_the_link_that_asked(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    one, two, inlet = FakeLink("one"), FakeLink("two"), on.inlet()
    inlet.delivered(one, text(), 1)
    inlet.delivered(two, text(), 1)
    await asyncio.gather(inlet.flush(), inlet.flush())
    assert one.answers == two.answers == [(1, OK)]
