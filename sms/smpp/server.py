"""The SMSC's side of SMPP over asyncio: for the simulated carrier, and for customers who bind to Tandem."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from sms.smpp.connection import LINGER_SECONDS, Connection
from sms.smpp.constants import CommandId, CommandStatus
from sms.smpp.events import Answered, BindReceived, Closed, Event, Lost, Received
from sms.smpp.pdu import DeliverSm, Pdu, SubmitSm, SubmitSmResp
from sms.smpp.session import MAX_UNANSWERED, Session, Timers
from sms.smpp.states import BIND_TYPES, BindState, BindType, Role
from sms.smpp.tls import ServerTls, server_context
from telephony.kernel.clock import Clock

MAX_CONNECTIONS: Final = 1000
"""Connections at once, bound or not: far more than customers need, fewer than the usual 1,024 descriptors."""

_REFUSALS: Final[dict[int, int]] = {
    CommandId.QUERY_SM: CommandStatus.ESME_RQUERYFAIL,
    CommandId.CANCEL_SM: CommandStatus.ESME_RCANCELFAIL,
    CommandId.REPLACE_SM: CommandStatus.ESME_RREPLACEFAIL,
    CommandId.DELIVER_SM: CommandStatus.ESME_RINVBNDSTS,
}
"""How requests are refused that a handler does not take; others by ESME_RINVCMDID."""

_log = structlog.get_logger(__name__)


class ServerHandler(Protocol):
    """Who takes what ESMEs send. Called from the event loop; to be quick, and not to raise."""

    def bind(
        self, conn: "ServerConnection", system_id: str, password: str, bind_type: BindType, peer: str
    ) -> int | None:
        """Return 0 to accept, else the command_status to refuse with; `peer` is the address.

        None: `conn.answer_bind` is called later.
        """

    def submit(self, conn: "ServerConnection", pdu: SubmitSm, sequence: int) -> None:
        """Take a submit_sm; call `conn.answer_submit(sequence, ...)`, at once or later."""

    def request(self, conn: "ServerConnection", pdu: Pdu, sequence: int) -> None:
        """Take any other request; call `conn.answer` or `conn.refuse`, at once or later."""

    def deliver_answered(self, conn: "ServerConnection", token: Any, status: int) -> None:  # noqa: ANN401
        """Take the answer to a deliver_sm."""

    def deliver_lost(self, conn: "ServerConnection", token: Any, reason: str) -> None:  # noqa: ANN401
        """Learn that a deliver_sm will not be answered: whether the ESME took it is unknown."""

    def window_open(self, conn: "ServerConnection") -> None:
        """Learn that `conn.room` is above 0 again after it was 0, or that the bind was accepted."""

    def closed(self, conn: "ServerConnection", reason: str) -> None:
        """Learn that a connection whose bind was accepted is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How an SMSC behaves to those who bind."""

    system_id: str = "tandem"
    """Who we are in bind responses (§5.2.1)."""
    window: int = 100
    """deliver_sm that may be unanswered at once on a connection."""
    max_unanswered: int = MAX_UNANSWERED
    """submit_sm that may wait for us on a connection; beyond: ESME_RTHROTTLED."""
    bind_seconds: float = 5.0
    """From the connection to the bind; at most two enquire_link periods."""
    enquire_link_seconds: float = 30.0
    """Silence after which a connection is tested; after twice this it is closed."""
    response_seconds: float = 10.0
    """How long the answer to a deliver_sm may take."""
    max_unbound: int = 50
    """Connections of one address that have not bound: one alone must not take everybody's places."""


class SmppServer:
    """Listens, and keeps the connections."""

    def __init__(
        self,
        handler: ServerHandler,
        settings: ServerSettings,
        *,
        clock: Clock,
        accept: "Callable[[SmppServer], ServerConnection] | None" = None,
    ) -> None:
        """`accept` makes the protocol of a new connection."""
        self.handler = handler
        self._accept = accept or ServerConnection
        self.settings = settings
        self.clock = clock
        self.connections: set[ServerConnection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, tls: ServerTls | None = None) -> int:
        """Listen, over TLS when given, and return the port: with `port` 0 one that is free.

        Raises OSError when it cannot listen, ConfigurationError for certificates that cannot be used.
        """
        loop = asyncio.get_running_loop()
        context = None if tls is None else await asyncio.to_thread(server_context, tls)
        self._server = await loop.create_server(
            lambda: self._accept(self),
            host,
            port,
            backlog=256,
            ssl=context,
            ssl_handshake_timeout=None if tls is None else tls.handshake_seconds,
            ssl_shutdown_timeout=None if tls is None else LINGER_SECONDS,
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, grace: float = 1.0) -> None:
        """Accept no more, unbind everybody, and cut after `grace` seconds whoever is still there."""
        if self._server is None:
            return
        self._server.close()
        connections = list(self.connections)
        for conn in connections:
            conn.unbind()
        try:
            async with asyncio.timeout(grace):
                for conn in connections:
                    await conn.gone.wait()
        except TimeoutError:
            for conn in connections:
                conn.abort()
        for conn in connections:
            await conn.gone.wait()
        await self._server.wait_closed()
        self._server = None


