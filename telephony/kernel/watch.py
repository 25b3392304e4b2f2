"""Keeping what was read of the store true: another gateway may have changed it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from telephony.kernel.errors import TandemError

log = structlog.get_logger(__name__)

REFRESH_SECONDS: Final = 3.0
"""How long what another gateway changed may still be unknown here: a revoked key, a new route."""


class Watch:
    """Calls `refresh` again and again, from `start` to `stop`; an error leaves what is known in force."""

    def __init__(
        self, name: str, refresh: Callable[[], Awaitable[None]], seconds: float = REFRESH_SECONDS
    ) -> None:
        """`name` is the plane's and what it watches, for the log: `resources.directory`."""
        self._name, self._refresh, self._seconds = name, refresh, seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first call is after the first pause."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End. Works twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._refresh()
            except TandemError as error:  # the store reports its own trouble
                log.debug("watch.stale", watch=self._name, error=error.message)
            except Exception:  # a watch that ends would leave revoked keys in force for ever
                log.exception("watch.failed", watch=self._name)
