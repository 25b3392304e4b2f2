"""How a link and its SMSC get together: we connect, or the SMSC does (`sms.smpp.outbind`)."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from carriers.model.smpp import SmppLink
from sms.smpp.connection import LINGER_SECONDS
from sms.smpp.link_connection import LinkConnection
from sms.smpp.tls import client_context, words
from telephony.kernel.errors import RemoteUnavailable

Made = Callable[[], LinkConnection]
"""Makes a connection's protocol, with its session."""


class Unreachable(RemoteUnavailable):
    """The SMSC cannot be reached; the text says where and why."""

    metric = "smpp_unreachable"


class Reach(Protocol):
    """A way to the SMSC."""

    @property
    def seconds(self) -> float | None:
        """How long `open` may take; None: as long as it likes."""
        ...

    async def open(self, made: Made) -> LinkConnection:
        """Return a connection that is ready for the bind.

        Raises Unreachable, OSError (TimeoutError too) or ConfigurationError when there is none.
        """
        ...

    def failed(self, error: Exception) -> str:
        """Say in words what `open` raised."""
        ...

    async def close(self) -> None:
        """Let nothing come any more."""
        ...


class Dialer:
    """We connect, over TLS when the link says so."""

    def __init__(self, settings: SmppLink) -> None:
        self.seconds: Final[float | None] = settings.connect_seconds
        self._settings = settings

    async def open(self, made: Made) -> LinkConnection:
        """See Reach."""
        host, port, tls = self._settings.host, self._settings.port, self._settings.tls
        loop = asyncio.get_running_loop()
        # anew for each connection, so that renewed certificates are found; it reads files
        context = None if tls is None else await asyncio.to_thread(client_context, tls)
        connection = made()
        try:
            if tls is None:
                await loop.create_connection(lambda: connection, host, port)
            else:
                await loop.create_connection(
                    lambda: connection,
                    host,
                    port,
                    ssl=context,
                    server_hostname=tls.server_name or host,
                    ssl_shutdown_timeout=LINGER_SECONDS,
                )
        except BaseException:  # cancelled too: whatever became of it must not report itself later
            connection.give_up()
            raise
        return connection

    def failed(self, error: Exception) -> str:
        """See Reach."""
        why = words(error) if isinstance(error, OSError) else str(error)
        return f"cannot connect to {self._settings.host}:{self._settings.port}: {why}"

    async def close(self) -> None:
        """See Reach."""
