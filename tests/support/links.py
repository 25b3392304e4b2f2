"""Links over real sockets, to a server of ours that a test talks through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from carriers.model.carrier import SmppLink
from sms.smpp.link import Link
from sms.smpp.server import ServerConnection, ServerSettings, SmppServer
from sms.smpp.states import BindType
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.smpp import Witness

CLOCK = SystemClock()
SLACK = 1.0
"""Seconds that a busy machine may be late by; the moment itself is tested where time stands still."""


def link_settings(port: int, **changes: Any) -> SmppLink:
    defaults: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "system_id": "tandem",
        "password": Secret("secret08"),
        "reconnect_seconds": (0.01, 0.05),
    }
    return SmppLink(**(defaults | changes))


@asynccontextmanager
async def running(link: Link) -> AsyncIterator[Link]:
    """Run a link, and stop it at the end whatever happened."""
    task = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        await link.stop(0)
        await asyncio.wait_for(task, 5)
        assert link.status().state == "stopped"


class House:
    """A server and a link between two witnesses."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.theirs = Witness()
        self.ours = Witness()
        self._stack = stack

    @property
    def conn(self) -> ServerConnection:
        return self.theirs.conns[-1]

    async def open(
        self,
        *,
        bound: bool = True,
        server: ServerSettings | None = None,
        bind_type: BindType | None = None,
        max_unanswered: int = 500,
        **changes: Any,
    ) -> Link:
        smsc = SmppServer(self.theirs, server or ServerSettings(), clock=CLOCK)
        port = await smsc.start("127.0.0.1", 0)
        self._stack.push_async_callback(smsc.stop)
        link = Link(
            "first",
            "carrier",
            link_settings(port, **changes),
            self.ours,
            clock=CLOCK,
            bind_type=bind_type,
            max_unanswered=max_unanswered,
        )
        await self._stack.enter_async_context(running(link))
        if bound:
            await self.ours.until(lambda: self.ours.named("window_open") or link.bound)
        return link
