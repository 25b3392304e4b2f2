"""What a session reports: returned by `receive_data`, `tick` and `connection_lost`, in order."""

from typing import Any, TypeAlias

from msgspec import Struct

from sms.smpp.pdu import BindRequest, BindResponse, Pdu


class BindReceived(Struct, frozen=True):
    """An ESME asks to be bound: call `Session.answer_bind`."""

    pdu: BindRequest
    sequence: int


class Bound(Struct, frozen=True):
    """The SMSC accepted our bind."""

    pdu: BindResponse


class Received(Struct, frozen=True):
    """A request that the application answers by `Session.answer` with this `sequence`."""

    pdu: Pdu
    sequence: int


class Noticed(Struct, frozen=True):
    """A request without a response: outbind or alert_notification."""

    pdu: Pdu


class Answered(Struct, frozen=True):
    """The peer answered a request of ours. `pdu` is its response, or a GenericNack with a status above 0."""

    token: Any
    status: int
    pdu: Pdu


class Lost(Struct, frozen=True):
    """A request of ours will not be answered: whether the peer acted on it is unknown."""

    token: Any
    reason: str
    timed_out: bool = False
    """True when only this answer is missing; false when the connection ended."""


class Closed(Struct, frozen=True):
    """The connection must end now; every outstanding request was reported as Lost before."""

    reason: str
    flush: bool
    """Whether what is still queued shall reach the peer (a last answer), or the peer does not read anyway."""
    bind_status: int | None = None
    """The SMSC's reason, when it refused our bind."""


Event: TypeAlias = BindReceived | Bound | Received | Noticed | Answered | Lost | Closed
