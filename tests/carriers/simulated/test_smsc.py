"""The simulated carrier over real sockets: what an ESME sees of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carriers.simulated.journal import UNANSWERED, Journal, digest_of, read
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.smpp.constants import Tag
from sms.smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    Frame,
    QuerySm,
    SubmitSm,
    SubmitSmResp,
    tlv,
)
from sms.text import decode, segment
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError, InvalidRequest, NotFound, Unavailable
from telephony.kernel.secret import Secret
from tests.support.esme import PATIENCE, bound

pytestmark = pytest.mark.wire

OURS = "14255550123"


def settings(profile: str = "plain", per_second: float | None = None, **fields: Any) -> SimulatedSettings:
    account = SimulatedAccount(password=Secret("secret"), profile=profile, per_second=per_second)
    return SimulatedSettings(**{"port": 0, "accounts": {"tandem": account}, "slow_seconds": 0.05} | fields)


@asynccontextmanager
async def carrier(
    configured: SimulatedSettings | None = None, journal: Journal | None = None
) -> AsyncIterator[Smsc]:
    smsc = Smsc(configured or settings(), clock=SystemClock(), journal=journal)
    await smsc.start()
    try:
        yield smsc
    finally:
        await smsc.stop()


def message(last: int, text: bytes = b"hi", **fields: Any) -> SubmitSm:
    return SubmitSm(
        **{
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": OURS,
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": f"1206555{last:04d}",
            "registered_delivery": 1,
            "short_message": text,
        }
        | fields
    )


def stat(frame: Frame) -> str:
    assert isinstance(frame.pdu, DeliverSm)
    return frame.pdu.short_message.decode().split("stat:")[1].split()[0]


async def until(smsc: Smsc, **expected: int) -> None:
    """Wait until the counts are as expected."""
    async with asyncio.timeout(PATIENCE):
        while any(getattr(smsc.stats().total, name) != value for name, value in expected.items()):
            await asyncio.sleep(0)


# Binding


@pytest.mark.parametrize("kind", [BindTransceiver, BindTransmitter, BindReceiver])
async def test_a_configured_account_binds_and_nobody_else(kind: Any) -> None:
    async with carrier() as smsc:
        async with bound(smsc.port, kind=kind):
            assert smsc.stats().total.binds == 1
        async with bound(smsc.port, "tandem", "wrong", kind, status=0x0E) as refused:
            await refused.gone()
        async with bound(smsc.port, "nobody", "secret", kind, status=0x0F) as refused:
            await refused.gone()
        async with bound(smsc.port, "tandem", "", kind, status=0x0E) as refused:
            await refused.gone()
        await until(smsc, binds=0)


async def test_without_accounts_nobody_binds() -> None:
    async with (
        carrier(settings(accounts={})) as smsc,
        bound(smsc.port, "", "", status=0x0F) as refused,
    ):
        await refused.gone()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"profile": "plane"}, "profile: .*did you mean 'plain'"),
        ({"accounts": {"x": SimulatedAccount(password=Secret(""))}}, r"accounts\.x\.password: has 0 octets"),
        ({"accounts": {"x": SimulatedAccount(password=Secret("123456789"))}}, "has 9 octets"),
        ({"accounts": {"x": SimulatedAccount(password=Secret("1"), profile="?")}}, r"accounts\.x\.profile"),
    ],
)
async def test_settings_that_cannot_be_used_name_the_key(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Smsc(SimulatedSettings(**wrong), clock=SystemClock())


# Outcomes


@pytest.mark.parametrize(
    ("last", "statuses", "stats"),
    [
        (100, [0], ["DELIVRD"]),
        (101, [0], ["UNDELIV"]),
        (102, [0x0B, 0x0B, 0x0B], []),
        (103, [0], []),
        (104, [0], ["EXPIRED"]),
        (105, [0], ["DELIVRD"]),
        (106, [0x58, 0x58, 0], ["DELIVRD"]),
        (109, [0], ["DELIVRD", "DELIVRD"]),
        (111, [0x08, 0], ["DELIVRD"]),
        (112, [0], ["REJECTD"]),
        (113, [0x14, 0], ["DELIVRD"]),
        (199, [0], ["DELIVRD"]),
    ],
)
async def test_a_test_number_does_what_the_reference_says(
    last: int, statuses: list[int], stats: list[str]
) -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        answers = [await esme.submit(message(last)) for _ in statuses]
        assert [status for status, _ in answers] == statuses
        receipts = await esme.take(len(stats))
        assert [stat(receipt) for receipt in receipts] == stats
        for receipt in receipts:
            assert isinstance(receipt.pdu, DeliverSm)
            assert tlv(receipt.pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == answers[-1][1].encode() + b"\0"
            assert (receipt.pdu.source_addr, receipt.pdu.destination_addr) == (f"1206555{last:04d}", OURS)
        assert await esme.settled() == []
        await until(smsc, pending=0, answered=len(stats))


async def test_a_slow_receipt_comes_later_than_one_asked_for_after_it() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        slow = await esme.submit(message(105))
        fast = await esme.submit(message(100))
        for _, message_id in (fast, slow):
            assert f"id:{message_id} ".encode() in (await esme.delivery()).short_message


async def test_an_unanswered_message_leaves_the_link_working() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        for _ in range(3):
            esme.send(message(114))
        assert await esme.settled() == []
        assert (await esme.submit(message(103)))[0] == 0
        assert smsc.stats().total.submitted == 4


async def test_a_message_whose_response_was_lost_is_delivered_all_the_same() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        esme.send(message(115))
        assert stat(await esme.next()) == "DELIVRD"
        assert (await esme.submit(message(115)))[0] == 0
        assert stat(await esme.next()) == "DELIVRD"


async def test_an_echo_comes_back_whole() -> None:
    text = "Grüße 😀 " * 20
    async with carrier() as smsc, bound(smsc.port) as esme:
        parts = segment(text, 9)
        for part in parts:
            status, _ = await esme.submit(
                message(107, part.payload, esm_class=0x40, data_coding=8, registered_delivery=0)
            )
            assert status == 0
        replies = [await esme.delivery() for _ in parts]
        assert {(reply.source_addr, reply.destination_addr) for reply in replies} == {("12065550107", OURS)}
        texts = [
            decode(reply.short_message, reply.data_coding, bool(reply.esm_class & 0x40)) for reply in replies
        ]
        assert "".join(each.text for each in texts) == "echo: " + text


async def test_stop_comes_back_after_the_receipt() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        await esme.submit(message(108))
        assert stat(await esme.next()) == "DELIVRD"
        reply = await esme.delivery()
        assert (reply.short_message, reply.esm_class, reply.source_addr) == (b"STOP", 0, "12065550108")


async def test_ids_are_unique_also_after_a_restart() -> None:
    seen: set[str] = set()
    for _ in range(2):
        async with carrier() as smsc, bound(smsc.port) as esme:
            for _ in range(50):
                seen.add((await esme.submit(message(103)))[1])
    assert len(seen) == 100
    assert all(int(each, 16) for each in seen)


async def test_other_commands_are_refused_by_name() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        esme.send(QuerySm(message_id="1"))
        assert (await esme.next()).status == 0x67


# Profiles


@pytest.mark.parametrize(("profile", "last"), [("plain", 110), ("receipt-before-response", 100)])
async def test_a_receipt_comes_before_the_response(profile: str, last: int) -> None:
    async with carrier(settings(profile)) as smsc, bound(smsc.port) as esme:
        esme.send(message(last))
        receipt, response = await esme.take(2)
        assert isinstance(response.pdu, SubmitSmResp)
        assert isinstance(receipt.pdu, DeliverSm)
        assert f"id:{response.pdu.message_id} ".encode() in receipt.pdu.short_message


async def test_the_throttling_profile_takes_so_many_and_throttles_the_rest() -> None:
    async with carrier(settings("throttling", per_second=0.001)) as smsc, bound(smsc.port) as esme:
        statuses = [(await esme.submit(message(103)))[0] for _ in range(5)]
        assert statuses == [0, 0x58, 0x58, 0x58, 0x58]
        counts = smsc.stats().total
        assert (counts.submitted, counts.refused) == (1, 4)


async def test_accounts_bind_under_profiles_of_their_own() -> None:
    accounts = {
        "one": SimulatedAccount(password=Secret("1")),
        "two": SimulatedAccount(password=Secret("2"), profile="plain"),
    }
    configured = SimulatedSettings(port=0, accounts=accounts, profile="receipt-before-response")
    async with (
        carrier(configured) as smsc,
        bound(smsc.port, "one", "1") as one,
        bound(smsc.port, "two", "2") as two,
    ):
        for esme in (one, two):
            esme.send(message(100))
        assert isinstance((await one.next()).pdu, DeliverSm)
        assert isinstance((await two.next()).pdu, SubmitSmResp)


# Deliveries


async def test_receipts_wait_for_a_bind_that_receives() -> None:
    async with carrier() as smsc:
        async with bound(smsc.port, kind=BindTransmitter) as sender:
            ids = [(await sender.submit(message(100)))[1] for _ in range(3)]
            assert await sender.settled() == []
        assert smsc.stats().total.pending == 3
        async with bound(smsc.port, kind=BindReceiver) as receiver:
            receipts = [await receiver.delivery() for _ in ids]
        assert [
            f"id:{each} ".encode() in pdu.short_message for each, pdu in zip(ids, receipts, strict=True)
        ] == [True] * 3


async def test_receipts_go_to_another_bind_of_the_same_account_only() -> None:
    accounts = {name: SimulatedAccount(password=Secret("secret")) for name in ("tandem", "other")}
    async with (
        carrier(settings(accounts=accounts)) as smsc,
        bound(smsc.port, "other") as other,
        bound(smsc.port, kind=BindTransmitter) as sender,
        bound(smsc.port, kind=BindReceiver) as receiver,
    ):
        await sender.submit(message(100))
        assert stat(await receiver.next()) == "DELIVRD"
        assert await other.settled() == []


async def test_no_more_than_the_window_is_unanswered() -> None:
    async with carrier(settings(window=2)) as smsc, bound(smsc.port) as esme:
        esme.answer = None
        for _ in range(5):
            esme.send(message(100))
        frames = await esme.take(7)
        deliveries = [frame for frame in frames if isinstance(frame.pdu, DeliverSm)]
        assert len(deliveries) == 2
        assert await esme.settled() == []
        esme.answer = 0
        for frame in deliveries:
            esme.send(DeliverSmResp(), frame.sequence)
        assert [stat(await esme.next()) for _ in range(3)] == ["DELIVRD"] * 3
        await until(smsc, pending=0, answered=5)


async def test_a_delivery_answered_with_an_error_is_tried_again() -> None:
    async with carrier(settings(retry_seconds=(0.01, 0.02))) as smsc, bound(smsc.port) as esme:
        esme.answer = 0x64
        await esme.submit(message(100))
        first = await esme.delivery()
        second = await esme.delivery()
        esme.answer = 0
        third = await esme.delivery()
        assert first == second == third
        await until(smsc, pending=0, answered=1, receipts=3)


async def test_a_delivery_that_is_never_answered_is_tried_again_and_given_up() -> None:
    configured = settings(response_seconds=0.03, retry_seconds=(0.01, 0.01), max_tries=3)
    async with carrier(configured) as smsc, bound(smsc.port) as esme:
        esme.answer = None
        await esme.submit(message(100))
        for _ in range(3):
            assert stat(await esme.next()) == "DELIVRD"
        await until(smsc, pending=0, given_up=1, answered=0)


async def test_what_a_lost_bind_left_unanswered_goes_to_the_next_in_order() -> None:
    async with carrier() as smsc:
        async with bound(smsc.port) as esme:
            esme.answer = None
            ids = [(await esme.submit(message(100)))[1]]
            await esme.next()
            for _ in range(3):
                esme.send(message(100))
            frames = await esme.take(6)
            ids += [frame.pdu.message_id for frame in frames if isinstance(frame.pdu, SubmitSmResp)]
        await until(smsc, binds=0)
        assert smsc.stats().total.pending == 4
        async with bound(smsc.port) as esme:
            again = [await esme.delivery() for _ in ids]
        for message_id, pdu in zip(ids, again, strict=True):
            assert f"id:{message_id} ".encode() in pdu.short_message


async def test_beyond_the_bound_receipts_are_dropped_and_counted() -> None:
    async with (
        carrier(settings(max_pending=2)) as smsc,
        bound(smsc.port, kind=BindTransmitter) as sender,
    ):
        for _ in range(5):
            await sender.submit(message(100))
        counts = smsc.stats().total
        assert (counts.submitted, counts.pending, counts.dropped) == (5, 2, 3)
        with pytest.raises(Unavailable, match="2 messages wait"):
            smsc.inbound("hi", "+12065550199", f"+{OURS}")


# Texts from handsets


async def test_a_text_from_a_handset_arrives() -> None:
    async with carrier() as smsc, bound(smsc.port) as esme:
        message_id, parts = smsc.inbound("a" * 161, "+12065550199", f"+{OURS}")
        assert parts == 2
        assert message_id
        first, second = await esme.delivery(), await esme.delivery()
        assert (first.source_addr_ton, first.source_addr, first.dest_addr_ton) == (1, "12065550199", 1)
        assert first.short_message[6:] + second.short_message[6:] == b"a" * 161
        assert first.short_message[3] == second.short_message[3]


async def test_a_text_goes_to_a_named_account() -> None:
    accounts = {name: SimulatedAccount(password=Secret("secret")) for name in ("tandem", "other")}
    async with carrier(settings(accounts=accounts)) as smsc, bound(smsc.port, "other") as other:
        smsc.inbound("hi", "12345", OURS, "other")
        assert (await other.delivery()).short_message == b"hi"
        with pytest.raises(InvalidRequest, match="There are 2 accounts"):
            smsc.inbound("hi", "12345", OURS)
        with pytest.raises(NotFound, match="'third'"):
            smsc.inbound("hi", "12345", OURS, "third")
        with pytest.raises(InvalidRequest, match="surrogate"):
            smsc.inbound("\ud83d", "12345", OURS, "other")


# The witness


async def test_the_journal_has_everything_that_happened(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    async with carrier(settings(retry_seconds=(0.01, 0.01)), journal) as smsc, bound(smsc.port) as esme:
        _, delivered = await esme.submit(message(100))
        await esme.delivery()
        await esme.submit(message(102, b"no"))
        esme.send(message(114, b"lost"))
        await esme.settled()
        await until(smsc, answered=1)
        await esme.settled()
        entries = list(read(path))
        assert [(entry.kind, entry.status) for entry in entries] == [
            ("bound", 0),
            ("submit", 0),
            ("receipt", 0),
            ("answered", 0),
            ("refused", 0x0B),
            ("submit", UNANSWERED),
        ]
        submitted, receipt, answered = entries[1:4]
        assert {entry.message_id for entry in (submitted, receipt, answered)} == {delivered}
        assert (submitted.source, submitted.destination) == (OURS, "12065550100")
        assert (submitted.digest, submitted.head) == (digest_of(b"hi"), b"hi".hex())
        assert (receipt.source, receipt.destination, receipt.note) == ("12065550100", OURS, "DELIVRD")
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert [entry.kind for entry in read(path)][-1] == "unbound"
    journal.close()
