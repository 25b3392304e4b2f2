"""What waits to be claimed: urgent first."""

import pytest

from carriers.model.carrier import Carrier
from carriers.model.retry import CODES, retry_codes
from sms.message import Outbound
from sms.outgoing import Outgoing, submit_sm
from sms.pending import LEAST_ASIDE, Pending
from sms.smpp.constants import CommandStatus
from sms.spilled import Spilled
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.sms import NUMBER, PEER

pytestmark = pytest.mark.unit


def message(text: str, priority: int = 0) -> Outbound:
    resource, identifier = ResourceId(new_id(1)), InteractionId(new_id(1))
    return Outbound(resource, identifier, NUMBER, PEER, text, 10, 0, priority=priority)


def test_urgent_ones_are_taken_first_and_others_in_order() -> None:
    pending = Pending()
    pending.extend([message("a"), message("b", 1), message("c"), message("d", 3), message("e", 1)])
    first, _ = pending.take(2)
    assert [one.text for one in first] == ["d", "b"]
    pending.give_back(first)
    assert [one.text for one in pending.take(10)[0]] == ["d", "b", "e", "a", "c"]
    assert len(pending) == 0


def test_dropped_ones_are_gone() -> None:
    pending = Pending()
    messages = [message("a"), message("b", 2)]
    pending.extend(messages)
    assert pending.drop({messages[1].id}) == [messages[1]]
    assert pending.take(5) == ([messages[0]], [])


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


def of(sender: str, text: str, priority: int = 0) -> Outbound:
    made = message(text, priority)
    made.own = sender
    return made


def texts(messages: list[Outbound]) -> list[str]:
    return [one.text for one in messages]


def test_what_a_slow_sender_has_stands_aside_and_others_pass_it() -> None:
    pending = Pending()
    pending.extend([*(of("slow", str(number)) for number in range(10)), of("quick", "q")])
    room = {"slow": 2, "quick": 100}
    taken, spilled = pending.take(5, room.__getitem__)
    assert (texts(taken), spilled) == (["0", "1", "q"], [])
    assert (pending.aside("slow"), pending.in_line, len(pending)) == (8, 0, 8)
    assert not pending.takeable


def test_a_relieved_sender_goes_on_with_its_oldest_and_its_urgent_first() -> None:
    pending = Pending()
    pending.extend([of("slow", "a"), of("slow", "b"), of("slow", "c"), of("slow", "now", 3)])
    assert pending.take(9, {"slow": 0}.__getitem__)[0] == []
    pending.relieve(["slow", "nobody"])
    assert texts(pending.take(9, {"slow": 2}.__getitem__)[0]) == ["now", "a"]
    pending.relieve(["slow"])
    assert texts(pending.take(1, {"slow": 9}.__getitem__)[0]) == ["b"]
    assert pending.takeable, "it had room for more than was asked for"
    assert texts(pending.take(9, {"slow": 9}.__getitem__)[0]) == ["c"]
    assert len(pending) == 0


def test_no_more_than_a_share_stands_aside() -> None:
    pending = Pending(100)
    pending.extend([of("slow", str(number)) for number in range(60)])
    taken, spilled = pending.take(5, {"slow": 1}.__getitem__)
    assert (len(taken), pending.aside("slow"), len(spilled)) == (1, 50, 9)
    assert texts(spilled) == [str(number) for number in range(51, 60)], "the newest wait in the store"


def test_many_slow_senders_share_the_room_aside() -> None:
    pending = Pending(100)
    for sender in range(40):
        pending.extend([of(str(sender), str(number)) for number in range(20)])
        pending.take(5, lambda _: 0)
    assert len(pending) <= 50 + 40 * LEAST_ASIDE
    assert all(pending.aside(str(sender)) >= LEAST_ASIDE for sender in range(40))


def test_what_stands_aside_can_be_dropped() -> None:
    pending = Pending()
    messages = [of("slow", "a"), of("slow", "b")]
    pending.extend(messages)
    pending.take(5, lambda _: 0)
    assert pending.drop({one.id for one in messages}) == messages
    assert (len(pending), list(pending.senders_aside)) == (0, [])


def test_a_sender_is_spilled_until_all_of_its_was_read() -> None:
    spilled, pending = Spilled(), Pending()
    spilled.add(["slow"])
    assert texts(spilled.others([of("slow", "a"), of("quick", "b")])) == ["b"]
    assert spilled.next(pending) == "slow"
    spilled.others([of("slow", "c")])  # while the store is asked
    spilled.read("slow", whole=True)
    assert spilled.next(pending) == "slow"
    spilled.read("slow", whole=False)
    assert spilled.next(pending) == "slow"
    spilled.read("slow", whole=True)
    assert not spilled


def test_no_more_of_a_sender_is_read_while_enough_stands_aside() -> None:
    spilled, pending = Spilled(), Pending(20)
    spilled.add(["slow"])
    pending.extend([of("slow", str(number)) for number in range(6)])
    assert spilled.next(pending) is None, "some are not sorted yet"
    pending.take(9, lambda _: 0)
    assert spilled.next(pending) is None
    pending.relieve(["slow"])
    pending.take(1, lambda _: 9)
    assert spilled.next(pending) == "slow"
