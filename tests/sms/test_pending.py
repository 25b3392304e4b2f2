"""What waits to be claimed: urgent first."""

import pytest

from carriers.model.carrier import Carrier
from carriers.model.retry import CODES, retry_codes
from sms.message import Outbound
from sms.outgoing import Outgoing, submit_sm
from sms.pending import Pending
from sms.smpp.constants import CommandStatus
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.unit


def message(text: str, priority: int = 0) -> Outbound:
    resource, identifier = ResourceId(new_id(1)), InteractionId(new_id(1))
    return Outbound(resource, identifier, NUMBER, PEER, text, 10, 0, priority=priority)


def test_urgent_ones_are_taken_first_and_others_in_order() -> None:
    pending = Pending()
    pending.extend([message("a"), message("b", 1), message("c"), message("d", 3), message("e", 1)])
    first = pending.take(2)
    assert [one.text for one in first] == ["d", "b"]
    pending.give_back(first)
    assert [one.text for one in pending.take(10)] == ["d", "b", "e", "a", "c"]
    assert len(pending) == 0


def test_dropped_ones_are_gone() -> None:
    pending = Pending()
    messages = [message("a"), message("b", 2)]
    pending.extend(messages)
    assert pending.drop({messages[1].id}) == [messages[1]]
    assert pending.take(5) == [messages[0]]


def test_parts_of_urgent_messages_overtake_and_say_so_on_the_wire() -> None:
    outgoing = Outgoing()
    for one in (message("slow"), message("fast", 2)):
        outgoing.add(one)
    first = submit_sm(outgoing.take())
    assert (first.short_message, first.priority_flag) == (b"fast", 2)


def test_the_names_of_refusals_are_those_of_the_protocol() -> None:
    assert {name: int(CommandStatus[name]) for name in CODES} == CODES
    assert retry_codes(Carrier().retry_on) == {0x08, 0x64}
    assert retry_codes(["0x0400"]) == {0x400}


@pytest.mark.parametrize("name", ["ESME_RNONSENSE", "0x0", "0x58", "0x14"])
def test_what_is_no_refusal_is_not_retried(name: str) -> None:
    with pytest.raises(ValueError, match="retry_on"):
        Carrier(retry_on=(name,))
