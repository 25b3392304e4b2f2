"""What an account decides about each message; times are given, nothing is sent."""

from itertools import count
from typing import Any

import pytest

from carriers.simulated.account import Account, Act, Decision, address_of
from carriers.simulated.catalogue import EVERY, PROFILES
from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import SubmitSm
from sms.text import Envelope, decode, sar, segment
from telephony.kernel.clock import MINUTE
from tests.support.clock import START

pytestmark = pytest.mark.unit

OURS = "14255550123"


def account(profile: str = "plain", per_second: float | None = None) -> Account:
    ids = count(1)
    return Account(PROFILES[profile], lambda: next(ids), per_second=per_second, mono=0.0, slow=120.0)


def message(last: int, text: bytes = b"hi", **fields: Any) -> SubmitSm:
    return SubmitSm(
        source_addr_ton=fields.pop("source_addr_ton", 1),
        source_addr_npi=1,
        source_addr=OURS,
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=f"1206555{last:04d}",
        registered_delivery=fields.pop("registered_delivery", 1),
        short_message=text,
        **fields,
    )


def submit(to: Account, pdu: SubmitSm) -> Decision:
    return to.submit(pdu, START, 0.0)


def stats(decision: Decision) -> list[str]:
    late = tuple(delivery for _, delivery in decision.late)
    return [delivery.note for delivery in decision.before + decision.after + late]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (100, ["DELIVRD"]),
        (101, ["UNDELIV"]),
        (103, []),
        (104, ["EXPIRED"]),
        (105, ["DELIVRD"]),
        (109, ["DELIVRD", "DELIVRD"]),
        (112, ["REJECTD"]),
        (9999, ["DELIVRD"]),
    ],
)
def test_an_accepted_message_gets_the_receipts_of_its_number(last: int, expected: list[str]) -> None:
    decision = submit(account(), message(last))
    assert (decision.status, decision.message_id, decision.answered) == (0, "1", True)
    assert stats(decision) == expected
    assert stats(submit(account(), message(last, registered_delivery=0))) == []


def test_only_failures_are_told_when_only_they_were_asked_for() -> None:
    assert stats(submit(account(), message(100, registered_delivery=2))) == []
    assert stats(submit(account(), message(101, registered_delivery=2))) == ["UNDELIV"]


@pytest.mark.parametrize(
    ("last", "statuses"),
    [
        (102, [0x0B] * 5),
        (106, [0x58, 0x58, 0, 0x58, 0x58, 0]),
        (111, [0x08, 0, 0x08, 0]),
        (113, [0x14, 0, 0x14, 0]),
    ],
)
def test_tries_of_the_same_message_are_refused_as_often_as_the_table_says(
    last: int, statuses: list[int]
) -> None:
    carrier = account()
    decisions = [submit(carrier, message(last)) for _ in statuses]
    assert [decision.status for decision in decisions] == statuses
    assert [bool(decision.message_id) for decision in decisions] == [status == 0 for status in statuses]


def test_tries_are_counted_for_each_message_apart() -> None:
    carrier = account()
    assert submit(carrier, message(111, b"one")).status == 8
    assert submit(carrier, message(111, b"two")).status == 8
    assert submit(carrier, message(111, b"one")).status == 0
    assert submit(carrier, message(111, b"two")).status == 0


def test_a_lost_response_is_still_an_accepted_message() -> None:
    carrier = account()
    for _ in range(5):
        decision = submit(carrier, message(114))
        assert (decision.answered, stats(decision)) == (False, [])
        assert decision.message_id
    assert [submit(carrier, message(115)).answered for _ in range(3)] == [False, True, False]
    assert stats(submit(carrier, message(115))) == ["DELIVRD"]


def test_a_receipt_stands_before_the_response_where_number_or_profile_say_so() -> None:
    decision = submit(account(), message(110))
    assert (len(decision.before), len(decision.after)) == (1, 0)
    decision = submit(account("receipt-before-response"), message(100))
    assert (len(decision.before), len(decision.after)) == (1, 0)
    decision = submit(account(), message(100))
    assert (len(decision.before), len(decision.after)) == (0, 1)


def test_a_slow_receipt_is_late_and_says_so() -> None:
    decision = submit(account("receipt-before-response"), message(105))
    [(seconds, late)] = decision.late
    assert seconds == 120.0
    assert (decision.before, decision.after) == ((), ())
    assert b"submit date:2601010000 done date:2601010002" in late.pdu.short_message


