"""What messages keep of a person is taken away, in slices, on both databases."""

from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import Table, func, insert, select, update

from sms.esme.tables import outbox
from sms.inward.tables import forwards
from sms.life import MessageLife
from sms.message import Outbound
from sms.optouts.tables import automatic_replies, opt_outs
from sms.store import erase
from sms.store.erase import ERASERS, kept
from sms.store.inbound_tables import inbound_parts
from sms.store.tables import early_receipts
from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import append
from telephony.resources import privacy
from telephony.resources.privacy import PrivacyVerbs
from tests.support.clock import START
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, plane

pytestmark = pytest.mark.wire

PERSON = E164(PEER)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(privacy, "SLICE", 3)
        patch.setattr(erase, "SLICE", 3)
        yield


def verbs(on: Plane) -> PrivacyVerbs:
    return PrivacyVerbs(on.store, on.clock, ERASERS, (kept,))


async def over(on: Plane, messages: list[Outbound], state: str = "delivered") -> None:
    """End messages as if that had happened to them."""
    statement = (
        update(interactions)
        .where(interactions.c.id.in_([message.id for message in messages]))
        .values(state=state, ended=START, node=None, due=None)
    )
    await on.store.write(lambda tx: tx.execute(statement))


async def test_messages_that_are_over_keep_nothing_of_the_person(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept("A secret text", count_=8)
    first = messages[0]
    spelled = {"link": "one", "written": ["030123456", "0206 5550100"]}
    for data in ({"to": "+12065550100", "part": 1}, {"to": "+912065550100"}, spelled):
        await store.write(
            lambda tx, data=data: append(tx, on.resource, first.id, START, on.node, "test", "test.kind", data)
        )
    await over(on, messages[:7])
    report = await verbs(on).erase(on.resource, PERSON)
    assert report.erased["messages"] == 7
    assert report.kept == {"messagesNotOver": 1, "optOuts": 0}
    for message in messages[:7]:
        view = await on.view(message)
        assert (view.message.to, view.text, view.message.tag) == ("erased", None, None)
        assert (view.message.from_, view.message.state, view.message.segments) == (NUMBER, "delivered", 1)
    assert [entry.data for entry in (await on.view(first)).timeline if entry.kind == "test.kind"] == [
        {"to": "erased", "part": 1},
        {"to": "+912065550100"},
        {"link": "one"},
    ]
    left = await on.view(messages[7])
    assert (left.message.to, left.text) == (PEER, "A secret text")
    await over(on, messages[7:])
    assert (await verbs(on).erase(on.resource, PERSON)).erased["messages"] == 1


async def test_an_erased_message_cannot_be_sent_again(store: Store) -> None:
    on = await plane(store)
    (message,) = await on.accept()
    await over(on, [message], "failed")
    await verbs(on).erase(on.resource, PERSON)
    life = MessageLife(
        store=store,
        clock=on.clock,
        node=on.node,
        settings=on.settings,
        finisher=on.finisher,
        ended=on.ended,
        offer=lambda _, __: None,
        cancelled=lambda _, __: None,
    )
    with pytest.raises(Conflict, match="text is not kept"):
        await life.requeue(on.resource, message.id)


async def test_parts_replies_deliveries_and_receipts_go_and_opt_outs_stay(store: Store) -> None:
    on = await plane(store)
    other = "+12065550199"
    part = {
        "carrier": CARRIER,
        "kind": "udh",
        "total": 2,
        "number": 1,
        "link": "one",
        "body": b"half a text",
        "alphabet": "gsm",
        "locking": 0,
        "single": 0,
        "at": START,
        "delivered": 0,
        "due": START,
    }
    reply = {"resource": on.resource, "own": NUMBER, "hour": 0, "in_hour": 1, "day": 0, "in_day": 1}
    onward = {
        "resource": on.resource,
        "message": new_id(START),
        "due": 0,
        "own": NUMBER,
        "digest": b"0" * 16,
        "hops": 1,
        "stops": b"{}",
        "at": 0,
        "expires": START,
    }
    note = {"resource": on.resource, "system_id": "crm", "due": 0, "attempts": 0, "expires": START}
    early = {"carrier": CARRIER, "expires": START}
    parties = (
        b'{"remote_id":"1","state":"delivered","stat":"DELIVRD","parties":["12065550100","14255550199"]}'
    )
    rows = {
        inbound_parts: [
            *(part | {"own": NUMBER, "peer": PEER, "reference": each} for each in range(5)),
            part | {"own": NUMBER, "peer": other, "reference": 1},
            part | {"own": "+14255550111", "peer": PEER, "reference": 1},  # another resource's number
        ],
        automatic_replies: [reply | {"peer": peer, "expires": START} for peer in (PEER, other)],
        forwards: [
            onward | {"id": new_id(START), "peer": peer, "target": target}
            for peer, target in ((PEER, other), (other, PEER), (other, other))
        ],
        opt_outs: [
            {"resource": on.resource, "own": NUMBER, "peer": peer, "at": START, "source": "api"}
            for peer in (PEER, other)
        ],
        outbox: [
            note | {"id": new_id(START), "content": msgspec.json.encode({"own": NUMBER, "peer": peer})}
            for peer in [PEER] * 5 + [other]
        ],
        early_receipts: [
            early | {"remote_id": "1", "id": new_id(START), "receipt": parties},
            early | {"remote_id": "2", "id": new_id(START), "receipt": parties.replace(b"100", b"101")},
        ],
    }
    for table, values in rows.items():
        await store.write(lambda tx, table=table, values=values: tx.execute(insert(table), values))
    report = await verbs(on).erase(on.resource, PERSON)
    assert report.erased == {
        "messages": 0,
        "inboundParts": 5,
        "automaticReplies": 1,
        "forwards": 2,
        "smppDeliveries": 5,
        "receipts": 1,
        "parkedReceipts": 0,
    }
    assert report.kept == {"messagesNotOver": 0, "optOuts": 1}
    left = {table.name: await count(store, table) for table in rows}
    assert left == {
        "inbound_parts": 2,
        "automatic_replies": 1,
        "forwards": 1,
        "opt_outs": 2,
        "smpp_outbox": 1,
        "early_receipts": 2,
    }
    query = select(early_receipts.c.receipt).order_by(early_receipts.c.remote_id)
    first, _ = await store.read(lambda tx: [bytes(each) for each in tx.scalars(query)])
    assert msgspec.json.decode(first)["parties"] == ["erased", "14255550199"]


async def test_another_resource_keeps_what_it_has_of_the_same_person(store: Store) -> None:
    on = await plane(store)
    messages = await on.accept()
    await over(on, messages)
    report = await verbs(on).erase(ResourceId(b"another resource"), PERSON)
    assert set(report.erased.values()) == {0}
    assert (await on.view(messages[0])).message.to == PEER


async def count(store: Store, table: Table) -> int:
    return await store.read(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one())
