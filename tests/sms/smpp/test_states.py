"""The table of the bind, checked entry by entry against SMPP 3.4 table 2-1."""

import pytest

from sms.smpp.constants import CommandId
from sms.smpp.states import BIND, BIND_EVENTS, BindEvent, BindState, Role, may_send, takes
from telephony.kernel.states import IllegalTransition

pytestmark = pytest.mark.unit

BOUND = [BindState.BOUND_TX, BindState.BOUND_RX, BindState.BOUND_TRX]
TABLE = {
    (BindState.OPEN, BindEvent.BIND_TX): BindState.BINDING_TX,
    (BindState.OPEN, BindEvent.BIND_RX): BindState.BINDING_RX,
    (BindState.OPEN, BindEvent.BIND_TRX): BindState.BINDING_TRX,
    (BindState.OPEN, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BINDING_TX, BindEvent.ACCEPT): BindState.BOUND_TX,
    (BindState.BINDING_RX, BindEvent.ACCEPT): BindState.BOUND_RX,
    (BindState.BINDING_TRX, BindEvent.ACCEPT): BindState.BOUND_TRX,
    (BindState.BINDING_TX, BindEvent.REFUSE): BindState.CLOSED,
    (BindState.BINDING_RX, BindEvent.REFUSE): BindState.CLOSED,
    (BindState.BINDING_TRX, BindEvent.REFUSE): BindState.CLOSED,
    (BindState.BINDING_TX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BINDING_RX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BINDING_TRX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BOUND_TX, BindEvent.UNBIND): BindState.UNBINDING,
    (BindState.BOUND_RX, BindEvent.UNBIND): BindState.UNBINDING,
    (BindState.BOUND_TRX, BindEvent.UNBIND): BindState.UNBINDING,
    (BindState.BOUND_TX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BOUND_RX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.BOUND_TRX, BindEvent.CLOSE): BindState.CLOSED,
    (BindState.UNBINDING, BindEvent.UNBIND): BindState.UNBINDING,
    (BindState.UNBINDING, BindEvent.CLOSE): BindState.CLOSED,
}


@pytest.mark.parametrize("state", BindState)
@pytest.mark.parametrize("event", BindEvent)
def test_each_event_in_each_state_leads_where_it_should(state: BindState, event: BindEvent) -> None:
    if (state, event) in TABLE:
        assert BIND.fire(state, event) is TABLE[state, event]
    else:
        with pytest.raises(IllegalTransition):
            BIND.fire(state, event)


def test_everything_ends_closed_and_nothing_leaves_it() -> None:
    assert BIND.initial is BindState.OPEN
    assert BIND.final == {BindState.CLOSED}
    assert "[*] --> open" in BIND.diagram()


@pytest.mark.parametrize("state", BindState)
def test_an_smsc_takes_messages_from_transmitters_and_transceivers_only(state: BindState) -> None:
    sends = state in (BindState.BOUND_TX, BindState.BOUND_TRX)
    for command in (CommandId.SUBMIT_SM, CommandId.QUERY_SM, CommandId.CANCEL_SM, CommandId.REPLACE_SM):
        assert (command in takes(Role.SMSC, state)) is sends
        assert (command in may_send(Role.ESME, state)) is sends
    assert (CommandId.DELIVER_SM in takes(Role.SMSC, state)) is sends  # a carrier's, as from SMSC to SMSC
    assert CommandId.DELIVER_SM not in may_send(Role.ESME, state)


@pytest.mark.parametrize("state", BindState)
def test_an_esme_takes_messages_as_receiver_and_transceiver_only(state: BindState) -> None:
    receives = state in (BindState.BOUND_RX, BindState.BOUND_TRX)
    for command in (CommandId.DELIVER_SM, CommandId.ALERT_NOTIFICATION):
        assert (command in takes(Role.ESME, state)) is receives
        assert (command in may_send(Role.SMSC, state)) is receives
    assert CommandId.SUBMIT_SM not in takes(Role.ESME, state)


@pytest.mark.parametrize("role", Role)
def test_the_link_is_tested_and_undone_only_when_bound(role: Role) -> None:
    for state in BindState:
        bound = state in (*BOUND, BindState.UNBINDING)
        assert (CommandId.ENQUIRE_LINK in takes(role, state)) is bound
        assert (CommandId.UNBIND in takes(role, state)) is bound


def test_binds_are_taken_by_an_open_smsc_and_outbind_by_an_open_esme_alone() -> None:
    for state in BindState:
        is_open = state is BindState.OPEN
        assert (takes(Role.SMSC, state) >= set(BIND_EVENTS)) is is_open
        assert (CommandId.OUTBIND in takes(Role.ESME, state)) is is_open
        assert not takes(Role.ESME, state) & set(BIND_EVENTS)
