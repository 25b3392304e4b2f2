"""A leg's orders to its engine: one after another, in the order in which they were given."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from sip.media.client.control import MediaAway, MediaFull, MediaRefused
from sip.media.protocol import Command, Reply

log = structlog.get_logger(__name__)

Ask = Callable[[str, Command], Awaitable[Reply]]
"""`Engines.ask`."""

TROUBLES: Final = (MediaAway, MediaFull, MediaRefused)
"""What an engine's answer can be instead."""


class Line:
    """The orders of one leg. Each waits for the one before, whoever gave it."""

    def __init__(self, ask: Ask, engine: str) -> None:
        self.engine = engine
        self._ask = ask
        self._orders: deque[tuple[Command, asyncio.Future[Reply]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def order(self, command: Command) -> asyncio.Future[Reply]:
        """Give an order, and return what will become of it: a reply, or one of TROUBLES.

        Nobody has to wait: what went wrong is in the log.
        """
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._orders.append((command, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="leg-orders")
        return answer

    async def _work(self) -> None:
        try:
            while self._orders:
                command, answer = self._orders.popleft()
                try:
                    reply = await self._ask(self.engine, command)
                except TROUBLES as error:
                    what = type(command).__name__
                    log.warning("sip.engine_refused", engine=self.engine, order=what, reason=str(error))
                    if not answer.cancelled():
                        answer.set_exception(error)
                        answer.exception()  # seen, also when nobody waits
                else:
                    if not answer.cancelled():
                        answer.set_result(reply)
        finally:
            self._task = None
            for _, answer in self._orders:
                answer.cancel()
