"""What applications are told: IncomingCall, CallStarted and CallEnded (Microsoft.Communication).

Field names are those of ACS's models; numbers keep their plus.
"""

from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from telephony.calling.calls import Call
from telephony.events.event import Event
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import parse_e164
from telephony.kernel.ids import to_text

INCOMING: Final = "Microsoft.Communication.IncomingCall"
STARTED: Final = "Microsoft.Communication.CallStarted"
ENDED: Final = "Microsoft.Communication.CallEnded"

INCOMING_SECONDS: Final = 30.0
"""How long IncomingCall is worth delivering: later nobody rings any more."""


class PhoneNumber(Struct, frozen=True):
    """PhoneNumberIdentifierModel."""

    value: str


class Identifier(Struct, frozen=True, rename="camel", omit_defaults=True):
    """CommunicationIdentifierModel."""

    kind: str
    raw_id: str
    phone_number: PhoneNumber | UnsetType = UNSET


class CustomContext(Struct, frozen=True, rename="camel"):
    """AcsIncomingCallCustomContext."""

    sip_headers: dict[str, str]
    voip_headers: dict[str, str]


class IncomingCall(Struct, frozen=True, rename="camel"):
    """AcsIncomingCallEventData."""

    to: Identifier
    from_: Identifier = msgspec.field(name="from")
    server_call_id: str
    caller_display_name: str
    incoming_call_context: str
    """Opaque: what answering by API takes."""
    correlation_id: str
    custom_context: CustomContext | UnsetType = UNSET


class Participant(Struct, frozen=True, rename="camel"):
    """AcsCallParticipant."""

    communication_identifier: Identifier
    role: str = "Unknown"


class Started(Struct, frozen=True, rename="camel", kw_only=True):
    """AcsCallStartedEventData."""

    started_by: Participant
    server_call_id: str
    is_two_party: bool = True
    correlation_id: str
    is_rooms_call: bool = False


class EndedBy(Struct, frozen=True, rename="camel"):
    """AcsCallEndedBy."""

    communication_identifier: Identifier
    type: str
    name: str


class Reason(Struct, frozen=True, rename="camel"):
    """AcsCallEndReason."""

    code: int
    """SIP status."""
    sub_code: int
    """Cause of Q.850."""
    phrase: str


class Ended(Struct, frozen=True, rename="camel", kw_only=True):
    """AcsCallEndedEventData."""

    started_by: Participant
    server_call_id: str
    is_two_party: bool = True
    correlation_id: str
    is_rooms_call: bool = False
    ended_by: EndedBy
    reason: Reason
    call_duration_in_seconds: float


def identifier(party: str) -> Identifier:
    """Return a party as ACS spells it: whoever has no number is unknown."""
    if parse_e164(party):
        return Identifier("phoneNumber", f"4:{party}", PhoneNumber(party))
    return Identifier("unknown", f"4:{party or 'anonymous'}")


def server_call_id(call: Call) -> str:
    """Return what calls are joined by: ours is its id."""
    return to_text(call.id)


def incoming_call(call: Call, context: str, at: int) -> Event:
    """Return what tells that a call waits; `context` is what answering it takes."""
    to, caller = identifier(call.own), identifier(call.peer)
    headers = dict(call.custom)
    if call.user_to_user:
        headers["userToUser"] = call.user_to_user
    data = IncomingCall(
        to=to,
        from_=caller,
        server_call_id=server_call_id(call),
        caller_display_name=call.display,
        incoming_call_context=context,
        correlation_id=call.correlation,
        custom_context=CustomContext(headers, {}) if headers else UNSET,
    )
    subject = f"/caller/{caller.raw_id}/recipient/{to.raw_id}"
    return _event(call, f"incoming-{to_text(call.id)}", INCOMING, subject, at, data, INCOMING_SECONDS)


def call_started(call: Call, at: int) -> Event:
    """Return what tells that a call was answered."""
    data = Started(
        started_by=Participant(_caller(call)),
        server_call_id=server_call_id(call),
        correlation_id=call.correlation,
    )
    return _event(call, f"started-{to_text(call.id)}", STARTED, _subject(call), at, data)


def call_ended(call: Call, at: int) -> Event:
    """Return what tells that a call is over, and why."""
    assert call.cause is not None
    by = {"caller": _caller(call), "callee": _callee(call)}.get(call.ended_by)
    data = Ended(
        started_by=Participant(_caller(call)),
        server_call_id=server_call_id(call),
        correlation_id=call.correlation,
        ended_by=EndedBy(
            by or Identifier("unknown", "8:service"), "PhoneNumber" if by else "Service", call.ended_by
        ),
        reason=Reason(call.cause.sip, call.cause.q850, call.cause.text),
        call_duration_in_seconds=0.0 if call.answered is None else max(0, at - call.answered) / SECOND,
    )
    return _event(call, f"ended-{to_text(call.id)}", ENDED, _subject(call), at, data)


def _caller(call: Call) -> Identifier:
    return identifier(call.peer if call.direction == "inbound" else call.own)


def _callee(call: Call) -> Identifier:
    return identifier(call.own if call.direction == "inbound" else call.peer)


def _subject(call: Call) -> str:
    return f"call/{server_call_id(call)}"


def _event(
    call: Call, name: str, kind: str, subject: str, at: int, data: Struct, ttl: float | None = None
) -> Event:
    return Event(
        id=name,
        type=kind,
        subject=subject,
        time=at,
        data=msgspec.Raw(msgspec.json.encode(data)),
        ttl_seconds=ttl,
    )
