"""query_sm, cancel_sm and replace_sm: for an account's own messages, as long as there is something to do."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from sms.smpp.constants import CommandStatus, MessageState
from sms.smpp.pdu import CancelSm, CancelSmResp, Pdu, QuerySm, QuerySmResp, ReplaceSm, ReplaceSmResp
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.kernel.store.schema import interactions
from tests.support.esme import Esme, bound
from tests.support.esmes import PASSWORD, SYSTEM_ID, Desk, desk, submit
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.wire

LATER = "000000010000000R"
"""In an hour."""
SOON = "000000000001000R"
"""In a second."""
UNDELIVERABLE = "12065550101"
OURS = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": NUMBER[1:]}
THEIRS = {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": PEER[1:]}
NO_ID = "0" * 32


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sms.service.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("sms.smpp.link.UNBIND_SECONDS", 0.2)  # a mute carrier answers no unbind


def visit(at: Desk, system_id: str = SYSTEM_ID) -> Any:
    return bound(at.port, system_id, PASSWORD)


async def ask(esme: Esme, pdu: Pdu, kind: type[Pdu]) -> tuple[int, Any]:
    """Ask; return the status and the response, which must be of a kind."""
    sequence = esme.send(pdu)
    frame = await esme.next()
    assert (frame.sequence, type(frame.pdu)) == (sequence, kind), frame
    return frame.status, frame.pdu


async def cancel(esme: Esme, identifier: str, **fields: Any) -> int:
    status, _ = await ask(esme, CancelSm(message_id=identifier, **fields), CancelSmResp)
    return status


async def replace(esme: Esme, identifier: str, body: bytes = b"other", **fields: Any) -> int:
    pdu = ReplaceSm(message_id=identifier, short_message=body, **fields)
    status, _ = await ask(esme, pdu, ReplaceSmResp)
    return status


async def query(esme: Esme, identifier: str, **fields: Any) -> tuple[int, QuerySmResp]:
    status, pdu = await ask(esme, QuerySm(message_id=identifier, **fields), QuerySmResp)
    return status, pdu


async def test_a_message_is_asked_for_while_it_waits_and_when_it_is_over(store: Store) -> None:
    async with desk(store) as at:
        await at.account(ids="decimal")
        async with visit(at) as esme:
            _, waits = await esme.submit(submit(schedule_delivery_time=LATER, registered_delivery=0))
            status, found = await query(esme, waits, **OURS)
            assert (status, found.message_id, found.final_date) == (0, waits, "")
            assert found.message_state == MessageState.ENROUTE
            _, failed = await esme.submit(submit(destination_addr=UNDELIVERABLE))
            await esme.delivery()
            _, found = await query(esme, failed)
            assert (found.message_state, found.error_code) == (MessageState.UNDELIVERABLE, 1)
            assert (len(found.final_date), found.final_date[-4:]) == (16, "000+")


async def test_what_is_not_the_accounts_own_is_no_message(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        await at.account("other")
        async with visit(at) as esme, visit(at, "other") as other:
            _, mine = await esme.submit(submit(schedule_delivery_time=LATER))
            for identifier in (mine, NO_ID, "", "x", mine + "0"):
                assert (await query(other, identifier))[0] == CommandStatus.ESME_RINVMSGID
                assert await replace(other, identifier) == CommandStatus.ESME_RINVMSGID
                if identifier:
                    assert await cancel(other, identifier) == CommandStatus.ESME_RINVMSGID
            nothing = await cancel(other, "", **OURS, **THEIRS)
            assert nothing == CommandStatus.ESME_RCANCELFAIL
            assert (await query(esme, mine, source_addr="14255550100", source_addr_ton=1))[0] == (
                CommandStatus.ESME_RINVSRCADR
            )
            wrong = {"destination_addr": "14255550100", "dest_addr_ton": 1}
            assert await cancel(esme, mine, **wrong) == CommandStatus.ESME_RINVDSTADR
        assert [one.state for one in await at.sent()] == ["accepted"]


async def test_a_carriers_account_asks_in_vain(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account("theirs", kind="carrier", carrier="carrier")
        async with visit(at, "theirs") as esme:
            assert (await query(esme, NO_ID))[0] == CommandStatus.ESME_RQUERYFAIL
            assert await cancel(esme, NO_ID) == CommandStatus.ESME_RCANCELFAIL
            assert await replace(esme, NO_ID) == CommandStatus.ESME_RREPLACEFAIL


async def test_a_message_is_taken_back_once_and_its_receipt_says_so(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            _, identifier = await esme.submit(submit(schedule_delivery_time=LATER))
            esme.send(CancelSm(message_id=identifier, **OURS, **THEIRS), 77)
            answers = {type(frame.pdu): frame for frame in await esme.take(2)}  # the receipt may be faster
            assert answers[CancelSmResp].status == 0
            (receipt,) = [frame.pdu for kind, frame in answers.items() if kind is not CancelSmResp]
            assert b"stat:DELETED" in receipt.short_message
            assert await cancel(esme, identifier) == CommandStatus.ESME_RCANCELFAIL
            _, found = await query(esme, identifier)
            assert found.message_state == MessageState.DELETED
        (one,) = await at.sent()
        entries = (await at.view(one)).timeline
        assert [entry.source for entry in entries if entry.kind == "message.cancelled"] == [
            f"smpp:{SYSTEM_ID}"
        ]


async def test_without_an_id_all_that_waits_between_two_is_taken_back(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            for to in (PEER[1:], PEER[1:], UNDELIVERABLE):
                scheduled = submit(schedule_delivery_time=LATER, registered_delivery=0, destination_addr=to)
                await esme.submit(scheduled)
            assert await cancel(esme, "", **OURS, **THEIRS) == 0
            assert await cancel(esme, "", **OURS, **THEIRS) == CommandStatus.ESME_RCANCELFAIL
        assert sorted(one.state for one in await at.sent()) == ["accepted", "cancelled", "cancelled"]


async def test_another_text_takes_the_place_of_one_that_waits(store: Store) -> None:
    async with desk(store) as at:
        await at.account()
        async with visit(at) as esme:
            written = "первый".encode("utf-16-be")
            _, identifier = await esme.submit(
                submit(written, data_coding=8, schedule_delivery_time=LATER, registered_delivery=0)
            )
            other = "второй".encode("utf-16-be")  # in the data_coding that the first text had
            assert await replace(esme, identifier, other, registered_delivery=1, **OURS) == 0
            (one,) = await at.sent()
            assert ((await at.view(one)).text, one.state) == ("второй", "accepted")
            sooner = {"schedule_delivery_time": SOON, "registered_delivery": 1}
            assert await replace(esme, identifier, "скоро".encode("utf-16-be"), **sooner) == 0
            assert b"stat:DELIVRD" in (await esme.delivery()).short_message
            assert await replace(esme, identifier, other) == CommandStatus.ESME_RREPLACEFAIL
        (one,) = await at.sent()
        view = await at.view(one)
        assert view.text == "скоро"
        assert [entry.kind for entry in view.timeline].count("message.replaced") == 2
        assert at.smsc.stats().total.submitted == 1


async def test_a_text_that_waits_for_its_link_is_replaced_and_only_the_new_one_leaves(store: Store) -> None:
    async with desk(store, profile="binds-refused") as at:
        await at.account()
        async with visit(at) as esme:
            _, identifier = await esme.submit(submit(b"old"))
            assert await replace(esme, identifier, b"new", registered_delivery=1) == 0
            async with asyncio.timeout(15):
                assert b"stat:DELIVRD" in (await esme.delivery()).short_message
        (one,) = await at.sent()
        assert (await at.view(one)).text == "new"
        assert at.smsc.stats().total.submitted == 1


async def test_a_text_that_another_gateway_is_about_to_send_stays(store: Store) -> None:
    async with desk(store, profile="mute") as at:
        await at.account()
        async with visit(at) as esme:
            _, identifier = await esme.submit(submit(schedule_delivery_time=LATER))
            other = await store.write(RegisterNode("other"))
            await store.write(lambda tx: tx.execute(update(interactions).values(node=other)))
            assert await replace(esme, identifier) == CommandStatus.ESME_RREPLACEFAIL
        (one,) = await at.sent()
        assert (await at.view(one)).text == "Hello"


async def test_a_part_and_octets_are_not_replaced(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            part = {"short_message": bytes((5, 0, 3, 7, 2, 1)) + b"Hi", "esm_class": 0x40}
            for fields in (part, {"data_coding": 4}):
                _, identifier = await esme.submit(submit(schedule_delivery_time=LATER, **fields))
                assert await replace(esme, identifier) == CommandStatus.ESME_RREPLACEFAIL


WRONG: list[tuple[dict[str, Any], int]] = [
    ({"body": b""}, CommandStatus.ESME_RINVMSGLEN),
    ({"registered_delivery": 3}, CommandStatus.ESME_RINVREGDLVFLG),
    ({"sm_default_msg_id": 1}, CommandStatus.ESME_RINVDFTMSGID),
    ({"schedule_delivery_time": "999999999999999+"}, CommandStatus.ESME_RINVSCHED),
    ({"validity_period": "200101000000000+"}, CommandStatus.ESME_RINVEXPIRY),
]


async def test_a_replacement_that_cannot_be_is_refused_by_its_own_status(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            _, identifier = await esme.submit(submit(schedule_delivery_time=LATER))
            for fields, status in WRONG:
                assert await replace(esme, identifier, **fields) == status
            (one,) = await at.sent()
            assert (await at.view(one)).text == "Hello"


async def test_questions_have_a_rate_of_their_own(sqlite_store: Store) -> None:
    async with desk(sqlite_store) as at:
        await at.account()
        async with visit(at) as esme:
            sequences = [esme.send(QuerySm(message_id=NO_ID)) for _ in range(300)]
            statuses = [frame.status for frame in await esme.take(len(sequences))]
            assert set(statuses) == {CommandStatus.ESME_RINVMSGID, CommandStatus.ESME_RTHROTTLED}
            assert (await esme.submit(submit(registered_delivery=0)))[0] == 0
