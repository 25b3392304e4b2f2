"""The life of a leg."""

import pytest

from telephony.calling.states import INBOUND, OUTBOUND, LegEvent, LegState
from telephony.kernel.states import Machine

pytestmark = pytest.mark.unit

OPEN = [state for state in LegState if state is not LegState.ENDED]


@pytest.mark.parametrize("machine", [INBOUND, OUTBOUND], ids=lambda machine: machine.name)
def test_every_leg_can_end_from_wherever_it_is(machine: Machine[LegState, LegEvent]) -> None:
    reached = {machine.initial, *machine.table.values()} - {LegState.ENDED}
    assert all(machine.allows(state, LegEvent.END) for state in reached)
    assert machine.final == {LegState.ENDED}


def test_an_answer_that_crosses_our_cancel_is_an_answer() -> None:
    cancelling = OUTBOUND.fire(LegState.RINGING, LegEvent.CANCEL)
    assert OUTBOUND.fire(cancelling, LegEvent.ANSWER) is LegState.UP


def test_nothing_is_cancelled_that_is_up_or_that_came() -> None:
    assert not OUTBOUND.allows(LegState.UP, LegEvent.CANCEL)
    assert not any(INBOUND.allows(state, LegEvent.CANCEL) for state in OPEN)


def test_early_sound_goes_on_while_it_rings() -> None:
    assert OUTBOUND.fire(LegState.EARLY, LegEvent.RING) is LegState.EARLY
