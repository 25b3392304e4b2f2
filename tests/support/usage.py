"""Rates and limits for tests: a book and a limiter around one store, and short ways to sheets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.usage.book import Book
from telephony.usage.limit_store import ChangeLimits
from telephony.usage.limiter import Limiter
from telephony.usage.rating import Kind, Rate
from telephony.usage.settings import LimitSettings
from telephony.usage.sheets import SELL, Activate, AddRates, BeginDraft, UseSheet
from tests.support.clock import ManualClock

EVERYTHING = LimitSettings(
    calls_per_second="unlimited",
    calls="unlimited",
    messages_per_second="unlimited",
    messages_per_day="unlimited",
    countries=("any",),
    premium="allow",
    satellite="allow",
    unrated="allow",
    price_per_minute="unlimited",
    price_per_message="unlimited",
    daily_budget="unlimited",
)
"""No limit at all."""


@dataclass
class Plane:
    """A book, a limiter, a resource."""

    store: Store
    clock: ManualClock
    book: Book
    resource: ResourceId
    demonstrations: set[ResourceId] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.limiter = Limiter(
            book=self.book,
            clock=self.clock,
            demonstration=lambda resource: resource in self.demonstrations,
            simulated=lambda carrier: carrier == "simulated",
        )

    async def limit(self, **changes: Any) -> None:
        """Change limits of the resource."""
        await self.store.write(ChangeLimits(self.resource, changes, self.book.defaults, self.clock.now()))
        await self.book.refresh()

    async def rates(
        self, *rates: Rate, sheet: str = "sell", currency: str = "USD", side: str = SELL, whom: str = "*"
    ) -> None:
        """Put a sheet in force, and charge by it."""
        await put(self.store, sheet, rates, currency=currency, now=self.clock.now())
        await self.store.write(UseSheet(side, whom, sheet))
        await self.book.refresh()


async def put(store: Store, sheet: str, rates: Sequence[Rate], *, currency: str = "USD", now: int = 1) -> int:
    """Put a sheet in force; return its version."""
    version = await store.write(BeginDraft(sheet, currency, now))
    await store.write(AddRates(sheet, version, 0, rates, now))
    await store.write(Activate(sheet, version, len(rates), now))
    return version


async def plane(store: Store, defaults: LimitSettings = EVERYTHING) -> Plane:
    """Return a plane on a store with the whole schema; nothing is limited unless `defaults` say so."""
    clock = ManualClock()
    book = Book(store, defaults)
    await book.refresh()
    return Plane(store, clock, book, ResourceId(new_id(clock.now())))


def sms(prefix: str, price: int, **fields: Any) -> Rate:
    """Return a rate of messages, in millionths."""
    return Rate(2, Kind.SMS, prefix, price, **fields)


def voice(prefix: str, price: int, **fields: Any) -> Rate:
    """Return a rate of calls, in millionths a minute."""
    return Rate(2, Kind.VOICE, prefix, price, **fields)
