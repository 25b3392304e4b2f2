"""What both ends have in common around a session: an asyncio protocol that moves octets and keeps time.

Everything queued in one turn of the event loop leaves in one write. While the peer does not read, we do not
read either: it is silent then, and the session closes it after two enquire_link periods, as it does a dead
one.
"""

import asyncio
from abc import abstractmethod
from typing import Final, cast

from sms.smpp.events import Closed, Event
from sms.smpp.session import Session
from sms.smpp.tls import words
from telephony.kernel.clock import Clock

WRITE_HIGH_WATER: Final = 256 * 1024
"""Octets that may wait in our buffer before the peer counts as a slow reader: more than a window of 1,000
submit_sm, so that an orderly peer never gets there."""

READ_OCTETS: Final = 8 * 1024
"""Octets that are taken in one turn of the loop. A read may bring thirty times that, and hundreds of receipts
or answers at once would hold up everything else on the loop for a tenth of a second."""

LINGER_SECONDS: Final = 2.0
"""How long the last octets may take to leave before the connection is cut."""


class Connection(asyncio.Protocol):
    """One TCP connection with its session. Subclasses say what events mean."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self.session = session
        self.clock = clock
        self.paused = False
        """Whether the peer reads too slowly to be written to."""
        self.gone = asyncio.Event()
        """Set when the connection is no more."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cut: asyncio.TimerHandle | None = None
        self._flush_due = False
        self._unread = b""
        self._read_to = 0

    @abstractmethod
    def happened(self, event: Event) -> None:
        """Take one event but `Closed`. Must not raise."""

    @abstractmethod
    def ended(self, event: Closed) -> None:
        """Take the last event. Must not raise."""

    def batch_done(self) -> None:
        """Learn that every event of one read or tick was handed over, or that writing may go on."""

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(high=WRITE_HIGH_WATER)
        self._on_timer()
        self.flush_soon()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._unread:  # what was on its way when reading was paused
            self._unread += data
        elif len(data) <= READ_OCTETS:
            self.take(self.session.receive_data(data, self.clock.monotonic()))
        else:
            self._unread, self._read_to = data, 0
            if self._transport is not None and not self._transport.is_closing():
                self._transport.pause_reading()
            self._read_on()

    def eof_received(self) -> bool:
        """Close on end of file: SMPP has no use for half a connection."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        why = words(exc) if isinstance(exc, OSError) else str(exc or "")
        reason = f"connection lost: {why}" if why else "connection lost"
        if self._unread:  # it came before the end
            data, self._unread = self._unread[self._read_to :], b""
            self.take(self.session.receive_data(data, self.clock.monotonic()))
        self.take(self.session.connection_lost(reason))
        if self._timer is not None:
            self._timer.cancel()
        if self._cut is not None:
            self._cut.cancel()
        self._transport = None
        self.gone.set()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self.paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self.paused = False
        self._resume_reading()
        self.batch_done()

    # Ours

    def _read_on(self) -> None:
        """Take the next octets of a long read, then let others have their turn."""
        if not self._unread:  # the connection ended meanwhile
            return
        begin, self._read_to = self._read_to, self._read_to + READ_OCTETS
        data = self._unread[begin : self._read_to]
        if self._read_to < len(self._unread):
            self._loop.call_soon(self._read_on)
        else:
            self._unread = b""
            if not self.paused:
                self._resume_reading()
        self.take(self.session.receive_data(data, self.clock.monotonic()))

    def _resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._unread:
            self._transport.resume_reading()

    def take(self, events: list[Event]) -> None:
        """Hand events over in order, then send what they led to."""
        for event in events:
            if isinstance(event, Closed):
                self.ended(event)
                self._shut(event)
            else:
                self.happened(event)
        if events:
            self.batch_done()
        if self.session.has_output:
            self.flush_soon()

    def flush_soon(self) -> None:
        """Send what is queued at the end of this turn of the loop."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def abort(self) -> None:
        """Cut the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def peer(self) -> str:
        """Return the peer's address, or an empty text."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return str(name[0]) if name else ""

    def tick(self) -> None:
        """Look at the time again: to be called when something moved the next deadline nearer."""
        if self._timer is not None:
            self._timer.cancel()
        self._on_timer()

    def _flush(self) -> None:
        self._flush_due = False
        if self._transport is not None and self.session.has_output:
            self.write(self.session.data_to_send())

    def write(self, octets: bytes) -> None:
        """Give octets to the transport; nothing happens when the connection is over."""
        if self._transport is not None:
            self._transport.write(octets)

    def _on_timer(self) -> None:
        now = self.clock.monotonic()
        self.take(self.session.tick(now))
        deadline = self.session.next_timeout()
        if deadline is not None:
            # a request sent after this has its deadline no sooner than one response time from now
            pause = min(deadline - now, self.session.timers.response)
            self._timer = self._loop.call_later(max(pause, 0.0), self._on_timer)

    def _shut(self, event: Closed) -> None:
        transport = self._transport
        if transport is None:
            return
        if not event.flush or self.paused:
            transport.abort()
            return
        self._flush()
        transport.close()
        # close() waits for the buffer to drain, which a peer can delay for ever
        self._cut = self._loop.call_later(LINGER_SECONDS, transport.abort)
