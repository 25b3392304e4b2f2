"""Carriers that bind to us push messages and receipts, by whatever request: they come in as over a link."""

import asyncio
from typing import Any

import pytest

from sms.smpp.constants import CommandStatus, Tag
from sms.smpp.pdu import BindTransmitter, DataSm, DataSmResp, DeliverSm, DeliverSmResp, SubmitSmResp, Unbind
from sms.store.queries import MessageSummary, Search
from telephony.kernel.e164 import E164
from telephony.kernel.store import Store
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.esme import Esme, bound
from tests.support.esmes import PASSWORD, Desk, desk, submit
from tests.support.sms import CARRIER, NUMBER, PEER, receipt, text

pytestmark = pytest.mark.wire

SILENT = "12065550103"
"""A handset of the simulated carrier, of which no receipt comes."""


def carrier(at: Desk, **kind: Any) -> Any:
    return bound(at.port, "their-smsc", PASSWORD, **kind)


async def push(esme: Esme, pdu: DeliverSm | DataSm) -> int:
    """Push; return the status of the answer, which must be of the right kind."""
    sequence = esme.send(pdu)
    frame = await esme.next()
    assert frame.sequence == sequence
    assert isinstance(frame.pdu, DeliverSmResp if isinstance(pdu, DeliverSm) else DataSmResp)
    return frame.status


def by_data_sm(pdu: DeliverSm) -> DataSm:
    """Return what a carrier sends that prefers data_sm."""
    return DataSm(
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        data_coding=pdu.data_coding,
        tlvs=(*pdu.tlvs, (int(Tag.MESSAGE_PAYLOAD), pdu.short_message)),
    )


def as_it_is(pdu: DeliverSm) -> DeliverSm:
    return pdu


async def inbox(at: Desk) -> list[MessageSummary]:
    return await at.plane.store.read(Search(resource=at.plane.resource, direction="inbound"))


