"""Administration of limits, and of what was used."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from telephony.kernel.clock import Clock
from telephony.kernel.errors import NotFound
from telephony.kernel.http.route import JSON, MERGE_PATCH, Auth, Query, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.known import known_resource
from telephony.usage.amounts import amount_of
from telephony.usage.book import Book
from telephony.usage.counters import CALLS, MESSAGES, SPENT, day_of, used
from telephony.usage.limit_store import ChangeLimits
from telephony.usage.report import CSV, Line, Report, as_csv, days_of, groups_of
from telephony.usage.settings import LimitsPatch, LimitsView

LIMITS: Final = "/admin/resources/{resource}/limits"
TODAY: Final = "/admin/resources/{resource}/limits:today"
USAGE: Final = "/admin/usage"

MONEY: Final = (Role.OWNER, Role.OPERATOR, Role.BILLING)
"""Limits are money and operation both."""

DEFAULT_BY: Final = "day,resource,carrier"


class UsageLine(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What some interactions added up to; only what was asked for by is there."""

    count: int
    units: int
    """Segments of messages, billed seconds of calls."""
    price: str
    """What resources pay, in `currency`; empty where nothing was rated."""
    currency: str
    cost: str
    """What carriers charge."""
    cost_currency: str
    day: str | None = None
    resource: str | None = None
    carrier: str | None = None
    kind: str | None = None
    direction: str | None = None
    country: str | None = None


class UsageList(Struct, frozen=True):
    """A report."""

    value: tuple[UsageLine, ...]


class UsedToday(Struct, frozen=True, rename="camel"):
    """What of a resource's limits was used since midnight UTC."""

    messages: int
    spent: dict[str, str]
    """By currency."""


class LimitVerbs:
    """Show and change a resource's limits: in force here when it returns, elsewhere within seconds.

    `demonstration` tells whether a resource is one; None: there is no such resource.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        book: Book,
        demonstration: Callable[[ResourceId], bool | None],
    ) -> None:
        self._store, self._clock, self._book = store, clock, book
        self._demonstration = demonstration

    def show(self, resource: ResourceId) -> LimitsView:
        """Return a resource's limits. Raises NotFound."""
        demonstration = self._demonstration(resource)
        if demonstration is None:
            raise NotFound("There is no such resource.", target="resource")
        limits, changed = self._book.limits(resource)
        return LimitsView.of(limits, changed, demonstration=demonstration)

    async def change(self, resource: ResourceId, patch: LimitsPatch) -> LimitsView:
        """Change some of them. Raises NotFound, InvalidRequest."""
        self.show(resource)
        changes = patch.changes()
        if changes:
            job = ChangeLimits(resource, changes, self._book.defaults, self._clock.now())
            await self._store.write(job)
            await self._book.refresh()
        return self.show(resource)

    async def today(self, resource: ResourceId) -> UsedToday:
        """Return what was used since midnight UTC. Raises NotFound."""
        self.show(resource)
        day = day_of(self._clock.now())
        found = dict(await self._store.read(lambda tx: used(tx, resource, day)))
        found.pop(CALLS, None)
        spent = {
            name.partition(":")[2]: amount_of(amount)
            for name, amount in found.items()
            if name.startswith(f"{SPENT}:")
        }
        return UsedToday(found.get(MESSAGES, 0), spent)


def routes(limits: LimitVerbs, store: Store, clock: Clock) -> list[Route]:
    """Return the operations."""
    handlers = _Handlers(limits, store, clock)
    asked = (
        Query("from", "First day, such as 2026-07-01 (UTC); 29 days before the last by default."),
        Query("until", "Last day; today by default."),
        Query(
            "by", f"What rows are by: some of day, resource, carrier, kind, direction, country; {DEFAULT_BY}"
        ),
        Query("resource", "Only this resource's."),
        Query("carrier", "Only what this carrier took or brought."),
    )
    return [
        Route(
            "admin.limits.get",
            "GET",
            LIMITS,
            handlers.show,
            Auth.ADMIN,
            summary="What a resource may do, and which of it is its own",
            reply=LimitsView,
        ),
        Route(
            "admin.limits.change",
            "PATCH",
            LIMITS,
            handlers.change,
            Auth.ADMIN,
            body=LimitsPatch,
            media_types=(MERGE_PATCH, JSON),
            roles=MONEY,
            summary="Change some of a resource's limits; null gives one back to the default",
            reply=LimitsView,
        ),
        Route(
            "admin.limits.today",
            "GET",
            TODAY,
            handlers.today,
            Auth.ADMIN,
            summary="What of a resource's limits was used since midnight UTC",
            reply=UsedToday,
        ),
        Route(
            "admin.usage.list",
            "GET",
            USAGE,
            handlers.usage,
            Auth.ADMIN,
            query=asked,
            summary="What interactions added up to, by day, resource, carrier",
            reply=UsageList,
        ),
        Route(
            "admin.usage.export",
            "GET",
            USAGE + ":export",
            handlers.export,
            Auth.ADMIN,
            query=asked,
            summary="The same as a CSV file",
            reply=str,
            reply_type=CSV,
        ),
    ]


class _Handlers:
    def __init__(self, limits: LimitVerbs, store: Store, clock: Clock) -> None:
        self._limits, self._store, self._clock = limits, store, clock

    async def show(self, request: Request[None]) -> Reply:
        return Reply(200, self._limits.show(known_resource(request.path["resource"])))

    async def change(self, request: Request[LimitsPatch]) -> Reply:
        return Reply(200, await self._limits.change(known_resource(request.path["resource"]), request.body))

    async def today(self, request: Request[None]) -> Reply:
        return Reply(200, await self._limits.today(known_resource(request.path["resource"])))

    async def usage(self, request: Request[None]) -> Reply:
        _, lines = await self._report(request)
        return Reply(200, UsageList(tuple(_line(line) for line in lines)))

    async def export(self, request: Request[None]) -> Reply:
        by, lines = await self._report(request)
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"'}
        return Reply(200, as_csv(lines, by), headers, f"{CSV}; charset=utf-8")

    async def _report(self, request: Request[Any]) -> tuple[tuple[str, ...], list[Line]]:
        asked = request.query
        by = groups_of(asked.get("by") or DEFAULT_BY)
        since, until = days_of(asked.get("from"), asked.get("until"), day_of(self._clock.now()))
        resource = asked.get("resource")
        job = Report(
            since,
            until,
            by,
            None if not resource else known_resource(resource),
            asked.get("carrier") or None,
        )
        return by, await self._store.read(job)


def _line(line: Line) -> UsageLine:
    return UsageLine(
        line.count,
        line.units,
        amount_of(line.price),
        line.currency,
        amount_of(line.cost),
        line.cost_currency,
        **line.group,
    )
