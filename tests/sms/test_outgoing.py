"""What waits between the claim and the wire."""

import pytest

from sms.message import Outbound
from sms.outgoing import Outgoing, submit_sm
from sms.text import decode
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.clock import START

pytestmark = pytest.mark.unit


def _message(text: str = "Hello", expires: int = START) -> Outbound:
    identifier = InteractionId(new_id(START))
    return Outbound(ResourceId(bytes(16)), identifier, "+14255550199", "+12065550100", text, expires, 0)


def test_parts_leave_in_the_order_in_which_they_came() -> None:
    outgoing = Outgoing()
    first, second = _message("x" * 400), _message()
    outgoing.add(first)
    outgoing.add(second)
    units = [outgoing.take() for _ in range(4)]
    assert [(unit.message, unit.part.number) for unit in units] == [
        (first, 1),
        (first, 2),
        (first, 3),
        (second, 1),
    ]


def test_what_comes_back_goes_first_and_in_its_old_order() -> None:
    outgoing = Outgoing()
    messages = [_message(str(number)) for number in range(5)]
    for message in messages:
        outgoing.add(message)
    units = [outgoing.take() for _ in range(3)]
    for unit in units:
        outgoing.give_back(unit)
    assert [outgoing.take().message.text for _ in range(5)] == ["0", "1", "2", "3", "4"]


def test_what_waits_for_another_try_is_ready_when_its_time_comes() -> None:
    outgoing = Outgoing()
    outgoing.add(_message())
    unit = outgoing.take()
    outgoing.try_later(unit, 10.0)
    outgoing.ripen(9.9)
    assert (outgoing.ready, outgoing.later, outgoing.next_try) == (0, 1, 10.0)
    outgoing.ripen(10.0)
    assert (outgoing.ready, outgoing.later, outgoing.next_try) == (1, 0, None)


def test_only_parts_that_the_carrier_is_not_known_to_have_are_sent() -> None:
    outgoing = Outgoing()
    message = _message("x" * 400)
    message.done.add(2)
    assert [part.number for part in outgoing.add(message)] == [1, 3]


def test_expired_messages_are_found_once_however_many_parts_they_have() -> None:
    outgoing = Outgoing()
    old, young = _message("x" * 400, START), _message(expires=START + 1)
    outgoing.add(old)
    outgoing.add(young)
    outgoing.try_later(outgoing.take(), 10.0)
    assert outgoing.expired(START) == [old]
    old.over = True
    assert outgoing.expired(START) == []


def test_a_part_on_the_wire_asks_for_a_receipt_and_joins_its_others() -> None:
    outgoing = Outgoing()
    outgoing.add(_message("Grüße, €uro! " * 20))
    pdus = [submit_sm(outgoing.take()) for _ in range(outgoing.ready)]
    assert {pdu.registered_delivery for pdu in pdus} == {1}
    assert {pdu.esm_class for pdu in pdus} == {0x40}
    assert {(pdu.source_addr, pdu.source_addr_ton, pdu.source_addr_npi) for pdu in pdus} == {
        ("14255550199", 1, 1)
    }
    decoded = [decode(pdu.short_message, pdu.data_coding, True) for pdu in pdus]
    assert "".join(one.text for one in decoded) == "Grüße, €uro! " * 20
    assert len({one.concat.reference for one in decoded if one.concat is not None}) == 1
