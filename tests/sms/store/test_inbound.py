"""Keeping inbound messages, and looking messages up."""

import msgspec
import pytest

from sms.message import from_wire_id
from sms.store.inbound import InboundSms, RecordInbound
from sms.store.queries import Find, Search
from telephony.kernel.clock import DAY
from telephony.kernel.ids import InteractionId, ResourceId, SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, Subscribers, Wanting, plane

pytestmark = pytest.mark.wire


def _sms(on: Plane, text: str = "Hi", own: str = NUMBER, peer: str = PEER, **changes: object) -> InboundSms:
    values: dict[str, object] = {"body": text.encode(), "alphabet": "gsm"}
    values |= changes
    return InboundSms(CARRIER, "one", on.clock.now(), own, peer, text, **values)  # type: ignore[arg-type]


async def _record(on: Plane, *messages: InboundSms) -> list[InteractionId | None]:
    finisher, kept = await on.store.write(RecordInbound(on.finisher(), on.clock.now() + DAY, messages))
    on.ended(finisher)
    return kept


async def test_a_message_to_an_owned_number_is_kept_and_told(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (identifier,) = await _record(on, _sms(on, "Grüße 🎉"))
    assert identifier is not None
    view = await on.view((on.resource, identifier))
    assert (view.message.state, view.message.direction, view.text) == ("received", "inbound", "Grüße 🎉")
    assert (view.message.from_, view.message.to) == (PEER, NUMBER)
    assert view.message.message_id.startswith("Incoming_")
    assert from_wire_id(view.message.message_id) == identifier
    assert [entry.kind for entry in view.timeline] == ["message.received"]
    (delivery,) = on.deliveries
    (event,) = msgspec.json.decode(delivery.payload)
    assert event["eventType"] == "Microsoft.Communication.SMSReceived"
    assert event["subject"] == "/phonenumber/14255550199"
    assert event["id"] == view.message.message_id
    assert event["data"] == {
        "messageId": view.message.message_id,
        "from": PEER,
        "to": NUMBER,
        "message": "Grüße 🎉",
        "receivedTimestamp": "2026-01-01T00:00:00.000000+00:00",
        "segmentCount": 1,
    }


async def test_a_message_to_nobodys_number_is_not_kept(store: Store) -> None:
    on = await plane(store)
    kept = await _record(on, _sms(on), _sms(on, own="+14255550198"), _sms(on))
    assert [identifier is None for identifier in kept] == [False, True, False]
    assert len(await store.read(Search(resource=on.resource))) == 2


async def test_octets_that_are_no_text_are_kept_as_they_came(store: Store) -> None:
    on = await plane(store)
    (identifier,) = await _record(on, _sms(on, "", body=b"\xff\x00\x80", alphabet="binary"))
    assert identifier is not None
    assert (await on.view((on.resource, identifier))).text == "ff0080"


async def test_a_message_may_hold_any_character(store: Store) -> None:
    on = await plane(store, subscribers=Subscribers((Wanting(SubscriptionId(new_id(1))),)))
    (identifier,) = await _record(on, _sms(on, "a\0b\x1b\ufffd", peer="Ünïcödé"))
    assert identifier is not None
    view = await on.view((on.resource, identifier))
    assert (view.text, view.message.from_) == ("a\0b\x1b\ufffd", "Ünïcödé")


async def test_messages_are_searched_newest_first(store: Store) -> None:
    on = await plane(store)
    (sent,) = await on.accept()
    received = [identifier for identifier in await _record(on, _sms(on, "1"), _sms(on, "2")) if identifier]
    everything = [from_wire_id(one.message_id) for one in await store.read(Search(resource=on.resource))]
    assert everything == [received[1], received[0], sent.id]

    async def found(**conditions: object) -> list[object]:
        search = Search(resource=on.resource, **conditions)  # type: ignore[arg-type]
        return [from_wire_id(one.message_id) for one in await store.read(search)]

    assert await found(direction="outbound") == [sent.id]
    assert await found(state="received", limit=1) == [received[1]]
    assert await found(peer=PEER, before=received[0]) == [sent.id]
    assert await found(own=NUMBER) == everything
    assert await found(peer="+12065550101") == []


async def test_another_resource_finds_nothing(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    stranger = ResourceId(new_id(on.clock.now()))
    assert await store.read(Find(stranger, message.id)) is None
    assert await store.read(Search(resource=stranger)) == []
