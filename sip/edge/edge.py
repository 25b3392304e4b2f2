"""The edge as the gateway uses it: whose calls may come follows the carriers, and it is drained."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from sip.edge.configuration import peers
from sip.edge.process import write
from sip.edge.rpc import Rpc
from sip.edge.settings import EdgeSettings
from sip.legs.trunks import TrunkFacts
from telephony.kernel.errors import RemoteUnavailable

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often it is asked whether it is there, and told what it does not know yet."""

COUNTED: Final = ("stranger", "flood", "too_large", "malformed", "no_room", "not_ours")
"""Why it refuses what nobody behind it hears of."""


class Edge:
    """Between `start` and `stop` it is told of trunks, and asked how it is."""

    def __init__(self, settings: EdgeSettings, trunks: Callable[[], Sequence[TrunkFacts]]) -> None:
        """`trunks` returns the operator's trunks as they are now."""
        self._settings, self._trunks = settings, trunks
        self._rpc = Rpc(settings.control)
        self._task: asyncio.Task[None] | None = None
        self._told: str | None = None
        """The table that it has taken."""
        self._draining = False
        self._changed = asyncio.Event()
        self._pid = 0
        self.there = False
        """Whether it answered when it was asked last."""
        self.refused: dict[str, int] = {}
        """What it refused since its start, by why."""

    def start(self) -> None:
        """Begin to look for it; it may come later or never."""
        self._task = asyncio.create_task(self._watch(), name="sip.edge")

    async def stop(self) -> None:
        """Leave it alone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def changed(self) -> None:
        """The trunks changed: it hears of them at once."""
        self._changed.set()

    def drain(self, *, on: bool = True) -> None:
        """Refuse new calls and OPTIONS with 503, or take them again (R10)."""
        self._draining = on
        self._told = None
        self._changed.set()

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        return () if self.there else ("the SIP edge (Kamailio) does not answer",)

    async def _watch(self) -> None:
        while True:
            try:
                await self._tell()
            except RemoteUnavailable as error:
                if self.there:
                    log.warning("sip.edge_away", reason=error.message)
                self.there, self._told = False, None
            except OSError as error:  # its folder cannot be written to; what it knew goes on
                log.error("sip.edge_table_not_written", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            self._changed.clear()

    async def _tell(self) -> None:
        counted = await self._rpc.ask("stats.get_statistics", "script:")
        pid = (await self._rpc.ask("core.psx"))[0]["PID"]
        if pid != self._pid:
            self._pid, self._told = pid, None
        table = peers(self._trunks())
        if table != self._told:
            write(self._settings.peers, table)
            await self._rpc.ask("permissions.addressReload")
            await self._rpc.ask("pv.shvSet", "draining", "int", int(self._draining))
            self._told = table
        if not self.there:
            log.info("sip.edge_connected", pid=pid, trunks=table.count("\n"))
        self.there = True
        self.refused = _counts(counted)


def _counts(lines: Sequence[str]) -> dict[str, int]:
    found = {}
    for line in lines:
        name, _, value = line.removeprefix("script:").partition(" = ")
        if name in COUNTED and value.isdecimal():
            found[name] = int(value)
    return found
