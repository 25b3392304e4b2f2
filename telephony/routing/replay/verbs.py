"""The verb: read what happened a slice at a time, decide it twice, and add up what is different.

The event loop only hands slices on: reading is the store's threads' work, deciding another thread's, and
nothing is ever written. One replay runs at a time on a gateway.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec
import structlog

from telephony.kernel.clock import DAY, Clock
from telephony.kernel.errors import Conflict, InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.routing.formats import NumberFormats
from telephony.routing.overlaps import Oddity
from telephony.routing.replay.compare import Past, Rules, Sheets, compare
from telephony.routing.replay.draft import Draft, DraftSheets, Prepared, prepare
from telephony.routing.replay.journal import SLICE, KindOfRow, ReadSlice, next_resource
from telephony.routing.replay.tally import Tally
from telephony.routing.router import Router, Tables
from telephony.routing.rules import Kind
from telephony.routing.targets import TargetKinds
from telephony.routing.voice import OwnRoutes
from telephony.usage.sheet import Sheet

log = structlog.get_logger(__name__)

MAX_PERIOD: Final = 31 * DAY
"""A month: what longer periods show, a day of them shows as well."""

MAX_INTERACTIONS: Final = 200_000
"""Interactions of one replay: some fifteen seconds of work beside everything else."""


class SheetBook(Sheets, Protocol):
    """The rate sheets in use, and each by its name. `telephony.usage.book.Book` is one."""

    def sheet(self, name: str) -> Sheet | None:
        """Return a sheet by its name."""
        ...


class Owners(Protocol):
    """Knows to which carriers numbers belong."""

    async def carrier(self, number: str) -> str:
        """Return the carrier that a number belongs to now; empty: none. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Period:
    """What is to be replayed."""

    since: int
    """The first moment: microseconds UTC."""
    until: int
    """The first moment after it."""
    resource: ResourceId | None = None
    """None: everybody's."""
    kind: Kind | None = None
    """None: calls and texts."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it."""

    period: Period
    complete: bool
    """Whether everything of the period was looked at."""
    tally: Tally
    before: Rules
    after: Rules
    warnings: tuple[Oddity, ...]
    unused: tuple[str, ...]
    """Sheets of the draft by which nobody of the period was or is charged."""


def period_of(since: int | None, until: int | None, now: int) -> tuple[int, int]:
    """Return the period asked for; by default yesterday, by UTC. Raises InvalidRequest.

    With one end alone it is a day long.
    """
    if since is None:
        since = now // DAY * DAY - DAY if until is None else until - DAY
    until = since + DAY if until is None else until
    if since < 0 or until <= since:
        raise InvalidRequest("from: Expected a time before the end.", target="from")
    if until - since > MAX_PERIOD:
        raise InvalidRequest(f"from: At most {MAX_PERIOD // DAY} days at once.", target="from")
    return since, until


class Replay:
    """Decides again what happened. Changes nothing: what is in force is only read."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        tables: Callable[[], Tables],
        carriers: Callable[[], Mapping[str, NumberFormats]],
        targets: TargetKinds,
        own: OwnRoutes,
        owners: Owners,
        book: SheetBook,
        knows: Callable[[ResourceId], bool],
        kinds: Mapping[str, KindOfRow],
    ) -> None:
        """`tables` are those in force, `targets` where inbound rules may lead; `knows` tells which resources
        exist, `kinds` how interactions are read, by what `interactions.kind` says."""
        self._store, self._clock = store, clock
        self._tables, self._carriers, self._targets = tables, carriers, targets
        self._own, self._owners, self._book = own, owners, book
        self._knows, self._kinds = knows, kinds
        self._running = False

    async def __call__(
        self,
        draft: Draft,
        *,
        since: int | None = None,
        until: int | None = None,
        resource: ResourceId | None = None,
        kind: Kind | None = None,
    ) -> Replayed:
        """Replay a period, yesterday by default.

        Raises InvalidRequest for a draft or a period that cannot be used, Conflict while another replay runs,
        Unavailable.
        """
        if self._running:
            raise Conflict("Another replay is running on this gateway; try again when it is done.")
        self._running = True
        try:
            first, last = period_of(since, until, self._clock.now())
            return await self._replay(draft, Period(first, last, resource, kind))
        finally:
            self._running = False

    async def _replay(self, draft: Draft, period: Period) -> Replayed:
        prepared: Prepared = await asyncio.to_thread(
            prepare,
            draft,
            carriers=dict(self._carriers()),
            kinds=self._targets,
            knows=self._knows,
            sheet=self._book.sheet,
        )
        now = self._tables()
        before = Rules(_router(now), self._own, self._book)
        seen = DraftSheets(self._book, prepared.sheets)
        after = Rules(_router(prepared.tables(now)), self._own, seen)
        tally = Tally()
        complete = await self._all(period, before, after, tally)
        unused = tuple(sorted(prepared.sheets.keys() - seen.asked))
        log.info("routing.replayed", interactions=tally.looked, complete=complete)
        return Replayed(period, complete, tally, before, after, prepared.warnings, unused)

    async def _all(self, period: Period, before: Rules, after: Rules, tally: Tally) -> bool:
        """Look at everything, as far as `MAX_INTERACTIONS` goes; tell whether that was all."""
        belongs: dict[str, str] = {}
        resource = period.resource or await self._store.read(next_resource(b""))
        while resource is not None:
            place: bytes | None = None
            while True:
                query = ReadSlice(resource, period.since, period.until, self._kinds, place, SLICE)
                found, place = await self._store.read(query)
                found = [one for one in found if period.kind in (None, one.kind)]
                some = found[: MAX_INTERACTIONS - tally.looked]
                if some:
                    await self._decide(await self._belonging(some, belongs), before, after, tally)
                if len(some) < len(found):
                    return False
                if place is None:
                    break
            if period.resource is not None:
                break
            resource = await self._store.read(next_resource(resource))
        return True

    async def _belonging(self, found: Sequence[Past], belongs: dict[str, str]) -> Sequence[Past]:
        """Return the same, each with the carrier that its sender belongs to."""
        for one in found:
            if not one.inbound and one.own not in belongs:
                belongs[one.own] = await self._owners.carrier(one.own)
        return [
            one if one.inbound else msgspec.structs.replace(one, carrier=belongs[one.own]) for one in found
        ]

    async def _decide(self, found: Sequence[Past], before: Rules, after: Rules, tally: Tally) -> None:
        def work() -> None:
            for past in found:
                tally.add(past, *compare(before, after, past))

        await asyncio.to_thread(work)


def _router(tables: Tables) -> Router:
    router = Router()
    router.tables = tables
    return router
