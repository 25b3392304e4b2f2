"""The bind: its states, and what may be sent and received in each. No transition stands anywhere else.

SMPP 3.4 §2.2 and table 2-1. One departure: a refused bind ends the connection instead of leaving it open for
another try, so that passwords cannot be guessed at wire speed.
"""

from enum import Enum
from typing import Final

from sms.smpp.constants import CommandId
from sms.smpp.pdu import BindReceiver, BindRequest, BindTransceiver, BindTransmitter
from telephony.kernel.states import Machine


class Role(Enum):
    """Which end of the connection a session is."""

    ESME = "esme"
    SMSC = "smsc"


class BindType(Enum):
    """What an ESME asks for."""

    TRANSMITTER = "transmitter"
    RECEIVER = "receiver"
    TRANSCEIVER = "transceiver"


class BindState(Enum):
    """Where a connection stands."""

    OPEN = "open"
    BINDING_TX = "binding_tx"
    BINDING_RX = "binding_rx"
    BINDING_TRX = "binding_trx"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class BindEvent(Enum):
    """What moves it."""

    BIND_TX = "bind_transmitter"
    BIND_RX = "bind_receiver"
    BIND_TRX = "bind_transceiver"
    ACCEPT = "accept"
    REFUSE = "refuse"
    UNBIND = "unbind"
    CLOSE = "close"


_BOUND: Final = {
    BindState.BINDING_TX: BindState.BOUND_TX,
    BindState.BINDING_RX: BindState.BOUND_RX,
    BindState.BINDING_TRX: BindState.BOUND_TRX,
}

BIND: Final = Machine(
    "SMPP bind",
    BindState.OPEN,
    {
        (BindState.OPEN, BindEvent.BIND_TX): BindState.BINDING_TX,
        (BindState.OPEN, BindEvent.BIND_RX): BindState.BINDING_RX,
        (BindState.OPEN, BindEvent.BIND_TRX): BindState.BINDING_TRX,
        (BindState.OPEN, BindEvent.CLOSE): BindState.CLOSED,
        **{(binding, BindEvent.ACCEPT): bound for binding, bound in _BOUND.items()},
        **{(binding, BindEvent.REFUSE): BindState.CLOSED for binding in _BOUND},
        **{(binding, BindEvent.CLOSE): BindState.CLOSED for binding in _BOUND},
        **{(bound, BindEvent.UNBIND): BindState.UNBINDING for bound in _BOUND.values()},
        **{(bound, BindEvent.CLOSE): BindState.CLOSED for bound in _BOUND.values()},
        # both may unbind at once
        (BindState.UNBINDING, BindEvent.UNBIND): BindState.UNBINDING,
        (BindState.UNBINDING, BindEvent.CLOSE): BindState.CLOSED,
    },
)

REQUESTS: Final[dict[BindType, type[BindRequest]]] = {
    BindType.TRANSMITTER: BindTransmitter,
    BindType.RECEIVER: BindReceiver,
    BindType.TRANSCEIVER: BindTransceiver,
}
"""The request that asks for each type of bind."""

BIND_EVENTS: Final[dict[int, BindEvent]] = {
    CommandId.BIND_TRANSMITTER: BindEvent.BIND_TX,
    CommandId.BIND_RECEIVER: BindEvent.BIND_RX,
    CommandId.BIND_TRANSCEIVER: BindEvent.BIND_TRX,
}
"""The event that each bind request is."""

BIND_TYPES: Final[dict[int, BindType]] = {kind.command_id: bind_type for bind_type, kind in REQUESTS.items()}
"""The type that each bind request asks for."""

_ALWAYS: Final = frozenset({CommandId.ENQUIRE_LINK, CommandId.UNBIND})
_TO_SMSC: Final = frozenset(
    {
        CommandId.SUBMIT_SM,
        CommandId.SUBMIT_MULTI,
        CommandId.DATA_SM,
        CommandId.QUERY_SM,
        CommandId.CANCEL_SM,
        CommandId.REPLACE_SM,
    }
)
# Carriers that bind to us push by deliver_sm as well, as one SMSC to another; table 2-1 knows only ESMEs.
_FROM_CARRIERS: Final = frozenset({CommandId.DELIVER_SM})
_TO_ESME: Final = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.ALERT_NOTIFICATION})
_BINDS: Final = frozenset(BIND_EVENTS)
_NOTHING: Final[frozenset[int]] = frozenset()

_SMSC_TAKES: Final[dict[BindState, frozenset[int]]] = {
    BindState.OPEN: _BINDS,
    BindState.BOUND_TX: _TO_SMSC | _FROM_CARRIERS | _ALWAYS,
    BindState.BOUND_RX: _ALWAYS,
    BindState.BOUND_TRX: _TO_SMSC | _FROM_CARRIERS | _ALWAYS,
    BindState.UNBINDING: _ALWAYS,
}
_ESME_TAKES: Final[dict[BindState, frozenset[int]]] = {
    BindState.OPEN: frozenset({CommandId.OUTBIND}),
    BindState.BOUND_TX: _ALWAYS,
    BindState.BOUND_RX: _TO_ESME | _ALWAYS,
    BindState.BOUND_TRX: _TO_ESME | _ALWAYS,
    BindState.UNBINDING: _ALWAYS,
}


def takes(role: Role, state: BindState) -> frozenset[int]:
    """Return the command_ids of the requests that `role` takes in `state`; others get ESME_RINVBNDSTS."""
    table = _SMSC_TAKES if role is Role.SMSC else _ESME_TAKES
    return table.get(state, _NOTHING)


def may_send(role: Role, state: BindState) -> frozenset[int]:
    """Return the command_ids of the requests that `role` may send in `state`: what the other end takes.

    No end of ours pushes by deliver_sm to a server.
    """
    if role is Role.ESME:
        return takes(Role.SMSC, state) - _FROM_CARRIERS
    return takes(Role.ESME, state)