class ServerConnection(Connection):
    """One ESME's connection."""

    def __init__(self, server: SmppServer) -> None:
        settings = server.settings
        timers = Timers(
            bind=min(settings.bind_seconds, 2 * settings.enquire_link_seconds),
            enquire_link=settings.enquire_link_seconds,
            response=settings.response_seconds,
        )
        session = Session(
            Role.SMSC,
            server.clock.monotonic(),
            timers=timers,
            window=settings.window,
            max_unanswered=settings.max_unanswered,
        )
        super().__init__(session, server.clock)
        self.system_id = ""
        """Who bound; empty until a bind was accepted."""
        self.bind_type: BindType | None = None
        self._server = server
        self._full = False
        self._binding: BindReceived | None = None

    @property
    def room(self) -> int:
        """deliver_sm that may be sent now: 0 unless bound as receiver or transceiver, and read from."""
        return 0 if self.paused else self.session.room

    def answer_submit(self, sequence: int, status: int = 0, message_id: str = "") -> bool:
        """Answer a submit_sm; return False when it was answered before or the connection is over.

        Raises FieldError when `message_id` is longer than 64.
        """
        answered = self.session.answer(sequence, status, SubmitSmResp(message_id))
        if answered:
            self.flush_soon()
        return answered

    def answer(self, sequence: int, status: int, pdu: Pdu) -> bool:
        """Answer any request by its response `pdu`; return False when it was answered before or all is over.

        Raises FieldError when a field does not fit.
        """
        answered = self.session.answer(sequence, status, pdu)
        if answered:
            self.flush_soon()
        return answered

    def refuse(self, pdu: Pdu, sequence: int) -> None:
        """Answer a request that is not for whoever sent it."""
        self.session.answer(sequence, _REFUSALS.get(pdu.command_id, CommandStatus.ESME_RINVCMDID))
        self.flush_soon()

    def answer_bind(self, status: int) -> bool:
        """Answer a bind about which `bind` returned None; return whether it stands now."""
        event, self._binding = self._binding, None
        if event is None or self.session.closed:
            return False
        self._answer_bind(event, status)
        self.batch_done()
        return status == 0

    def certificate(self) -> Mapping[str, Any]:
        """Return the client's certificate as `ssl.SSLSocket.getpeercert` does; empty without one."""
        found = None if self._transport is None else self._transport.get_extra_info("peercert")
        return found or {}

    def deliver(self, pdu: DeliverSm, token: object) -> None:
        """Send a deliver_sm; one `deliver_answered` or `deliver_lost` with `token` will follow.

        Raises LinkFull when there is no room, FieldError when a field does not fit; then nothing was sent.
        """
        try:
            self.session.request(pdu, token, self.clock.monotonic())
        finally:
            self._full = self._full or self.room <= 0
        self.flush_soon()

    def unbind(self) -> None:
        """Unbind, or just close when not bound; nothing more happens when unbinding already."""
        if self.session.bound:
            self.session.unbind(self.clock.monotonic())
            self.flush_soon()
        elif self.session.state is not BindState.UNBINDING:
            self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connections = self._server.connections
        connections.add(self)
        if len(connections) > MAX_CONNECTIONS:
            _log.warning("smpp.too_many_connections", limit=MAX_CONNECTIONS)
            self.abort()
            return
        peer, limit = self.peer(), self._server.settings.max_unbound
        if sum(not each.system_id and each.peer() == peer for each in connections) > limit:
            _log.warning("smpp.too_many_unbound", peer=peer, limit=limit)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.connections.discard(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._full = True

    def happened(self, event: Event) -> None:
        handler = self._server.handler
        try:
            if isinstance(event, Received):
                self._received(event)
            elif isinstance(event, Answered):
                handler.deliver_answered(self, event.token, event.status)
            elif isinstance(event, Lost):
                handler.deliver_lost(self, event.token, event.reason)
            elif isinstance(event, BindReceived):
                self._bind(event)
        except Exception:  # a handler's mistake must not cost the connection and every message on it
            _log.exception("smpp.handler_failed", system_id=self.system_id, happened=type(event).__name__)
            if isinstance(event, Received):
                self.session.answer(event.sequence, CommandStatus.ESME_RSYSERR)
            elif isinstance(event, BindReceived):
                self.take(self.session.answer_bind(event.sequence, CommandStatus.ESME_RSYSERR))

    def ended(self, event: Closed) -> None:
        if not self.system_id:
            return
        _log.info("smpp.esme_lost", system_id=self.system_id, reason=event.reason)
        try:
            self._server.handler.closed(self, event.reason)
        except Exception:  # see above
            _log.exception("smpp.handler_failed", system_id=self.system_id, happened="Closed")

    def batch_done(self) -> None:
        if self._full and self.room > 0:
            self._full = False
            try:
                self._server.handler.window_open(self)
            except Exception:  # see above
                _log.exception("smpp.handler_failed", system_id=self.system_id, happened="window_open")

    def _received(self, event: Received) -> None:
        pdu = event.pdu
        if isinstance(pdu, SubmitSm):
            self._server.handler.submit(self, pdu, event.sequence)
        else:
            self._server.handler.request(self, pdu, event.sequence)

    def _bind(self, event: BindReceived) -> None:
        pdu = event.pdu
        bind_type = BIND_TYPES[pdu.command_id]
        status = self._server.handler.bind(self, pdu.system_id, pdu.password, bind_type, self.peer())
        if status is None:
            self._binding = event
        else:
            self._answer_bind(event, status)

    def _answer_bind(self, event: BindReceived, status: int) -> None:
        pdu = event.pdu
        bind_type = BIND_TYPES[pdu.command_id]
        if status == 0:
            self.system_id = pdu.system_id
            self.bind_type = bind_type
            self._full = True
        _log.info(
            "smpp.esme_bind",
            system_id=pdu.system_id,
            bind_type=bind_type.value,
            peer=self.peer(),
            status=status,
        )
        self.take(self.session.answer_bind(event.sequence, status, self._server.settings.system_id))
        self.tick()
