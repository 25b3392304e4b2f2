"""Sending within limits: what is refused and how, and that nothing overshoots."""

import asyncio
import uuid
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from sms.send import Options, Recipient, Result, SendSms
from telephony.kernel.errors import LimitForbids, LimitReached, TandemError
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from telephony.numbers.directory import NumberDirectory
from telephony.usage.counters import day_of, used
from telephony.usage.rating import Rate
from telephony.usage.report import Report
from tests.support import sms as support
from tests.support import usage
from tests.support.sms import CARRIER, NUMBER, PEER, Plane
from tests.support.stores import started

pytestmark = pytest.mark.wire

GERMANY = "+4915112345678"


class Limited:
    """The message plane with limits."""

    def __init__(self, on: Plane, limits: usage.Plane) -> None:
        self.on, self.limits = on, limits

    async def send(self, *to: str, text: str = "Hello", repeats: Sequence[Pair] = ()) -> list[Result]:
        verb = SendSms(
            store=self.limits.store,
            clock=self.on.clock,
            node=self.on.node,
            numbers=NumberDirectory(self.on.store, self.on.clock),
            ways=self.on.router,
            settings=self.on.settings,
            offer=lambda _carrier, _messages: None,
            backlog=lambda _: 0,
            limits=self.limits.limiter,
        )
        pairs = [*repeats, *[None] * (len(to) - len(repeats))]
        recipients = [Recipient(one, pair) for one, pair in zip(to, pairs, strict=True)]
        return await verb(self.on.resource, NUMBER, recipients, text, Options(), "request")

    async def used(self) -> dict[str, int]:
        today = day_of(self.on.clock.now())
        return dict(await self.on.store.read(lambda tx: used(tx, self.on.resource, today)))

    async def accepted(self) -> int:
        query = select(func.count()).select_from(interactions)
        return await self.on.store.read(lambda tx: tx.execute(query).scalar_one())


async def limited(store: Store, *rates: Rate, **limits: object) -> Limited:
    on = await support.plane(store)
    plane = await usage.plane(store)
    plane.resource, plane.clock = on.resource, on.clock
    plane.__post_init__()
    if rates:
        await plane.rates(*rates)
    await plane.limit(**limits)
    return Limited(on, plane)


async def test_a_message_carries_its_price_and_is_added_to_the_days_usage(store: Store) -> None:
    at = await limited(store, usage.sms("1", 7_500))
    await at.limits.rates(usage.sms("", 1_000), sheet="buy", currency="EUR", side="buy", whom=CARRIER)
    await asyncio.gather(*(at.send(PEER, "+12065550101", text="x" * 200) for _ in range(5)))
    table = interactions.c
    rows = await store.read(lambda tx: tx.execute(select(table.price, table.currency)).all())
    assert {tuple(row) for row in rows} == {(15_000, "USD")}
    (line,) = await store.read(Report(0, 99_999, ("resource", "carrier", "kind", "direction", "country")))
    assert line.group["country"] == "US"
    assert (line.count, line.units, line.price, line.cost) == (10, 20, 150_000, 20_000)
    assert (line.currency, line.cost_currency) == ("USD", "EUR")


async def test_a_message_without_a_rate_is_counted_without_a_price(store: Store) -> None:
    at = await limited(store)
    await at.send(PEER)
    table = interactions.c
    (row,) = await store.read(lambda tx: tx.execute(select(table.price, table.currency)).all())
    assert tuple(row) == (None, None)
    (line,) = await store.read(Report(0, 99_999, ("country",)))
    assert (line.group["country"], line.count, line.currency) == ("US", 1, "")


async def test_a_forbidden_recipient_is_refused_alone_and_named(sqlite_store: Store) -> None:
    at = await limited(sqlite_store, countries=["own"])
    bad, good, none = await at.send(GERMANY, PEER, "x")
    assert (bad.status, good.status, none.status) == (403, 202, 400)
    assert bad.error is not None
    assert "countries = own" in bad.error
    assert await at.accepted() == 1


