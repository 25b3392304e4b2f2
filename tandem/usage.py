"""Rates, limits and usage, joined to the rest."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Self

import structlog

from carriers.model.carrier import Carrier
from tandem.config.tree import Configuration
from telephony.kernel.clock import HOUR, SECOND, Clock
from telephony.kernel.errors import TandemError
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.kernel.store import Store
from telephony.resources.directory import Directory
from telephony.routing.decide import Hop
from telephony.routing.ports import Attempt, LimitState, Price
from telephony.routing.rules import Kind as RoutingKind
from telephony.usage import admin, sheet_admin
from telephony.usage.admin import LimitVerbs
from telephony.usage.amounts import amount_of
from telephony.usage.book import Book
from telephony.usage.ceilings import Limit
from telephony.usage.counters import MESSAGES, day_of, forget_days, spent, used
from telephony.usage.limiter import Limiter, Verdict
from telephony.usage.rating import Kind
from telephony.usage.sheet_verbs import SheetVerbs

log = structlog.get_logger(__name__)

TIDY_SECONDS: Final = HOUR / SECOND
"""How often counters of days that are over are deleted."""


class UsagePlane:
    """The plane. `start` before the first request, `stop` at the end."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        directory: Directory,
        configuration: Configuration,
        carriers: Mapping[str, Carrier],
    ) -> None:
        """`carriers` are those in force."""
        self._store, self._clock, self._directory = store, clock, directory
        self._carriers = carriers
        self._task: asyncio.Task[None] | None = None
        self.book: Final = Book(store, configuration.limits, self._declared)
        self.limiter: Final = Limiter(
            book=self.book, clock=clock, demonstration=self._is_demonstration, simulated=self._is_simulated
        )
        limits = LimitVerbs(store=store, clock=clock, book=self.book, demonstration=self._demonstration)
        sheets = SheetVerbs(
            store=store,
            clock=clock,
            book=self.book,
            knows=directory.knows,
            carriers=lambda name: name in self._carriers,
        )
        self.routes: Final[tuple[Route, ...]] = (
            *admin.routes(limits, store, clock),
            *sheet_admin.routes(sheets),
        )

    async def start(self) -> Self:
        """Read rates and limits, and follow their changes."""
        await self.book.start()
        self._task = asyncio.create_task(self._tidy(), name="usage.tidy")
        return self

    async def stop(self) -> None:
        """Stop following changes."""
        await self.book.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _demonstration(self, resource: ResourceId) -> bool | None:
        found = self._directory.by_id(resource)
        return None if found is None else found.demonstration

    def _is_demonstration(self, resource: ResourceId) -> bool:
        found = self._directory.by_id(resource)
        return found is not None and found.demonstration

    def _declared(self, carrier: str) -> str:
        found = self._carriers.get(carrier)
        return "" if found is None else found.rates

    def _is_simulated(self, carrier: str) -> bool:
        found = self._carriers.get(carrier)
        return found is not None and found.simulated

    async def _tidy(self) -> None:
        while True:
            yesterday = day_of(self._clock.now()) - 1
            try:
                await self._store.write(lambda tx, before=yesterday: forget_days(tx, before))
            except TandemError as error:  # the next hour does it
                log.debug("usage.not_tidied", error=error.message)
            except Exception:  # a task that ends would leave them for ever
                log.exception("usage.tidy_failed")
            await asyncio.sleep(TIDY_SECONDS)


class RoutingPrices:
    """See `telephony.routing.ports.Prices`: what explanations show."""

    def __init__(self, book: Book) -> None:
        self._book = book

    async def price(self, attempt: Attempt, number: str, _hop: Hop) -> Price | None:
        """See `Prices`."""
        sheet = self._book.sell(attempt.resource)
        kind = _kind(attempt.kind)
        rate = None if sheet is None else sheet.find(kind, number, attempt.at)
        if sheet is None or rate is None:
            return None
        per = "part" if kind is Kind.SMS else "minute"
        return Price(Money(rate.price, sheet.currency), per, sheet.name, rate.prefix)


class RoutingLimits:
    """See `telephony.routing.ports.Limits`: what explanations show. `carrier` names the way that is asked."""

    def __init__(self, plane: UsagePlane, store: Store, clock: Clock) -> None:
        self._plane, self._store, self._clock = plane, store, clock

    async def preview(
        self, attempt: Attempt, number: str, price: Price | None, carrier: str = ""
    ) -> Sequence[LimitState]:
        """See `Limits`."""
        verdicts = self._plane.limiter.explain(
            attempt.resource, carrier, attempt.sender, number, _kind(attempt.kind)
        )
        today = day_of(self._clock.now())
        counted = await self._store.read(lambda tx: used(tx, attempt.resource, today))
        sheet = self._plane.book.sell(attempt.resource)
        currency = self._plane.book.limits(attempt.resource)[0].currency if sheet is None else sheet.currency
        notes = {
            Limit.MESSAGES_PER_DAY: f"{counted.get(MESSAGES, 0)} used today",
            Limit.DAILY_BUDGET: (
                f"{amount_of(counted.get(spent(currency), 0))} {currency} spent today"
                if sheet is not None
                else "no rate sheet: nothing is counted"
            ),
        }
        return [_state(verdict, notes.get(Limit(verdict.limit), "")) for verdict in verdicts]


def _kind(kind: RoutingKind) -> Kind:
    return Kind.SMS if kind is RoutingKind.SMS else Kind.VOICE


def _state(verdict: Verdict, note: str) -> LimitState:
    text = verdict.refusal.reason if verdict.refusal else ", ".join(filter(None, (verdict.value, note)))
    return LimitState(str(verdict.limit), verdict.refusal is None, text)
