"""One SMPP connection without any I/O, for both roles: octets and time in, events and octets out.

    session = Session(Role.ESME, now, timers=Timers(), window=100)
    session.bind(BindTransceiver(...), now)
    transport.write(session.data_to_send())
    for event in session.receive_data(octets, now): ...
    for event in session.tick(now): ...            # at session.next_timeout()

By itself it answers enquire_link, unbind, unknown commands, malformed PDUs, requests in the wrong bind state
and requests beyond `max_unanswered`. `now` is monotonic seconds everywhere.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sms.smpp.codec import HEADER, MAX_PDU, check_length, decode, encode
from sms.smpp.constants import RESPONSE_BIT, SMPP_3_4, CommandId, CommandStatus, Tag, status_text
from sms.smpp.errors import FramingError, LinkFull, PduError
from sms.smpp.events import Answered, BindReceived, Bound, Closed, Event, Lost, Noticed, Received
from sms.smpp.layout import RESPONSES
from sms.smpp.pdu import (
    BindRequest,
    BindResponse,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Pdu,
    Tlvs,
    Unbind,
    UnbindResp,
)
from sms.smpp.states import BIND, BIND_EVENTS, BindEvent, BindState, Role, may_send, takes

MAX_SEQUENCE: Final = 0x7FFF_FFFF
"""The last sequence number before it starts at 1 again (§5.1.4)."""

MAX_UNANSWERED: Final = 500
"""Requests of the peer's that may wait for the application at once. Beyond, the peer is told to come again
instead of being left unread: on a transceiver the answers to our own requests stand behind them."""

_length: Final = Struct(">I").unpack_from
_header: Final = Struct(">IIII").unpack_from
_BINDING: Final = frozenset({BindState.BINDING_TX, BindState.BINDING_RX, BindState.BINDING_TRX})
_OPENING: Final = _BINDING | {BindState.OPEN}
_MESSAGES: Final = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM})
_RESPONSE_BIT: Final = int(RESPONSE_BIT)


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds."""

    bind: float = 5.0
    """From the start to the bind."""
    enquire_link: float = 30.0
    """Silence after which the link is tested; after twice this it is closed."""
    response: float = 10.0
    """How long the answer to a request of ours may take."""


@dataclass(slots=True)
class Counters:
    """What happened and was dealt with silently."""

    malformed: int = 0
    """PDUs that could not be decoded."""
    wrong_state: int = 0
    """Requests refused by the bind state."""
    stray_responses: int = 0
    """Responses to nothing we asked, or of another kind than what we asked."""
    repeated_sequences: int = 0
    """Requests with the number of one that still waits: ignored, that one's answer will serve both."""
    refused_full: int = 0
    """Requests refused because too many waited."""
    timeouts: int = 0
    """Requests of ours without an answer in time."""


