"""The life of a message."""

from itertools import product

import pytest

from sms.states import ENDED, INBOUND, OUTBOUND, InboundEvent, MessageEvent, MessageState
from telephony.kernel.states import IllegalTransition

pytestmark = pytest.mark.unit

S, E = MessageState, MessageEvent


def test_a_message_is_delivered_by_way_of_every_state() -> None:
    state = OUTBOUND.initial
    for event, expected in [(E.CLAIM, S.SUBMITTING), (E.SUBMIT, S.SUBMITTED), (E.DELIVER, S.DELIVERED)]:
        state = OUTBOUND.fire(state, event)
        assert state is expected
    assert state in ENDED


def test_what_was_claimed_and_not_sent_waits_again() -> None:
    assert OUTBOUND.fire(S.SUBMITTING, E.RELEASE) is S.ACCEPTED


@pytest.mark.parametrize("state", [S.ACCEPTED, S.SUBMITTING, S.SUBMITTED])
def test_validity_runs_out_in_every_state_but_the_last_ones(state: MessageState) -> None:
    assert OUTBOUND.fire(state, E.EXPIRE) is S.EXPIRED


def test_nothing_happens_after_the_end_but_by_hand() -> None:
    assert OUTBOUND.final == {S.DELIVERED}
    for state in ENDED - OUTBOUND.final:
        assert [event for event in MessageEvent if OUTBOUND.allows(state, event)] == [E.REQUEUE]
        assert OUTBOUND.fire(state, E.REQUEUE) is S.ACCEPTED


def test_only_what_waits_can_be_taken_back() -> None:
    assert [state for state in S if OUTBOUND.allows(state, E.CANCEL)] == [S.ACCEPTED]


def test_a_receipt_does_not_end_what_was_not_submitted() -> None:
    with pytest.raises(IllegalTransition):
        OUTBOUND.fire(S.ACCEPTED, E.DELIVER)


def test_an_event_leads_to_one_state_wherever_it_comes_from() -> None:
    for event in MessageEvent:
        assert len({new for (_, happened), new in OUTBOUND.table.items() if happened is event}) == 1


def test_an_inbound_message_is_received_unless_rules_refuse_it_or_nothing_takes_it() -> None:
    assert INBOUND.initial is S.RECEIVED
    assert INBOUND.fire(S.RECEIVED, InboundEvent.REFUSE) is S.REFUSED
    assert INBOUND.fire(S.RECEIVED, InboundEvent.FAIL) is S.FAILED
    for state, event in product((S.REFUSED, S.FAILED), InboundEvent):
        assert not INBOUND.allows(state, event)
