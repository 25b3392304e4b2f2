"""A link to a carrier's SMSC: connects, binds, keeps the window, comes back after every loss."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

import structlog

from carriers.model.smpp import SmppLink
from sms.smpp.constants import SMPP_3_3, SMPP_3_4, CommandStatus
from sms.smpp.errors import FieldError, LinkFull
from sms.smpp.events import Answered, Bound, Closed, Event, Lost, Received
from sms.smpp.link_connection import Hooks, LinkConnection, as_deliver_sm
from sms.smpp.metrics import COLLECTOR, LinkTotals
from sms.smpp.outbind import OutbindListener
from sms.smpp.pdu import BindRequest, DataSm, DeliverSm, SubmitSm, SubmitSmResp
from sms.smpp.reach import Dialer, Reach
from sms.smpp.session import MAX_UNANSWERED, Session, Timers
from sms.smpp.states import REQUESTS, BindType, Role
from sms.smpp.terms import Terms
from telephony.kernel.clock import Clock
from telephony.kernel.errors import ConfigurationError

UNBIND_SECONDS: Final = 2.0
"""How long a stopping link waits at most for unbind_resp: nothing depends on it any more."""

TLS_HINT: Final = " before the bind was answered; the SMSC may want (another) client certificate"
"""What a TLS 1.3 server that wants one looks like: it shakes hands and then cuts, often without a word."""

_log = structlog.get_logger(__name__)


class LinkHandler(Protocol):
    """Who sends and receives over links. Called from the event loop; to be quick, and not to raise."""

    def link_bound(self, link: "Link") -> None:
        """Learn that the link is bound; `window_open` follows."""

    def link_lost(self, link: "Link", reason: str) -> None:
        """Learn that a bound link is gone; each unanswered request was given to `submit_lost` before."""

    def submit_answered(self, link: "Link", token: Any, status: int, message_id: str) -> None:  # noqa: ANN401
        """Take the SMSC's answer to a submit_sm; `message_id` may be empty, and is when `status` is not 0."""

    def submit_lost(self, link: "Link", token: Any, reason: str) -> None:  # noqa: ANN401
        """Learn that a submit_sm will not be answered: whether the SMSC took it is unknown."""

    def window_open(self, link: "Link") -> None:
        """Learn that `room` is above 0 again after it was 0."""

    def delivered(self, link: "Link", pdu: DeliverSm, sequence: int) -> None:
        """Take a message or receipt; call `link.answer_deliver(sequence, status)` once it is safe."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A link as `tandem links` shows it."""

    name: str
    carrier: str
    state: str
    """In words."""
    bound_since: int | None
    """Microseconds UTC."""
    outstanding: int
    sent: int
    answered: int
    throttled: int
    lost: int
    delivered: int
    reconnects: int
    last_error: str
    bind: str = BindType.TRANSCEIVER.value
    """transceiver, transmitter or receiver."""
    tls: bool = False