def test_an_echo_goes_back_to_the_sender() -> None:
    decision = submit(account(), message(107, b"\x00 noon?"))
    receipt, reply = decision.after
    assert receipt.kind == "receipt"
    assert (reply.kind, reply.pdu.source_addr, reply.pdu.destination_addr) == ("mo", "12065550107", OURS)
    assert reply.pdu.short_message == b"echo: \x00 noon?"
    assert reply.pdu.esm_class == 0


def test_a_long_text_is_echoed_once_and_whole() -> None:
    carrier = account()
    text = "Жук " * 50
    replies = [
        delivery
        for part in reversed(segment(text, 7))
        for delivery in submit(carrier, message(107, part.payload, esm_class=0x40, data_coding=8)).after
        if delivery.kind == "mo"
    ]
    decoded = [decode(reply.pdu.short_message, reply.pdu.data_coding, True) for reply in replies]
    assert "".join(part.text for part in decoded) == "echo: " + text
    assert [part.concat.number if part.concat else 0 for part in decoded] == [1, 2, 3, 4]


def test_the_longest_text_of_all_is_echoed_in_part() -> None:
    carrier = account()
    decisions = [
        submit(carrier, message(107, part.payload, esm_class=0x40, data_coding=8))
        for part in segment("я" * 67 * 255, 7)
    ]
    assert len(decisions[-1].after) == 1 + -(-2006 // 67)


def test_stop_comes_back_whatever_the_text_was() -> None:
    (reply,) = submit(account(), message(108, registered_delivery=0)).after
    assert reply.pdu.short_message == b"STOP"


def test_nobody_can_answer_a_name() -> None:
    assert submit(account(), message(107, registered_delivery=0, source_addr_ton=5)).after == ()


def test_beyond_the_rate_everything_is_throttled_and_nothing_counted_as_a_try() -> None:
    carrier = account("throttling", per_second=2.0)
    assert [submit(carrier, message(111)).status for _ in range(4)] == [8, 0, 0x58, 0x58]
    assert carrier.submit(message(111), START + MINUTE, 0.5).status == 8


def test_an_account_may_have_a_rate_of_its_own_and_a_profile_has_one() -> None:
    carrier = account("throttling")
    statuses = [submit(carrier, message(100)).status for _ in range(25)]
    assert statuses == [0] * 20 + [CommandStatus.ESME_RTHROTTLED] * 5

    slow = account("plain", 1.0)
    assert [submit(slow, message(100)).status for _ in range(2)] == [0, 0x58]


@pytest.mark.parametrize(
    ("number", "address"),
    [("+12065550100", (1, 1, "12065550100")), ("12345", (0, 0, "12345")), ("Contoso", (5, 0, "Contoso"))],
)
def test_a_number_is_an_address_of_its_type(number: str, address: tuple[int, int, str]) -> None:
    assert address_of(number) == address


def test_every_third_is_refused_where_the_profile_says_so_and_the_next_try_goes_well() -> None:
    for name, status in (("queue-full", 0x14), ("throttled-now-and-then", 0x58), ("system-errors", 0x08)):
        carrier = account(name)
        assert [submit(carrier, message(100)).status for _ in range(7)] == [0, 0, status, 0, 0, status, 0]
    assert [submit(nacks, message(100)).nack for nacks in [account("nacks")] for _ in range(3)] == [
        False,
        False,
        True,
    ]


def test_every_fifth_response_is_lost_where_the_profile_says_so() -> None:
    carrier = account("responses-lost")
    decisions = [submit(carrier, message(100)) for _ in range(10)]
    assert [decision.answered for decision in decisions] == [True] * 4 + [False] + [True] * 4 + [False]
    assert all(len(stats(decision)) == 1 for decision in decisions)


def test_responses_and_receipts_come_in_another_order_where_the_profile_says_so() -> None:
    carrier = account("responses-out-of-order")
    decisions = [submit(carrier, message(100)) for _ in range(5)]
    waits = [decision.answer_late for decision in decisions]
    assert sorted(waits) != waits
    assert all(late > decision.answer_late for decision in decisions for late, _ in decision.late)
    carrier = account("receipts-out-of-order")
    lateness = [late for _ in range(5) for late, _ in submit(carrier, message(100)).late]
    assert sorted(lateness) != lateness
    assert len(lateness) == 5


def test_of_a_long_text_only_the_last_part_gets_a_receipt_where_the_profile_says_so() -> None:
    carrier = account("receipt-of-last-part")
    parts = [message(100, part.payload, esm_class=0x40) for part in segment("a" * 320, 7)]
    assert [stats(submit(carrier, part)) for part in parts] == [[], [], ["DELIVRD"]]
    assert stats(submit(carrier, message(100))) == ["DELIVRD"]


def test_receipts_come_twice_or_after_a_notification_where_the_profile_says_so() -> None:
    assert stats(submit(account("receipts-twice"), message(100))) == ["DELIVRD", "DELIVRD"]
    assert stats(submit(account("receipt-intermediate"), message(101))) == ["ENROUTE", "UNDELIV"]


@pytest.mark.parametrize(
    ("profile", "act"), [("unbinds", Act.UNBIND), ("drops", Act.DROP), ("deaf", Act.DEAFEN)]
)
def test_a_connection_ends_at_every_twentieth_message_where_the_profile_says_so(
    profile: str, act: Act
) -> None:
    carrier = account(profile)
    acts = [submit(carrier, message(100)).act for _ in range(EVERY)]
    assert acts == [Act.NONE] * (EVERY - 1) + [act]


def test_a_long_text_in_parts_by_parameters_is_echoed_whole() -> None:
    carrier = account()
    first = message(107, b"Hello, ", tlvs=sar.write(9, 2, 1))
    second = message(107, b"world", tlvs=sar.write(9, 2, 2))
    assert [each.kind for each in submit(carrier, second).after] == ["receipt"]
    assert submit(carrier, first).after[1].pdu.short_message == b"echo: Hello, world"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"schedule_delivery_time": "tomorrow"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": "26010112000000+"}, CommandStatus.ESME_RINVEXPIRY),
        ({"validity_period": "251231235959000+"}, CommandStatus.ESME_RINVEXPIRY),  # over already
        (
            {"schedule_delivery_time": "000000010000000R", "validity_period": "000000003000000R"},
            CommandStatus.ESME_RINVEXPIRY,
        ),
    ],
)
def test_times_that_are_none_are_refused(fields: dict[str, str], status: int) -> None:
    assert submit(account(), message(100, **fields)) == Decision(status)


