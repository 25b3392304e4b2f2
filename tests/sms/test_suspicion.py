"""Which part a carrier trips over, by the connections that it lost."""

import pytest

from sms.message import Outbound
from sms.outgoing import Unit
from sms.suspicion import Judged, Suspicion
from sms.text import encode
from telephony.kernel.ids import InteractionId, ResourceId, new_id
from tests.support.sms import NUMBER, PEER, FakeLink

pytestmark = pytest.mark.unit


def unit(order: int = 0) -> Unit:
    message = Outbound(ResourceId(new_id(1)), InteractionId(new_id(1)), NUMBER, PEER, "Hello", 10, 0)
    return Unit(message, encode("Hello").parts(1)[0], order)


def lost(suspicion: Suspicion, *units: Unit, answered: int = 1) -> Judged:
    """Lose a connection with some parts unanswered, and have others answered on the next."""
    for each in units:
        suspicion.lost("one", each)
    judged = suspicion.judge(0.0, (1.0, 2.0))
    suspicion.answers += answered
    return judged


def submit(link: object, each: Unit) -> None:
    assert isinstance(link, FakeLink)
    link.flying.append((None, each))  # type: ignore[arg-type]


def test_a_part_that_is_lost_alone_each_time_is_guilty_the_third_time() -> None:
    suspicion, bad = Suspicion(3), unit()
    assert lost(suspicion, bad).innocent == [bad]
    assert lost(suspicion, bad).suspected == [("one", bad)]
    suspicion.send([(5, FakeLink("one"))], submit, 0.0)  # type: ignore[arg-type]
    assert lost(suspicion, bad).guilty == [("one", bad)]


def test_parts_that_are_lost_together_are_suspects_and_not_guilty() -> None:
    suspicion, parts = Suspicion(3), [unit(), unit(), unit()]
    for _ in range(9):
        judged = lost(suspicion, *parts)
        assert judged.guilty == []
    assert set(suspicion.waiting) == set(parts)


def test_the_guilty_one_explains_what_others_were_suspected_for() -> None:
    suspicion, bad, other = Suspicion(3), unit(), unit()
    lost(suspicion, bad, other)
    lost(suspicion, bad, other)
    assert list(suspicion.waiting) == [bad, other]
    suspicion.send([(5, FakeLink("one"))], submit, 0.0)  # type: ignore[arg-type]
    assert list(suspicion.waiting) == [other]
    judged = lost(suspicion, bad)
    assert (judged.guilty, judged.innocent) == ([("one", bad)], [other])
    assert (other.losses, suspicion.busy) == (0, False)


@pytest.mark.parametrize("together", [1, 3])
def test_a_carrier_that_answers_nothing_blames_no_message(together: int) -> None:
    suspicion, parts = Suspicion(2), [unit() for _ in range(together)]
    for _ in range(20):
        assert lost(suspicion, *parts, answered=0).guilty == []


def test_suspects_take_turns_and_rest_longer_and_longer_when_a_turn_brought_nothing() -> None:
    suspicion, one, two, link = Suspicion(2), unit(), unit(), FakeLink("one")
    lost(suspicion, one, two, answered=0)
    for now, each, rest in ((0.0, one, 1.0), (1.0, two, 1.0), (2.0, one, 2.0), (4.0, two, 2.0)):
        assert suspicion.next_trial == now
        suspicion.send([(5, link)], submit, now)  # type: ignore[arg-type]
        assert [flying for _, flying in link.flying] == [each]
        assert suspicion.next_trial is None
        link.flying.clear()
        suspicion.lost("one", each)
        assert suspicion.judge(now, (1.0, 2.0)).guilty == []
        rooms = [(5, link)]
        suspicion.send(rooms, submit, now + rest - 0.1)  # type: ignore[arg-type]
        assert (link.flying, rooms[0][0]) == ([], 5), "others have the link meanwhile"


def test_an_answer_ends_the_rest() -> None:
    suspicion, bad, link = Suspicion(2), unit(), FakeLink("one")
    lost(suspicion, bad, answered=0)
    suspicion.send([(5, link)], submit, 0.0)  # type: ignore[arg-type]
    link.flying.clear()
    lost(suspicion, bad, answered=0)
    suspicion.answered("two")
    suspicion.send([(5, link)], submit, 0.0)  # type: ignore[arg-type]
    assert len(link.flying) == 1


def test_a_suspect_waits_until_its_link_has_nothing_else_to_answer() -> None:
    suspicion, bad = Suspicion(2), unit()
    lost(suspicion, bad)
    lost(suspicion, bad, unit())
    busy, full = FakeLink("busy"), FakeLink("full", window=0)
    busy.flying.append(None)  # type: ignore[arg-type]
    sent: list[str] = []
    rooms = [(9, busy), (0, full)]
    suspicion.send(rooms, lambda link, each: sent.append(link.name), 0.0)  # type: ignore[arg-type]
    assert (sent, [room for room, _ in rooms]) == ([], [0, 0]), "it is emptied, and gets nothing new"


def test_nothing_joins_a_suspect_on_its_link_until_it_is_answered() -> None:
    suspicion, one, two = Suspicion(2), FakeLink("one"), FakeLink("two")
    lost(suspicion, unit(), unit())
    rooms = [(9, one), (9, two)]
    suspicion.send(rooms, submit, 0.0)  # type: ignore[arg-type]
    assert [room for room, _ in rooms] == [0, 0], "each of two suspects has a link"
    one.flying.clear()
    suspicion.answered("one")
    rooms = [(9, one), (8, two)]
    suspicion.send(rooms, submit, 0.0)  # type: ignore[arg-type]
    assert [room for room, _ in rooms] == [9, 0]