async def test_messages_come_by_deliver_sm_and_data_sm(store: Store) -> None:
    async with desk(store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        await at.account("crm", inbound=True)
        async with carrier(at) as esme, bound(at.port, "crm", PASSWORD) as customer:
            assert await push(esme, text(b"by deliver_sm")) == 0
            assert await push(esme, by_data_sm(text(b"by data_sm"))) == 0
            came = {(await customer.delivery()).short_message for _ in range(2)}
        assert came == {b"by deliver_sm", b"by data_sm"}
        assert {(one.from_, one.to, one.state) for one in await inbox(at)} == {(PEER, NUMBER, "received")}


async def test_receipts_come_by_deliver_sm_and_data_sm(store: Store) -> None:
    async with desk(store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        await at.account()
        async with carrier(at) as esme, bound(at.port, "customer", PASSWORD) as customer:
            for number, wrap in enumerate((as_it_is, by_data_sm)):
                await customer.submit(submit(b"%d" % number, destination_addr=SILENT))
                part = await submitted(at, number + 1)
                assert await push(esme, wrap(receipt(part))) == 0
                assert b"stat:DELIVRD" in (await customer.delivery()).short_message


async def submitted(at: Desk, count: int) -> str:
    """Wait until the carrier has taken so many messages; return its id of the last."""
    async with asyncio.timeout(10):
        while True:
            found = await at.plane.store.read(Search(resource=at.plane.resource, direction="outbound"))
            taken = [one for one in found if one.state == "submitted"]
            if len(found) == count and len(taken) == 1:
                view = await at.view(taken[0])
                return str(view.parts[0].remote_id)


async def test_parts_that_are_pushed_become_one_text(store: Store) -> None:
    async with desk(store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        async with carrier(at) as esme:
            for number, body in ((2, b"world"), (1, b"Hello ")):
                header = bytes((5, 0, 3, 9, 2, number))
                assert await push(esme, text(header + body, esm_class=0x40)) == 0
        (came,) = await inbox(at)
        assert (await at.view(came)).text == "Hello world"


async def test_what_is_pushed_again_after_its_bind_was_lost_is_kept_once(store: Store) -> None:
    async with desk(store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        async with carrier(at) as esme:
            assert await push(esme, text(b"once")) == 0
        await until_gone(at)
        async with carrier(at) as esme:
            assert await push(esme, text(b"once")) == 0  # it did not get our answer
            assert await push(esme, text(b"once")) == 0  # another one, which says the same
        assert len(await inbox(at)) == 2


async def until_gone(at: Desk) -> None:
    """Wait until no carrier is bound, and that is written down."""
    async with asyncio.timeout(10):
        while any(at.esmes.reception.binds().values()):
            await asyncio.sleep(0)
    inlet = at.sms.inlet(CARRIER)
    assert inlet is not None
    await inlet.flush()


async def test_a_word_that_is_pushed_opts_out(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        await at.account()
        async with carrier(at) as esme, bound(at.port, "customer", PASSWORD) as customer:
            assert await push(esme, text(b"STOP")) == 0
            status, _ = await customer.submit(submit())
            assert status == CommandStatus.ESME_RSUBMITFAIL


async def test_numbers_of_others_are_not_reached(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        theirs = E164("+14255550188")
        await sqlite_store.write(AcquireNumber(OwnedNumber(at.plane.resource, theirs, "another"), 1))
        named = ((int(Tag.RECEIPTED_MESSAGE_ID), b"1A\0"),)  # names a message, and is one all the same
        async with carrier(at) as esme:
            for to in (theirs[1:], "14255550177"):
                for pdu in (text(destination_addr=to), text(destination_addr=to, tlvs=named)):
                    assert await push(esme, pdu) == CommandStatus.ESME_RINVDSTADR
                    assert await push(esme, by_data_sm(pdu)) == CommandStatus.ESME_RINVDSTADR
        assert await inbox(at) == []


async def test_a_customer_pushes_nothing(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with bound(at.port, "customer", PASSWORD) as customer:
            assert await push(customer, text()) == CommandStatus.ESME_RINVBNDSTS
            assert await push(customer, receipt("1")) == CommandStatus.ESME_RINVBNDSTS
        assert await inbox(at) == []


async def test_what_cannot_be_kept_is_asked_for_again(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        await at.account("lost", kind="carrier", carrier="gone")
        async with carrier(at, kind=BindTransmitter) as esme, bound(at.port, "lost", PASSWORD) as lost:
            assert await push(lost, text()) == CommandStatus.ESME_RX_T_APPN
            assert await push(esme, text()) == 0
            await asyncio.to_thread(sqlite_store.stop)
            assert await push(esme, text(b"another")) == CommandStatus.ESME_RX_T_APPN
            assert await push(esme, by_data_sm(text(b"another"))) == CommandStatus.ESME_RX_T_APPN
            sequence = esme.send(submit(b"another", destination_addr=NUMBER[1:]))
            frame = await esme.next()
            assert (frame.sequence, frame.status) == (sequence, CommandStatus.ESME_RSYSERR)
            assert isinstance(frame.pdu, SubmitSmResp)


async def test_what_was_pushed_is_answered_before_the_server_goes(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("their-smsc", kind="carrier", carrier=CARRIER)
        async with carrier(at) as esme:
            sequences = {esme.send(text(b"%d" % number)) for number in range(20)}
            await at.until(lambda: at.esmes.reception.counts()["their-smsc"].submitted == 20)
            stopping = asyncio.create_task(at.esmes.stop())
            answers = await esme.take(20)
            assert {(frame.sequence, frame.status) for frame in answers} == {(each, 0) for each in sequences}
            assert isinstance((await esme.next()).pdu, Unbind)
            await esme.close()
            await stopping
        assert len(await inbox(at)) == 20
        view = await at.view((await inbox(at))[0])
        assert view.timeline[0].source == "link:smpp:their-smsc"
