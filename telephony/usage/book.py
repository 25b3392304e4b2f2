"""Rates and limits in memory: asked with every message and call, so they are dictionaries.

The database is asked every few seconds whether anything changed (another gateway may have changed it), and
at once after a change of ours.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

import msgspec
import structlog
from sqlalchemy import Connection

from telephony.kernel.ids import ResourceId, from_text
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch
from telephony.usage import revisions
from telephony.usage.ceilings import Ceilings, ceilings_of
from telephony.usage.limit_store import Changed, read_limits
from telephony.usage.settings import LimitSettings, merged
from telephony.usage.sheet import Sheet
from telephony.usage.sheets import BUY, EVERYBODY, SELL, SheetView, compiled, list_uses, read_changed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one transaction saw."""

    revisions: Mapping[str, int]
    limits: Mapping[ResourceId, Changed]
    sheets: list[tuple[SheetView, list[bytes] | None]]
    uses: list[tuple[str, str, str]]


class Book:
    """The look-ups. `start` before the first, `refresh` after a change, `stop` at the end."""

    def __init__(
        self, store: Store, defaults: LimitSettings, declared: Callable[[str], str] = lambda _carrier: ""
    ) -> None:
        """`declared` returns the sheet that a carrier's own description names; empty: none."""
        self._store, self._declared = store, declared
        self.defaults: Final = defaults
        self._default: Final = ceilings_of(defaults)
        self._limits: Mapping[ResourceId, tuple[LimitSettings, Changed, Ceilings]] = {}
        self._views: Mapping[str, SheetView] = {}
        self._sheets: Mapping[str, Sheet] = {}
        self._sell: Mapping[ResourceId, Sheet] = {}
        self._buy: Mapping[str, Sheet] = {}
        self._everybody: Sheet | None = None
        self._seen: Mapping[str, int] | None = None
        self._turn = asyncio.Lock()  # what was read earlier is never taken over later
        self._watch = Watch("usage.book", self.refresh)

    def ceilings(self, resource: ResourceId) -> Ceilings:
        """Return a resource's limits, ready to be asked."""
        found = self._limits.get(resource)
        return self._default if found is None else found[2]

    def limits(self, resource: ResourceId) -> tuple[LimitSettings, Changed]:
        """Return a resource's limits, and what of them is its own."""
        found = self._limits.get(resource)
        return (self.defaults, {}) if found is None else (found[0], found[1])

    def sell(self, resource: ResourceId) -> Sheet | None:
        """Return the sheet that a resource is charged by."""
        return self._sell.get(resource) or self._everybody

    def buy(self, carrier: str) -> Sheet | None:
        """Return the sheet that a carrier charges by."""
        return self._sheets.get(self._declared(carrier)) or self._buy.get(carrier)

    def sheet(self, name: str) -> Sheet | None:
        """Return a sheet by its name."""
        return self._sheets.get(name)

    @property
    def rated(self) -> bool:
        """Whether there is any sheet in force."""
        return bool(self._sheets)

    async def start(self) -> Self:
        """Read everything, and keep looking for changes."""
        await self.refresh()
        self._watch.start()
        return self

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has, if it changed. Raises Unavailable when that is away."""
        async with self._turn:
            read = await self._store.read(self._read)
            if read is None:
                return
            sheets = await asyncio.to_thread(_compiled, read.sheets, self._sheets)
            self._take_over(read, sheets)

    def _read(self, tx: Connection) -> _Read | None:
        seen = revisions.revisions(tx)
        if seen == self._seen:
            return None
        return _Read(seen, read_limits(tx), read_changed(self._views)(tx), list_uses(tx))

    def _take_over(self, read: _Read, sheets: Mapping[str, Sheet]) -> None:
        limits: dict[ResourceId, tuple[LimitSettings, Changed, Ceilings]] = {}
        for resource, changed in read.limits.items():
            try:
                found = merged(self.defaults, dict(changed))
            except msgspec.ValidationError:  # of a later version of this program: the defaults are safe
                log.exception("usage.limits_not_understood", resource=resource.hex())
                continue
            limits[resource] = (found, changed, ceilings_of(found))
        sell: dict[ResourceId, Sheet] = {}
        buy: dict[str, Sheet] = {}
        everybody = None
        for side, whom, name in read.uses:
            if name not in sheets:
                continue
            if side == BUY:
                buy[whom] = sheets[name]
            elif side == SELL and whom == EVERYBODY:
                everybody = sheets[name]
            elif side == SELL and (resource_id := from_text(whom)) is not None:
                sell[ResourceId(resource_id)] = sheets[name]
        self._limits, self._sell, self._buy, self._everybody = limits, sell, buy, everybody
        self._sheets = sheets
        self._views = {view.name: view for view, _ in read.sheets}
        self._seen = read.revisions
        log.info("usage.read", sheets=len(sheets), limits=len(limits))


def _compiled(
    read: list[tuple[SheetView, list[bytes] | None]], known: Mapping[str, Sheet]
) -> Mapping[str, Sheet]:
    return {
        view.name: known[view.name]
        if chunks is None
        else compiled(view.name, view.version or 0, view.currency, chunks)
        for view, chunks in read
    }