async def test_a_request_with_forbidden_recipients_only_is_an_error(sqlite_store: Store) -> None:
    at = await limited(sqlite_store, countries=["own"])
    with pytest.raises(LimitForbids) as refused:
        await at.send(GERMANY, "+33612345678")
    assert (refused.value.status, refused.value.limit) == (403, "countries")
    assert await at.accepted() == 0


async def test_a_request_that_would_pass_a_days_limit_is_refused_as_a_whole(store: Store) -> None:
    at = await limited(store, messages_per_day=3)
    await at.send(PEER, "+12065550101")
    with pytest.raises(LimitForbids, match="messages_per_day = 3"):
        await at.send(PEER, "+12065550101")
    assert (await at.accepted(), await at.used()) == (2, {"messages": 2})
    await at.send(PEER)
    at.on.clock.advance(86_400)
    await at.send(PEER)


async def test_a_repeated_request_counts_once_and_is_answered_after_the_limit_was_reached(
    store: Store,
) -> None:
    at = await limited(store, messages_per_day=1)
    pair = Pair(str(uuid.uuid4()), at.on.clock.now())
    (first,) = await at.send(PEER, repeats=[pair])
    (again,) = await at.send(PEER, repeats=[pair])
    assert again.message_id == first.message_id
    assert await at.used() == {"messages": 1}
    other = Pair(str(uuid.uuid4()), at.on.clock.now())
    with pytest.raises(LimitForbids):
        await at.send(PEER, repeats=[other])
    await at.limits.limit(messages_per_day=2)
    (later,) = await at.send(PEER, repeats=[other])  # a refusal does not use the id up
    assert later.status == 202


async def test_several_gateways_together_never_overshoot_number_or_budget(
    store: Store, store_url: str
) -> None:
    at = await limited(
        store, usage.sms("1", 10_000), messages_per_day=60, daily_budget="0.5", messages_per_second=1000
    )
    with started(store_url) as second:
        others = usage.Plane(second, at.on.clock, at.limits.book, at.on.resource)
        other = Limited(at.on, others)

        async def one(gateway: Limited, count: int) -> int:
            try:
                results = await gateway.send(*[PEER] * count)
            except LimitForbids:
                return 0
            return sum(result.status == 202 for result in results)

        sent = await asyncio.gather(
            *(one(gateway, 1 + place % 3) for place in range(30) for gateway in (at, other))
        )
    counted = await at.used()
    assert sum(sent) == counted["messages"] == await at.accepted()
    assert counted["spent:USD"] == sum(sent) * 10_000 <= 500_000
    assert sum(sent) >= 48  # what was left was less than a request
    (line,) = await store.read(Report(0, 99_999, ("day",)))
    assert (line.count, line.price) == (counted["messages"], counted["spent:USD"])


async def test_messages_too_fast_are_told_when_to_come_back(sqlite_store: Store) -> None:
    at = await limited(sqlite_store, messages_per_second=2)
    await at.send(PEER, "+12065550101")
    with pytest.raises(LimitReached) as refused:
        await at.send(PEER)
    assert (refused.value.status, refused.value.retry_after) == (429, pytest.approx(0.5))
    at.on.clock.advance(0.5)
    await at.send(PEER)


async def test_every_refusal_says_how_to_raise_it(sqlite_store: Store) -> None:
    at = await limited(sqlite_store, usage.sms("1", 10_000), messages_per_day=0)
    told: list[TandemError] = []
    for change in (
        {"messages_per_day": 0},
        {"messages_per_day": None, "daily_budget": "0.001"},
        {"daily_budget": None, "price_per_message": "0.001"},
        {"price_per_message": None, "messages_per_second": 0},
    ):
        await at.limits.limit(**change)
        with pytest.raises(TandemError) as refused:
            await at.send(PEER)
        told.append(refused.value)
    assert all("tandem limits set RESOURCE" in error.message for error in told)
    assert [getattr(error, "limit", "") for error in told] == [
        "messages_per_day",
        "daily_budget",
        "price_per_message",
        "messages_per_second",
    ]
    assert [error.status for error in told] == [403] * 4
