"""Whoever binds to us sends messages and gets receipts, and loses none of them."""

import asyncio
from typing import Any

import pytest

from carriers.model.carrier import SmppLink
from sms.esme import service
from sms.message import from_wire_id
from sms.receipts import Receipt, is_receipt, read_receipt
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.link import Link
from sms.smpp.pdu import BindReceiver, BindTransmitter, DeliverSm, Unbind, tlv
from sms.store.queries import MessageSummary, Search
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.kernel.store.leases import EndLease, RegisterNode, TakeOver
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.esme import Esme, bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit
from tests.support.smpp import Witness
from tests.support.sms import CARRIER, NUMBER, PEER, settled

pytestmark = pytest.mark.wire

UNDELIVERABLE = "12065550101"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RETRY_SECONDS", (0.02, 0.05))
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.03)
    monkeypatch.setattr("sms.service.SWEEP_SECONDS", 0.05)


def read(pdu: DeliverSm) -> Receipt:
    """Return what a receipt says."""
    assert is_receipt(pdu)
    found = read_receipt(pdu, pdu.short_message)
    assert found is not None
    return found


async def messages(at: Desk, **conditions: Any) -> list[MessageSummary]:
    return await at.plane.store.read(Search(resource=at.plane.resource, **conditions))


async def bind_status(at: Desk, status: int, **who: Any) -> None:
    async with bound(at.port, **({"system_id": SYSTEM_ID, "password": PASSWORD} | who), status=status):
        pass


def visit(at: Desk, system_id: str = SYSTEM_ID, **kind: Any) -> Any:
    return bound(at.port, system_id, PASSWORD, **kind)