class Session:
    """See the module."""

    def __init__(
        self,
        role: Role,
        now: float,
        *,
        timers: Timers,
        window: int = 100,
        max_unanswered: int = MAX_UNANSWERED,
    ) -> None:
        self.role = role
        self.timers = timers
        self.window = window
        self.counters = Counters()
        self.reason = ""
        """Why it was closed."""
        self._max_unanswered = max_unanswered
        self._full_status = (
            CommandStatus.ESME_RTHROTTLED if role is Role.SMSC else CommandStatus.ESME_RMSGQFUL
        )
        self._opened_at = now
        self._heard_at = now
        self._probed = False
        self._unbind_at: float | None = None
        self._sequence = 0
        self._rest = b""
        self._out: list[bytes] = []
        self._outstanding: dict[int, tuple[object, float, int]] = {}  # token, sent at, response's command_id
        self._control: dict[int, int] = {}  # bind, enquire_link, unbind: the response's command_id
        self._unanswered: dict[int, type[Pdu]] = {}
        self._bind_version = 0
        self._peer_unbound = False
        self._early: list[tuple[Pdu, int]] = []  # came before the answer to our bind
        self._enter(BindState.OPEN)

    @property
    def state(self) -> BindState:
        """Where the bind stands."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._state is BindState.CLOSED

    @property
    def bound(self) -> bool:
        """Whether it is bound, in any way."""
        return self._bound

    @property
    def outstanding(self) -> int:
        """Requests of ours without an answer; enquire_link and the like do not count."""
        return len(self._outstanding)

    @property
    def unanswered(self) -> int:
        """Requests of the peer's that wait for the application."""
        return len(self._unanswered)

    @property
    def room(self) -> int:
        """Free places in the window; 0 unless bound in a way that carries messages from this end."""
        return self.window - len(self._outstanding) if self._carries else 0

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` would return anything."""
        return bool(self._out)

    def data_to_send(self) -> bytes:
        """Return what is queued for the peer and forget it."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # What we ask

    def bind(self, request: BindRequest) -> None:
        """Ask to be bound; `Bound` or `Closed` will tell.

        Raises IllegalTransition unless the connection is open, FieldError when a field does not fit.
        """
        state = BIND.fire(self._state, BIND_EVENTS[request.command_id])
        self._ask(request)
        self._enter(state)

    def request(self, pdu: Pdu, token: object, now: float) -> int:
        """Send a request and return its sequence number; one `Answered` or `Lost` with `token` will follow.

        Raises LinkFull when the bind does not allow it now or the window is full, FieldError when a field
        does not fit; then nothing was sent.
        """
        kind = pdu.command_id
        outstanding = self._outstanding
        if kind not in self._may_send:
            raise LinkFull(f"{kind.name.lower()} cannot be sent while {self._state.value}")
        if len(outstanding) >= self.window:
            raise LinkFull(f"{self.window} requests are unanswered")
        sequence = self._next_sequence()
        self._out.append(encode(pdu, sequence))
        outstanding[sequence] = (token, now, kind | _RESPONSE_BIT)
        return sequence

    def unbind(self, now: float) -> None:
        """Ask to be unbound; `Closed` follows, at the latest after the time for a response."""
        if BIND.allows(self._state, BindEvent.UNBIND) and self._unbind_at is None:
            self._enter(BIND.fire(self._state, BindEvent.UNBIND))
            self._unbind_at = now
            self._ask(Unbind())

    # What we answer

    def answer_bind(self, sequence: int, status: int, system_id: str = "") -> list[Event]:
        """Accept (`status` 0) or refuse the bind that `BindReceived` brought."""
        kind = self._unanswered.pop(sequence, None)
        if kind is None or self.closed:
            return []
        tlvs: Tlvs = ()
        if status == 0 and self._bind_version >= SMPP_3_4:  # older peers know no optional parameters
            tlvs = ((Tag.SC_INTERFACE_VERSION, bytes((SMPP_3_4,))),)
        self._out.append(encode(kind(system_id if status == 0 else "", tlvs), sequence, status))
        if status == 0:
            self._enter(BIND.fire(self._state, BindEvent.ACCEPT))
            return []
        return self._close(f"bind refused: {status_text(status)}", event=BindEvent.REFUSE)

    def answer(self, sequence: int, status: int = 0, pdu: Pdu | None = None) -> bool:
        """Answer the request that `Received` brought, with `pdu` or an empty response of the right kind.

        Return False, and send nothing, when it was answered before or the connection is over.
        """
        kind = self._unanswered.get(sequence)
        if kind is None or self.closed:
            return False
        self._out.append(encode(kind() if pdu is None else pdu, sequence, status))
        del self._unanswered[sequence]
        return True

    def limit(self, window: int, max_unanswered: int) -> None:
        """Take other limits than it was made with: who binds is known only when they do."""
        self.window = window
        self._max_unanswered = max_unanswered

    # What the peer sends

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Take octets as they came, split anywhere; return what happened."""
        events: list[Event] = []
        if self._rest:
            data = self._rest + data
        at = 0
        size = len(data)
        while size - at >= 4 and self._state is not BindState.CLOSED:
            length = _length(data, at)[0]
            if length < HEADER or length > MAX_PDU:
                self._break_off(data[at : at + HEADER], events)
                break
            end = at + length
            if end > size:
                break
            try:
                frame = decode(data[at:end])
            except PduError as error:
                self._malformed(error, events)
            else:
                if frame.pdu.command_id & _RESPONSE_BIT:
                    self._response(frame.pdu, frame.sequence, frame.status, events)
                else:
                    self._request(frame.pdu, frame.sequence, events)
            at = end
        if self._peer_unbound and not self.closed:
            events += self._close("the peer unbound")
        if at:  # only whole PDUs are a sign of life: octets that never make one are not
            self._heard_at = now
            self._probed = False
        self._rest = b"" if self.closed else data[at:]
        return events

    def connection_lost(self, reason: str) -> list[Event]:
        """Take the end of the connection; return what was lost with it, nothing when closed before."""
        return [] if self.closed else self._close(reason, flush=False)

    # Time

    def next_timeout(self) -> float | None:
        """Return when `tick` has something to do at the latest, or None when closed."""
        state = self._state
        if state is BindState.CLOSED:
            return None
        if state in _OPENING:
            return self._opened_at + self.timers.bind
        deadline = self._heard_at + self.timers.enquire_link * (2 if self._probed else 1)
        if self._unbind_at is not None:
            deadline = min(deadline, self._unbind_at + self.timers.response)
        for _, sent_at, _ in self._outstanding.values():
            return min(deadline, sent_at + self.timers.response)  # the first is the oldest
        return deadline

    def tick(self, now: float) -> list[Event]:
        """Do what is due."""
        if self.closed:
            return []
        timers = self.timers
        if self._state in _OPENING:
            if now < self._opened_at + timers.bind:
                return []
            return self._close(f"not bound within {timers.bind:g} s", flush=False)
        silence = now - self._heard_at
        if silence >= 2 * timers.enquire_link:
            return self._close(f"no sign of life for {silence:.1f} s", flush=False)
        if self._unbind_at is not None and now >= self._unbind_at + timers.response:
            return self._close("unbind was not answered", flush=False)
        if silence >= timers.enquire_link and not self._probed:
            self._probed = True
            self._ask(EnquireLink())
        events: list[Event] = []
        for sequence, (token, sent_at, _) in list(self._outstanding.items()):
            if now < sent_at + timers.response:
                break
            del self._outstanding[sequence]
            self.counters.timeouts += 1
            events.append(Lost(token, f"no answer within {timers.response:g} s", timed_out=True))
        return events

    # Inside

    def _enter(self, state: BindState) -> None:
        self._state = state
        self._takes = takes(self.role, state)
        self._may_send = may_send(self.role, state)
        message = CommandId.DELIVER_SM if self.role is Role.SMSC else CommandId.SUBMIT_SM
        self._carries = message in self._may_send
        self._bound = state in (BindState.BOUND_TX, BindState.BOUND_RX, BindState.BOUND_TRX)

    def _next_sequence(self) -> int:
        sequence = self._sequence
        while True:
            sequence = sequence + 1 if sequence < MAX_SEQUENCE else 1
            if sequence not in self._outstanding and sequence not in self._control:
                self._sequence = sequence
                return sequence

    def _ask(self, pdu: Pdu) -> None:
        sequence = self._next_sequence()
        self._out.append(encode(pdu, sequence))
        self._control[sequence] = pdu.command_id | _RESPONSE_BIT

    def _close(
        self,
        reason: str,
        *,
        event: BindEvent = BindEvent.CLOSE,
        flush: bool = True,
        bind_status: int | None = None,
    ) -> list[Event]:
        self._enter(BIND.fire(self._state, event))
        self.reason = reason
        events: list[Event] = [Lost(token, reason) for token, _, _ in self._outstanding.values()]
        events.append(Closed(reason, flush, bind_status))
        self._outstanding.clear()
        self._control.clear()
        self._unanswered.clear()
        self._early.clear()
        return events

    def _break_off(self, header: bytes, events: list[Event]) -> None:
        """End a stream whose next PDU cannot be found."""
        sequence = 0
        if len(header) == HEADER and _header(header)[0] > MAX_PDU:
            sequence = _header(header)[3]
        try:
            check_length(_length(header)[0])
        except FramingError as error:
            self.counters.malformed += 1
            self._out.append(encode(GenericNack(), sequence, error.command_status))
            events += self._close(error.message)

    def _malformed(self, error: PduError, events: list[Event]) -> None:
        self.counters.malformed += 1
        if error.command_id & _RESPONSE_BIT:  # a response is never answered
            if self._control.get(error.sequence) == error.command_id:
                del self._control[error.sequence]
                if error.command_id != CommandId.ENQUIRE_LINK_RESP:  # malformed or not, that is alive
                    events += self._close(f"malformed answer to bind or unbind: {error.message}")
            entry = self._outstanding.get(error.sequence)
            if entry is not None and entry[2] == error.command_id:
                del self._outstanding[error.sequence]
                events.append(Lost(entry[0], f"malformed answer: {error.message}"))
            return
        kind = RESPONSES.get(error.command_id, GenericNack)
        self._out.append(encode(kind(), error.sequence, error.command_status))

    def _request(self, pdu: Pdu, sequence: int, events: list[Event]) -> None:
        command_id = pdu.command_id
        kind = RESPONSES.get(command_id)
        if command_id not in self._takes:
            self._untimely(pdu, kind, sequence)
        elif kind is None:
            events.append(Noticed(pdu))
        elif kind is EnquireLinkResp:
            self._out.append(encode(EnquireLinkResp(), sequence))
        elif kind is UnbindResp:
            self._out.append(encode(UnbindResp(), sequence))
            self._enter(BIND.fire(self._state, BindEvent.UNBIND))
            self._peer_unbound = True  # closed once what came with it was read: answers may stand behind it
        elif sequence in self._unanswered:
            self.counters.repeated_sequences += 1
        elif len(self._unanswered) >= self._max_unanswered:
            self.counters.refused_full += 1
            self._out.append(encode(kind(), sequence, self._full_status))
        else:
            self._unanswered[sequence] = kind
            if self._bound:
                events.append(Received(pdu, sequence))
            elif isinstance(pdu, BindRequest):  # an open connection takes nothing else that has an answer
                self._bind_version = pdu.interface_version
                self._enter(BIND.fire(self._state, BIND_EVENTS[command_id]))
                events.append(BindReceived(pdu, sequence))

    def _untimely(self, pdu: Pdu, kind: type[Pdu] | None, sequence: int) -> None:
        """Take what the state does not allow: keep what came before the answer to our bind, refuse the rest.

        Some SMSCs deliver what waited before they answer the bind; refused, it might be lost.
        """
        command_id = pdu.command_id
        if command_id in self._takes_once_bound() and len(self._early) < self._max_unanswered:
            self._early.append((pdu, sequence))
            return
        self.counters.wrong_state += 1
        if kind is None:
            return
        again = command_id in BIND_EVENTS and self.role is Role.SMSC
        status = CommandStatus.ESME_RALYBND if again else CommandStatus.ESME_RINVBNDSTS
        self._out.append(encode(kind(), sequence, status))

    def _takes_once_bound(self) -> frozenset[int]:
        """Return what messages the bind that we asked for will let in."""
        if self._state not in _BINDING:
            return frozenset()
        bound = takes(self.role, BIND.fire(self._state, BindEvent.ACCEPT))
        return bound & _MESSAGES if self.role is Role.ESME else frozenset()

    def _response(self, pdu: Pdu, sequence: int, status: int, events: list[Event]) -> None:
        command_id = pdu.command_id
        nack = command_id == CommandId.GENERIC_NACK
        if nack and status == 0:
            status = CommandStatus.ESME_RUNKNOWNERR  # a refusal must not be read as a success
        entry = self._outstanding.get(sequence)
        if entry is not None and (nack or entry[2] == command_id):
            del self._outstanding[sequence]
            events.append(Answered(entry[0], status, pdu))
            return
        expected = self._control.get(sequence)
        if expected is None or not (nack or expected == command_id):
            self.counters.stray_responses += 1
            return
        del self._control[sequence]
        if expected == CommandId.UNBIND_RESP:
            events += self._close("unbound")
        elif expected != CommandId.ENQUIRE_LINK_RESP:
            self._bind_answered(pdu, status, events)

    def _bind_answered(self, pdu: Pdu, status: int, events: list[Event]) -> None:
        if status != 0 or not isinstance(pdu, BindResponse):
            events += self._close(
                f"bind refused: {status_text(status)}", event=BindEvent.REFUSE, bind_status=status
            )
            return
        self._enter(BIND.fire(self._state, BindEvent.ACCEPT))
        events.append(Bound(pdu))
        early, self._early = self._early, []
        for request, number in early:
            self._request(request, number, events)

    def __repr__(self) -> str:
        """Name role, state and load."""
        return f"<Session {self.role.value} {self._state.value}, {len(self._outstanding)} outstanding>"


__all__ = ["MAX_SEQUENCE", "MAX_UNANSWERED", "Counters", "Session", "Timers"]
