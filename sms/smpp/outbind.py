"""Outbind: the SMSC connects, says who it is, and we bind on that connection (SMPP 3.4 §2.2.1, §4.1.7).

Deny by default: only listed addresses are heard at all, and only the right system_id and password make us
bind. Whoever says nothing is cut by the session's own time for the bind.
"""

import asyncio
from hmac import compare_digest
from typing import Final

import structlog

from carriers.model.networks import Networks
from carriers.model.smpp import Outbind as OutbindSettings
from sms.smpp.link_connection import LinkConnection
from sms.smpp.pdu import Outbind, Pdu
from sms.smpp.reach import Made
from sms.smpp.tls import ServerTls, server_context, words

MAX_CALLERS: Final = 8
"""Connections at once that have not said outbind yet."""

_log = structlog.get_logger(__name__)


class OutbindListener:
    """Waits for one link's SMSC. A `sms.smpp.reach.Reach`."""

    def __init__(self, settings: OutbindSettings) -> None:
        self.seconds: Final[float | None] = None
        self.port = 0
        """The port it listens on, once it does."""
        self._settings = settings
        self._networks = Networks(settings.addresses)
        self._server: asyncio.Server | None = None
        self._callers: set[LinkConnection] = set()
        self._waiting: asyncio.Future[LinkConnection] | None = None
        self._made: Made | None = None

    async def open(self, made: Made) -> LinkConnection:
        """Return the next connection on which the right outbind came."""
        self._made = made
        if self._server is None:
            await self._listen()
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def failed(self, error: Exception) -> str:
        """See Reach."""
        why = words(error) if isinstance(error, OSError) else str(error)
        return f"cannot listen for outbind on {self._settings.host}:{self._settings.port}: {why}"

    async def close(self) -> None:
        """Listen no more."""
        for caller in self._callers:
            caller.give_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _listen(self) -> None:
        settings = self._settings
        context = None
        if settings.certificate is not None and settings.key is not None:
            tls = ServerTls(certificate=settings.certificate, key=settings.key, client_ca=settings.client_ca)
            context = await asyncio.to_thread(server_context, tls)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._called, settings.host, settings.port, ssl=context)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def _called(self) -> asyncio.Protocol:
        assert self._made is not None  # set before we listen
        caller = self._made()
        caller.arrived = lambda: self._arrived(caller)
        caller.noticed = lambda pdu: self._noticed(caller, pdu)
        return caller

    def _arrived(self, caller: LinkConnection) -> None:
        self._callers = {each for each in self._callers if not each.session.closed}
        if caller.peer() not in self._networks:
            self._refuse(caller, "its address is not listed")
        elif len(self._callers) >= MAX_CALLERS:
            self._refuse(caller, f"{MAX_CALLERS} others have not said outbind yet")
        else:
            self._callers.add(caller)

    def _noticed(self, caller: LinkConnection, pdu: Pdu) -> None:
        if not isinstance(pdu, Outbind) or caller not in self._callers:
            return
        self._callers.discard(caller)
        known = compare_digest(pdu.system_id.encode(), self._settings.system_id.encode())
        proven = compare_digest(pdu.password.encode(), self._settings.password.reveal().encode())
        if not (known and proven):
            self._refuse(caller, "wrong system_id or password")
        elif self._waiting is None or self._waiting.done():
            self._refuse(caller, "the link is up already")
        else:
            caller.arrived = caller.noticed = None
            self._waiting.set_result(caller)

    def _refuse(self, caller: LinkConnection, why: str) -> None:
        _log.warning("smpp.outbind_refused", peer=caller.peer(), reason=why)
        caller.give_up()