async def test_a_customers_message_goes_out_and_its_receipt_comes_back(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            status, identifier = await esme.submit(submit("Grüße".encode("latin-1"), data_coding=3))
            assert (status, len(identifier)) == (0, 32)
            pdu = await esme.delivery()
            assert read(pdu).remote_id == identifier.lstrip("0")
            assert (read(pdu).stat, pdu.source_addr, pdu.destination_addr) == (
                "DELIVRD",
                PEER[1:],
                NUMBER[1:],
            )
            assert tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == identifier.encode() + b"\0"
            await at.until_waiting(0)
        (sent,) = await messages(at)
        assert (sent.state, sent.from_, sent.to) == ("delivered", NUMBER, PEER)
        view = await at.plane.view(at_id(sent))
        assert (view.text, view.timeline[0].source) == ("Grüße", f"smpp:{SYSTEM_ID}")


def at_id(summary: MessageSummary) -> Any:
    found = from_wire_id(summary.message_id)
    assert found is not None
    return found


async def test_our_own_link_is_a_customer_too(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        witness = Witness()
        settings = SmppLink(host="127.0.0.1", port=at.port, system_id=SYSTEM_ID, password=Secret(PASSWORD))
        link = Link("up", "tandem", settings, witness, clock=SystemClock())
        running = asyncio.create_task(link.run())
        await witness.until(lambda: link.bound)
        for token in range(50):
            link.submit(submit(f"message {token}".encode()), token)
        await witness.until(lambda: len(witness.named("submit_answered")) == 50)
        assert {status for _, status, _ in witness.named("submit_answered")} == {0}
        identifiers = {identifier for _, _, identifier in witness.named("submit_answered")}
        for pdu in await _deliveries(witness, 50, link):
            identifiers.discard(f"{int(read(pdu).remote_id, 16):032x}")
        assert identifiers == set()
        await link.stop(1.0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _deliveries(witness: Witness, count: int, link: Link) -> list[DeliverSm]:
    await witness.until(lambda: len(witness.named("delivered")) >= count)
    found = [(pdu, sequence) for pdu, sequence in witness.named("delivered")]
    for _, sequence in found:
        link.answer_deliver(sequence, 0)
    return [pdu for pdu, _ in found]


async def test_who_is_not_let_in(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account(max_binds=1, binds=("transceiver",))
        await at.account("elsewhere", addresses=("192.0.2.0/24",))
        await at.account("nowhere", addresses=())
        await bind_status(at, CommandStatus.ESME_RINVPASWD, password="wrong")
        await bind_status(at, CommandStatus.ESME_RINVPASWD, system_id="nobody")
        await bind_status(at, CommandStatus.ESME_RINVPASWD, system_id="elsewhere")
        await bind_status(at, CommandStatus.ESME_RINVPASWD, system_id="nowhere")
        await bind_status(at, CommandStatus.ESME_RBINDFAIL, kind=BindReceiver)
        async with visit(at):
            await bind_status(at, CommandStatus.ESME_RALYBND)


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"source_addr": "14255550111"}, CommandStatus.ESME_RINVSRCADR),
    ({"source_addr": ""}, CommandStatus.ESME_RINVSRCADR),
    ({"destination_addr": "12"}, CommandStatus.ESME_RINVDSTADR),
    ({"short_message": b""}, CommandStatus.ESME_RINVMSGLEN),
    ({"esm_class": 0x04}, CommandStatus.ESME_RINVESMCLASS),
    ({"registered_delivery": 3}, CommandStatus.ESME_RINVREGDLVFLG),
    ({"replace_if_present_flag": 1}, CommandStatus.ESME_RINVREPFLAG),
    ({"validity_period": "200101000000000+"}, CommandStatus.ESME_RINVEXPIRY),
    ({"validity_period": "no time at all!!"}, CommandStatus.ESME_RINVEXPIRY),
    ({"schedule_delivery_time": "999999999999999+"}, CommandStatus.ESME_RINVSCHED),
]


async def test_what_cannot_be_sent_is_refused_by_its_own_status(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            for change, status in REFUSED:
                assert await esme.submit(submit(**change)) == (status, ""), change
            assert (await esme.submit(submit()))[0] == 0
        assert len(await messages(at)) == 1


async def test_another_resources_number_is_no_sender(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        other, theirs = ResourceId(new_id(1)), E164("+14255550188")
        await sqlite_store.write(AcquireNumber(OwnedNumber(other, theirs, CARRIER), 1))
        await at.account()
        async with visit(at) as esme:
            status, _ = await esme.submit(submit(source_addr=theirs[1:]))
            assert status == CommandStatus.ESME_RINVSRCADR
        assert await messages(at) == []


async def test_receipts_wait_for_an_account_that_is_away_and_come_in_order(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at, kind=BindTransmitter) as esme:
            identifiers = [(await esme.submit(submit(b"%d" % number)))[1] for number in range(5)]
        await at.until_waiting(5)
        async with visit(at, kind=BindReceiver) as esme:
            came = [read(await esme.delivery()).remote_id for _ in range(5)]
            assert sorted(came) == sorted(each.lstrip("0") for each in identifiers)
            await at.until_waiting(0)


async def test_what_was_not_answered_comes_again_after_a_kill(store: Store) -> None:
    async with desk(store) as first:
        await first.account()
        async with visit(first, kind=BindTransmitter) as esme:
            await esme.submit(submit())
        await first.until_waiting(1)
        esme = await _silent(first)
        await esme.delivery()  # claimed, in flight, never answered
        successor = await store.write(RegisterNode("next"))
        await store.write(EndLease(first.plane.node))
        assert await store.write(TakeOver(successor)) >= 1
        first.plane.node = successor
        async with desk(store, on=first.plane) as second, visit(second, kind=BindReceiver) as again:
            assert read(await again.delivery()).stat == "DELIVRD"
            await second.until_waiting(0)
        await esme.close()


async def _silent(at: Desk) -> Esme:
    """Bind as a receiver that answers nothing."""
    esme = Esme(*await asyncio.open_connection("127.0.0.1", at.port))
    esme.answer = None
    esme.send(BindReceiver(system_id=SYSTEM_ID, password=PASSWORD))
    await esme.next()
    return esme


async def test_a_receipt_that_is_refused_for_the_moment_comes_again(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            esme.answer = CommandStatus.ESME_RX_T_APPN
            await esme.submit(submit())
            await esme.delivery()
            await esme.delivery()
            esme.answer = 0
            await esme.delivery()
            await at.until_waiting(0)


async def test_a_receipt_that_is_refused_for_good_is_not_sent_again(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            esme.answer = CommandStatus.ESME_RX_P_APPN
            await esme.submit(submit())
            await esme.delivery()
            await at.until_waiting(0)


async def test_receipts_come_as_they_were_asked_for(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            await esme.submit(submit(registered_delivery=0))
            await esme.submit(submit(registered_delivery=2))
            _, failed = await esme.submit(submit(registered_delivery=2, destination_addr=UNDELIVERABLE))
            receipt = read(await esme.delivery())
            assert (receipt.remote_id, receipt.state) == (failed.lstrip("0"), "failed")
            await settled_states(at, 3)
            assert await esme.settled() == []


async def settled_states(at: Desk, count: int) -> None:
    async with asyncio.timeout(10):
        while sum(one.state in {"delivered", "failed"} for one in await messages(at)) < count:
            pass


async def test_an_account_reads_ids_as_it_wants(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("decimal", ids="decimal", receipt_tlvs=False)
        await at.account("guid", ids="guid", receipt_text=False)
        async with visit(at, "decimal") as esme:
            _, identifier = await esme.submit(submit())
            pdu = await esme.delivery()
            assert identifier.isdecimal()
            assert pdu.short_message.startswith(b"id:" + identifier.encode())
            assert pdu.tlvs == ()
        async with visit(at, "guid") as esme:
            _, identifier = await esme.submit(submit())
            pdu = await esme.delivery()
            assert pdu.short_message == b""
            assert tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == identifier.encode() + b"\0"
            assert tlv(pdu.tlvs, Tag.MESSAGE_STATE) == b"\x02"


async def test_parts_that_a_customer_cut_stay_parts(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account(inbound=True)
        echo = "12065550107"
        async with visit(at) as esme:
            for number, body in ((2, b"world"), (1, b"Hello ")):  # in any order
                header = bytes((5, 0, 3, 77, 2, number))
                pdu = submit(
                    header + body, esm_class=int(EsmClass.UDHI), destination_addr=echo, registered_delivery=1
                )
                assert (await esme.submit(pdu))[0] == 0
            deliveries = [await esme.delivery() for _ in range(3)]
        receipts = [pdu for pdu in deliveries if is_receipt(pdu)]
        (text,) = [pdu for pdu in deliveries if not is_receipt(pdu)]
        assert len({read(pdu).remote_id for pdu in receipts}) == 2
        assert text.short_message.endswith(b"Hello world")  # the handset had it whole


async def test_a_text_to_a_number_reaches_the_accounts_that_want_it(store: Store) -> None:
    async with desk(store) as at:
        await at.account(inbound=True)
        await at.account("deaf")
        await settled(lambda: bool(at.smsc.stats().total.binds))
        async with visit(at) as esme, visit(at, "deaf") as deaf:
            at.smsc.inbound("Grüße 🎉", PEER, NUMBER)
            pdu = await esme.delivery()
            assert pdu.short_message.decode("utf-16-be") == "Grüße 🎉"
            assert (pdu.source_addr, pdu.destination_addr) == (PEER[1:], NUMBER[1:])
            assert await deaf.settled() == []


async def test_a_carrier_that_binds_to_us_brings_messages_to_its_numbers(store: Store) -> None:
    async with desk(store) as at:
        await at.account("carrier", kind="carrier", carrier=CARRIER)
        theirs = E164("+14255550188")
        await store.write(AcquireNumber(OwnedNumber(at.plane.resource, theirs, "another"), 1))
        async with visit(at, "carrier") as esme:
            to_us = {"source_addr": PEER[1:], "registered_delivery": 0}
            status, identifier = await esme.submit(submit(b"Hi", destination_addr=NUMBER[1:], **to_us))
            assert (status, len(identifier)) == (0, 32)
            for stranger in (theirs[1:], "14255550177"):
                status, _ = await esme.submit(submit(b"Hi", destination_addr=stranger, **to_us))
                assert status == CommandStatus.ESME_RINVDSTADR
        (came,) = await messages(at, direction="inbound")
        assert (came.from_, came.to, came.state) == (PEER, NUMBER, "received")


async def test_the_rate_and_the_quota_are_kept(store: Store) -> None:
    async with desk(store) as at:
        await at.account("slow", per_second=1.0)
        await at.account("poor", daily_quota=2)
        async with visit(at, "slow") as esme:
            statuses = [(await esme.submit(submit()))[0] for _ in range(3)]
            assert CommandStatus.ESME_RTHROTTLED in statuses
        async with visit(at, "poor") as esme:
            status, _ = await esme.submit(submit(source_addr="14255550111"))
            assert status == CommandStatus.ESME_RINVSRCADR
            statuses = [(await esme.submit(submit(registered_delivery=0)))[0] for _ in range(3)]
            assert statuses == [0, 0, CommandStatus.ESME_RTHROTTLED]


async def test_a_message_that_cannot_be_kept_is_not_accepted(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            await esme.submit(submit(registered_delivery=0))
            await settled_states(at, 1)
            await asyncio.to_thread(sqlite_store.stop)
            status, identifier = await esme.submit(submit())
            assert (status, identifier) == (CommandStatus.ESME_RSYSERR, "")


async def test_an_account_that_is_removed_or_changed_is_unbound(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            secret = await at.accounts.rotate(at.plane.resource, SYSTEM_ID)
            assert isinstance((await esme.next()).pdu, Unbind)
        await bind_status(at, CommandStatus.ESME_RINVPASWD)
        await bind_status(at, 0, password=secret.reveal())
        await at.accounts.enable(at.plane.resource, SYSTEM_ID, False)
        await bind_status(at, CommandStatus.ESME_RINVPASWD, password=secret.reveal())
        await at.accounts.remove(at.plane.resource, SYSTEM_ID)
        assert await at.accounts.list(at.plane.resource) == []
