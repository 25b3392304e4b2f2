"""A connection that misbehaves: what a profile does to octets and time, below any session."""

from collections import deque
from struct import pack
from typing import Final

from carriers.simulated.profiles import Profile
from sms.smpp.codec import encode
from sms.smpp.constants import CommandStatus
from sms.smpp.events import Closed
from sms.smpp.pdu import AlertNotification, DeliverSm, EnquireLink, GenericNack, Pdu, SubmitSmResp
from sms.smpp.server import ServerConnection

STRANGE: Final = 0x7000_0000
"""Sequence numbers that no session here gives out by itself."""

EARLY_SECONDS: Final = 0.05
"""How long the response to a bind is held back for messages to overtake it."""

NOISE: Final[tuple[bytes, ...]] = (
    pack(">IIII", 16, 0x0001_0203, 0, STRANGE + 1),  # a command that nobody knows
    pack(">IIII", 16, 0x0000_000B, 0, STRANGE + 2),  # outbind without a body
    encode(AlertNotification(1, 1, "12065550100", 1, 1, "14255550123"), STRANGE + 3),
    encode(SubmitSmResp("nobody-asked"), STRANGE + 4),
    encode(GenericNack(), STRANGE + 5, CommandStatus.ESME_RINVCMDID),
    pack(">IIII", 20, 0x0000_0005, 0, STRANGE + 6) + b"\0\1\1\0",  # deliver_sm that ends after four octets
    pack(">IIII", 16, 0x8000_0999, 0, STRANGE + 7),  # a response of no command
)
"""PDUs that are broken, unknown, or answer nothing. None of them ends a connection."""


class WildConnection(ServerConnection):
    """A connection that is orderly until it gets a profile."""

    profile: Profile | None = None
    _deaf = False
    _cut_next = False
    _held: bytes | None = None
    _enquiry = 0

    def adopt(self, profile: Profile) -> None:
        """Behave as the profile says from now on: the bind is not answered yet."""
        self.profile = profile
        self._pieces: deque[bytes] = deque()
        self._extra: list[bytes] = []
        self._held = b"" if profile.early_messages else None

    def responded(self, pdu: Pdu, sequence: int) -> None:
        """Follow a response to submit_sm with what the profile wants behind it."""
        profile = self.profile
        if profile is None:
            return
        if profile.responses_twice:
            self._extra.append(encode(pdu, sequence))
        if profile.noise:
            self._extra += NOISE
        for _ in range(profile.enquiries):
            self._enquiry = (self._enquiry + 1) & 0xFF_FFFF
            self._extra.append(encode(EnquireLink(), STRANGE + self._enquiry))
        self.flush_soon()

    def deliver_as(self, pdu: Pdu, token: object) -> None:
        """Send a message or receipt as any PDU; see `deliver`."""
        if isinstance(pdu, DeliverSm):
            self.deliver(pdu, token)
        else:
            self.session.request(pdu, token, self.clock.monotonic())
            self.flush_soon()

    def deafen(self) -> None:
        """Read nothing more."""
        self._deaf = True
        if self._transport is not None:
            self._transport.pause_reading()

    def cut_next(self) -> None:
        """End the connection in the middle of what is sent next."""
        self._cut_next = True
        self.flush_soon()

    # sms.smpp.connection.Connection

    def data_received(self, data: bytes) -> None:
        profile = self.profile
        if profile is not None and (profile.mute or self._deaf):
            return
        super().data_received(data)
        if profile is not None and profile.slow_seconds and self._transport is not None:
            self._transport.pause_reading()
            self._loop.call_later(profile.slow_seconds, self._listen_again)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._deaf:
            self.deafen()

    def write(self, octets: bytes) -> None:
        if self.profile is None:
            super().write(octets)
        elif self._held is not None:
            self._hold(octets)
        elif self._cut_next:
            super().write(octets[:-5])
            if self._transport is not None:
                self._transport.close()
        elif self.profile.split:
            self._split(octets)
        else:
            super().write(octets)

    def ended(self, event: Closed) -> None:
        if self.profile is not None and self._pieces:
            super().write(b"".join(self._pieces))
            self._pieces.clear()
        super().ended(event)

    def _flush(self) -> None:
        super()._flush()
        if self.profile is not None and self._extra:
            extra = b"".join(self._extra)
            self._extra.clear()
            self.write(extra)

    def _listen_again(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._deaf:
            self._transport.resume_reading()

    def _hold(self, octets: bytes) -> None:
        """Keep the bind's response, which comes first, until something else was written."""
        if self._held:
            held, self._held = self._held, None
            super().write(octets + held)
        else:
            self._held = octets
            self._loop.call_later(EARLY_SECONDS, self._release)

    def _release(self) -> None:
        if self._held:
            held, self._held = self._held, None
            super().write(held)

    def _split(self, octets: bytes) -> None:
        if self.session.closed:  # the transport is closed next
            super().write(octets)
            return
        idle = not self._pieces
        self._pieces.extend(bytes((octet,)) for octet in octets)
        if idle:
            self._write_piece()

    def _write_piece(self) -> None:
        if self._pieces:
            super().write(self._pieces.popleft())
            self._loop.call_soon(self._write_piece)
