"""A fair share of what may wait for a carrier: one slow sender must not use it all up.

The store is asked who has how much only while somebody may have too much, and once in `REFRESH_SECONDS`: in
between, what is accepted is added, and what was sent meanwhile still counts.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from sms.settings import SmsSettings
from sms.store.waiting import SenderBacklogs
from telephony.kernel.clock import Clock
from telephony.kernel.errors import LimitReached
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store

REFRESH_SECONDS: Final = 5.0
"""Counting half a million messages takes some tenths of a second of a reader."""

LIMIT: Final = "sms.sender_backlog_percent"


class _Known(Struct):
    """What is known of one carrier's senders."""

    counts: Counter[str]
    at: float
    """Monotonic seconds."""


class Shares:
    """Refuses senders of whom too much waits."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        node: NodeId,
        settings: SmsSettings,
        backlog: Callable[[str], int],
    ) -> None:
        """`backlog` tells how much waits for a carrier."""
        self._store, self._clock, self._node = store, clock, node
        self._backlog = backlog
        self._most = max(1, settings.max_backlog * settings.sender_backlog_percent // 100)
        self._percent = settings.sender_backlog_percent
        self._known: dict[str, _Known] = {}
        self._asking = asyncio.Lock()

    async def check(self, carrier: str, sender: str, retry_after: float) -> None:
        """Raises LimitReached when a sender has its share, Unavailable when the store is away."""
        if self._backlog(carrier) < self._most:
            self._known.pop(carrier, None)
            return
        known = self._known.get(carrier)
        if known is None or (
            self._clock.monotonic() - known.at >= REFRESH_SECONDS and not self._asking.locked()
        ):
            async with self._asking:
                known = await self._fresh(carrier)
        if known.counts[sender] >= self._most:
            raise LimitReached(
                f"{self._most} messages of this sender are waiting for the carrier: {self._percent} percent"
                f" of sms.max_backlog ({LIMIT}).",
                limit=LIMIT,
                retry_after=retry_after,
            )

    def add(self, carrier: str, sender: str, count: int) -> None:
        """Count messages that were accepted."""
        known = self._known.get(carrier)
        if known is not None:
            known.counts[sender] += count

    async def _fresh(self, carrier: str) -> _Known:
        known, now = self._known.get(carrier), self._clock.monotonic()
        if known is None or now - known.at >= REFRESH_SECONDS:  # nobody else asked meanwhile
            counts = await self._store.read(SenderBacklogs(self._node, carrier))
            known = self._known[carrier] = _Known(Counter(counts), now)
        return known