@pytest.mark.parametrize("when", ["000000000030000R", "260101000030000+"])
def test_a_planned_message_is_delivered_and_answered_when_it_is_time(when: str) -> None:
    decision = submit(account(), message(107, schedule_delivery_time=when))
    assert (decision.status, decision.before, decision.after) == (0, (), ())
    assert [(late, delivery.kind) for late, delivery in decision.late] == [(30.0, "receipt"), (30.0, "mo")]


def test_what_is_not_delivered_while_it_is_valid_expires_then() -> None:
    slow = submit(account(), message(105, validity_period="000000000130000R"))
    assert [(late, delivery.note) for late, delivery in slow.late] == [(90.0, "EXPIRED")]
    for valid in ("000000000200000R", "000000000201000R"):  # it takes two minutes
        decision = submit(account(), message(105, validity_period=valid))
        assert [(late, delivery.note) for late, delivery in decision.late] == [(120.0, "DELIVRD")]
    assert stats(submit(account(), message(100, validity_period="000000000001000R"))) == ["DELIVRD"]


def test_a_handset_sends_octets_behind_headers_whatever_the_profile_says_of_texts() -> None:
    source, destination = address_of("+12065550199"), address_of("+14255550123")
    envelope = Envelope(header=bytes.fromhex("0605040b8423f0"), data_coding=0xF5)
    for profile in PROFILES:
        if PROFILES[profile].parts_reversed or PROFILES[profile].texts > 1:
            continue
        sent = account(profile).from_handset(bytes(200), source, destination, envelope)
        decoded = [decode(one.pdu.short_message, one.pdu.data_coding, True) for one in sent]
        assert [one.pdu.data_coding for one in sent] == [0xF5, 0xF5]
        assert b"".join(one.body for one in decoded) == bytes(200)
        assert {one.header.elements[1] for one in decoded} == {(5, bytes.fromhex("0b8423f0"))}