class Link:
    """One bind to one SMSC, kept up by `run()`.

    When an answer does not come in time, only that request is lost: the link takes no more, waits for the
    rest of its window, and then binds anew. So one lost submit_sm_resp puts no other message in doubt.
    """

    def __init__(
        self,
        name: str,
        carrier: str,
        settings: SmppLink,
        handler: LinkHandler,
        *,
        clock: Clock,
        random: Random | None = None,
        bind_type: BindType | None = None,
        max_unanswered: int = MAX_UNANSWERED,
    ) -> None:
        """`bind_type` comes before that of the settings.

        Raises ConfigurationError for settings that no message could be sent with.
        """
        self.name = name
        self.carrier = carrier
        self.settings = settings
        self.bind_type = bind_type or BindType(settings.bind)
        self.reach: Reach = Dialer(settings)
        """How it comes to the SMSC."""
        if settings.outbind is not None:
            self.reach = OutbindListener(settings.outbind)
        self._terms = Terms(settings, key=f"carriers.{carrier}.smpp.{name}")
        self.totals = LinkTotals()
        self._handler = handler
        self._clock = clock
        self._random = random or Random()  # noqa: S311 - spreads reconnects, keeps no secret
        self._max_unanswered = max_unanswered
        self._connection: LinkConnection | None = None
        self._attempt: asyncio.Timeout | None = None
        self._epoch = 0
        self._state = "stopped"
        self._bound_since: int | None = None
        self._last_error = ""
        self._full = False
        self._draining = False
        self._called = False
        self._running = False
        self._stopping = False
        self._stop_asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._finished = asyncio.Event()
        self._log = _log.bind(link=name, carrier=carrier)

    # For senders

    @property
    def bound(self) -> bool:
        """Whether the SMSC has accepted us and the connection stands."""
        return self._connection is not None and self._connection.session.bound

    @property
    def outstanding(self) -> int:
        """Requests without an answer."""
        return 0 if self._connection is None else self._connection.session.outstanding

    @property
    def window(self) -> int:
        """Requests of ours that may be unanswered at once."""
        return self.settings.window

    @property
    def room(self) -> int:
        """Free places in the window: 0 while not bound, stopping, draining, or not read by the SMSC."""
        connection = self._connection
        if connection is None or self._stopping or self._draining or connection.paused:
            return 0
        return connection.session.room

    def submit(self, pdu: SubmitSm, token: object) -> None:
        """Send a submit_sm; one `submit_answered` or `submit_lost` with `token` will follow.

        Raises LinkFull when `room` is 0, FieldError when a field does not fit; then nothing was sent.
        """
        connection = self._connection
        if connection is None or self.room <= 0:
            self._full = True
            raise LinkFull(f"link {self.name} has no room")
        session = connection.session
        if self._terms.any:
            pdu = self._terms.applied(pdu)
        session.request(pdu, token, self._clock.monotonic())
        self.totals.sent += 1
        if session.room <= 0:
            self._full = True
        connection.flush_soon()

    def answer_deliver(self, sequence: int, status: int) -> None:
        """Answer what `delivered` brought, once; nothing happens when its connection is gone."""
        epoch, number = sequence >> 32, sequence & 0xFFFF_FFFF
        connection = self._connection
        if connection is None or connection.epoch != epoch:
            return
        if connection.session.answer(number, status):
            connection.flush_soon()
            self._look_whether_idle(connection.session)

    def status(self) -> LinkStatus:
        """Return how the link is doing."""
        totals = self.totals
        return LinkStatus(
            name=self.name,
            carrier=self.carrier,
            state=self._state,
            bound_since=self._bound_since,
            outstanding=self.outstanding,
            sent=totals.sent,
            answered=totals.answered,
            throttled=totals.throttled,
            lost=totals.lost,
            delivered=totals.delivered,
            reconnects=totals.reconnects,
            last_error=self._last_error,
            bind=self.bind_type.value,
            tls=self.settings.tls is not None,
        )

    # Life

    async def run(self) -> None:
        """Keep the link up until `stop`."""
        self._running = True
        COLLECTOR.watch(self)
        first, longest = self.settings.reconnect_seconds
        failures = 0
        try:
            while not self._stop_asked.is_set():
                bound_at = await self._connect_once()
                if self._stop_asked.is_set():
                    break
                self.totals.reconnects += 1
                if self._called:
                    continue  # the SMSC chooses when to call again; meanwhile nobody must be turned away
                if bound_at is not None and self._clock.monotonic() - bound_at > longest:
                    failures = 0  # it held: what ended it is news
                pause = min(longest, first * 2.0 ** min(failures, 32)) * self._random.uniform(0.5, 1.0)
                failures += 1
                self._state = f"waiting {pause:.1f} s to reconnect"
                await self._pause(pause)
        finally:
            if self._connection is not None:
                self._connection.abort()
            await self.reach.close()
            self._state = "stopped"
            self._running = False
            self._finished.set()

    async def stop(self, grace: float) -> None:
        """Take no more; wait up to `grace` seconds for answers, theirs and ours; unbind; close."""
        self._stopping = True
        self._stop_asked.set()
        if self._attempt is not None:
            self._attempt.reschedule(asyncio.get_running_loop().time())
        connection = self._connection
        if connection is not None and connection.session.bound:
            self._state = "stopping"
            self._look_whether_idle(connection.session)
            await _within(grace, self._idle)
            connection.session.unbind(self._clock.monotonic())
            connection.flush_soon()
            if not await _within(min(self.settings.response_seconds, UNBIND_SECONDS), connection.gone):
                connection.abort()
            await connection.gone.wait()
        elif connection is not None:
            connection.abort()
        if self._running:
            await self._finished.wait()

    async def _pause(self, seconds: float) -> None:
        await _within(seconds, self._stop_asked)

    async def _connect_once(self) -> float | None:
        """Connect, bind and serve to the end; return when it was bound (monotonic), if it ever was."""
        self._state = "connecting" if self.settings.outbind is None else "waiting for outbind"
        self._called = False
        try:
            async with asyncio.timeout(self.reach.seconds) as self._attempt:
                connection = await self.reach.open(self._made)
        except (OSError, ConfigurationError) as error:  # TimeoutError is an OSError
            if not self._stopping:
                self._note_error(self.reach.failed(error))
            return None
        finally:
            self._attempt = None
        self._called = self.settings.outbind is not None
        self._connection = connection
        self._state = "binding"
        if connection.session.closed:  # as soon as it came
            self._ended(connection, Closed(connection.session.reason, flush=False))
        else:
            try:
                connection.session.bind(self._bind_request())
                connection.flush_soon()
            except FieldError as error:
                self._note_error(f"cannot bind: {error.message}")
                connection.give_up()
                self._connection = None
                return None
        if self._stopping:
            connection.abort()
        await connection.gone.wait()
        return connection.bound_at

    def _made(self) -> LinkConnection:
        settings = self.settings
        self._epoch += 1
        session = Session(
            Role.ESME,
            self._clock.monotonic(),
            timers=Timers(settings.connect_seconds, settings.enquire_link_seconds, settings.response_seconds),
            window=settings.window,
            max_unanswered=self._max_unanswered,
        )
        hooks = Hooks(self._happened, self._ended, self._batch_done, self._mark_full)
        return LinkConnection(session, self._clock, self._epoch, hooks)

    def _bind_request(self) -> BindRequest:
        settings = self.settings
        return REQUESTS[self.bind_type](
            system_id=settings.system_id,
            password=settings.password.reveal(),
            system_type=settings.system_type,
            interface_version=SMPP_3_3 if settings.interface_version == "3.3" else SMPP_3_4,
            addr_ton=settings.address_ton,
            addr_npi=settings.address_npi,
            address_range=settings.address_range,
        )

    def _note_error(self, reason: str) -> None:
        self._last_error = reason
        self._log.warning("smpp.link_down", reason=reason)

    # What connections report

    def _happened(self, connection: LinkConnection, event: Event) -> None:
        try:
            if isinstance(event, Answered):
                self._answered(event)
            elif isinstance(event, Received):
                self._delivered(connection, event)
            elif isinstance(event, Lost):
                self._lost(event)
            elif isinstance(event, Bound):
                self._became_bound(connection)
        except Exception:  # a handler's mistake must not cost the connection and every message on it
            self._log.exception("smpp.handler_failed", happened=type(event).__name__)
            if isinstance(event, Received):
                connection.session.answer(event.sequence, CommandStatus.ESME_RX_T_APPN)

    def _became_bound(self, connection: LinkConnection) -> None:
        connection.tick()
        connection.bound_at = self._clock.monotonic()
        self._bound_since = self._clock.now()
        self._state = "bound"
        self._draining = False
        self._full = True
        self._log.info("smpp.link_bound", bind_type=self.bind_type.value)
        self._handler.link_bound(self)

    def _answered(self, event: Answered) -> None:
        answers = self.totals.answers
        answers[event.status] = answers.get(event.status, 0) + 1
        pdu = event.pdu
        message_id = pdu.message_id if isinstance(pdu, SubmitSmResp) else ""
        self._handler.submit_answered(self, event.token, event.status, message_id)

    def _lost(self, event: Lost) -> None:
        self.totals.lost += 1
        if event.timed_out and not self._draining:
            self._draining = True
            self._state = "draining"
            self._note_error(event.reason)
        self._handler.submit_lost(self, event.token, event.reason)

    def _delivered(self, connection: LinkConnection, event: Received) -> None:
        self.totals.delivered += 1
        pdu = event.pdu
        if isinstance(pdu, DataSm):
            pdu = as_deliver_sm(pdu)
        assert isinstance(pdu, DeliverSm)  # what an ESME takes besides is answered by the session
        self._handler.delivered(self, pdu, connection.epoch << 32 | event.sequence)

    def _batch_done(self, connection: LinkConnection) -> None:
        session = connection.session
        self._look_whether_idle(session)
        if self._draining and session.outstanding == 0 and session.bound:
            session.unbind(self._clock.monotonic())
            connection.flush_soon()
        if self._full and self.room > 0:
            self._full = False
            try:
                self._handler.window_open(self)
            except Exception:  # see _happened
                self._log.exception("smpp.handler_failed", happened="window_open")

    def _mark_full(self) -> None:
        self._full = True

    def _look_whether_idle(self, session: Session) -> None:
        if self._stopping and session.outstanding == 0 and session.unanswered == 0:
            self._idle.set()

    def _ended(self, connection: LinkConnection, event: Closed) -> None:
        if connection is not self._connection:
            return  # it came to nothing: who opened it tells
        self._connection = None
        self._bound_since = None
        self._idle.set()
        self.totals.malformed += connection.session.counters.malformed
        if not self._stopping and not self._draining:
            refused = connection.bound_at is None and event.bind_status is None
            hint = TLS_HINT if refused and self.settings.tls is not None else ""
            self._note_error(event.reason + hint)
        self._draining = False
        if connection.bound_at is not None:
            try:
                self._handler.link_lost(self, event.reason)
            except Exception:  # see _happened
                self._log.exception("smpp.handler_failed", happened="link_lost")


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Wait for `event`; return False when it did not come in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
