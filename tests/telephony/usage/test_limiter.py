"""Limits that deny by default and name themselves."""

from typing import Any

import pytest

from telephony.kernel.errors import InvalidRequest, LimitForbids, LimitReached
from telephony.kernel.ids import InteractionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.usage import calls
from telephony.usage.ceilings import Limit, Refusal
from telephony.usage.counters import Most, add, day_of
from telephony.usage.rating import Kind
from telephony.usage.record import Charge
from telephony.usage.settings import LimitSettings
from tests.support.usage import EVERYTHING, Plane, plane, sms, voice

pytestmark = pytest.mark.wire

OWN = "+14255550199"
US = "+12065550100"
CANADA = "+16135550123"
GERMANY = "+4915112345678"
PREMIUM = "+19005550100"
GERMAN_PREMIUM = "+491801234567"
IRIDIUM = "+881612345678"
WORLD_PREMIUM = "+979123456789"


def verdict(on: Plane, to: str, segments: int = 1) -> Charge | Refusal:
    return on.limiter.messages(on.resource, "real", OWN, [to], segments).verdicts[0]


def refused_by(on: Plane, to: str, segments: int = 1) -> str:
    found = verdict(on, to, segments)
    assert isinstance(found, Refusal), found
    return found.limit.value


async def test_a_new_resource_reaches_its_own_country_and_nothing_dear(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, LimitSettings())
    assert verdict(on, US) == Charge("US")
    assert refused_by(on, CANADA) == "countries"
    assert refused_by(on, GERMANY) == "countries"
    assert refused_by(on, PREMIUM) == "premium"
    assert refused_by(on, GERMAN_PREMIUM) == "premium"
    assert refused_by(on, IRIDIUM) == "satellite"
    assert refused_by(on, WORLD_PREMIUM) == "premium"
    assert refused_by(on, "+19995550100") == "countries"  # no number of any plan


async def test_a_refusal_says_the_limit_its_value_and_how_to_raise_it(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, LimitSettings())
    assert str(verdict(on, GERMANY)) == (
        "The recipient lies in DE, which is not among the countries allowed (countries = own). "
        "An operator raises it: tandem limits set RESOURCE countries=own,DE."
    )


async def test_an_operator_allows_one_thing_at_a_time(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, LimitSettings())
    await on.limit(countries=["own", "DE"], messages_per_second="unlimited")
    assert verdict(on, GERMANY) == Charge("DE")
    assert refused_by(on, GERMAN_PREMIUM) == "premium"
    await on.limit(premium="allow", satellite="allow")
    assert verdict(on, GERMAN_PREMIUM) == Charge("DE")
    assert isinstance(verdict(on, IRIDIUM), Charge)
    assert isinstance(verdict(on, WORLD_PREMIUM), Charge)
    assert refused_by(on, CANADA) == "countries"
    await on.limit(countries=None)
    assert refused_by(on, GERMANY) == "countries"


async def test_a_country_that_there_is_not_is_refused(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    with pytest.raises(InvalidRequest, match="There is no country XX"):
        await on.limit(countries=["XX"])


async def test_a_demonstration_resource_reaches_only_the_simulated_carrier_but_without_limits(
    sqlite_store: Store,
) -> None:
    on = await plane(sqlite_store, LimitSettings(messages_per_second=0, messages_per_day=0))
    on.demonstrations.add(on.resource)
    admission = on.limiter.messages(on.resource, "simulated", OWN, [GERMANY, PREMIUM, IRIDIUM], 2)
    assert admission.verdicts == [Charge("DE", 2), Charge("US", 2), Charge("001", 2)]
    assert admission.counters == ()
    with pytest.raises(LimitForbids, match="demonstration") as refused:
        on.limiter.messages(on.resource, "real", OWN, [US], 1)
    assert refused.value.limit == "demonstration"
    with pytest.raises(LimitForbids, match="demonstration"):
        on.limiter.call(on.resource, "real", OWN, US)


async def test_messages_too_fast_are_told_when_to_come_back(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    await on.limit(messages_per_second=5)
    for _ in range(5):
        verdict(on, US)
    with pytest.raises(LimitReached, match=r"messages_per_second = 5\)") as refused:
        verdict(on, US)
    assert refused.value.limit == "messages_per_second"
    assert refused.value.retry_after == pytest.approx(0.2)
    on.clock.advance(0.2)
    verdict(on, US)


async def test_refused_recipients_cost_no_rate_and_given_back_ones_neither(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    await on.limit(messages_per_second=1, countries=["own"])
    for _ in range(3):
        assert refused_by(on, GERMANY) == "countries"
    admission = on.limiter.messages(on.resource, "real", OWN, [US], 1)
    on.limiter.give_back(admission)
    verdict(on, US)
    with pytest.raises(LimitReached):
        verdict(on, US)


async def test_a_price_comes_from_the_sheets_and_the_dearest_are_refused(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    await on.rates(sms("1", 7_500), sms("1206", 10_000), sms("49", 600_000, setup=1))
    await on.rates(sms("", 2_000), sheet="buy", currency="EUR", side="buy", whom="real")
    assert verdict(on, US, 3) == Charge("US", 3, 30_000, "USD", 6_000, "EUR")
    assert verdict(on, OWN) == Charge("US", 1, 7_500, "USD", 2_000, "EUR")
    await on.limit(price_per_message="0.6")
    assert refused_by(on, GERMANY) == "price_per_message"
    assert "costs 0.600001 USD" in str(verdict(on, GERMANY))
    await on.limit(unrated="refuse")
    assert refused_by(on, "+33612345678") == "unrated"


async def test_a_budget_in_another_currency_than_the_sheet_refuses_rather_than_guesses(
    sqlite_store: Store,
) -> None:
    on = await plane(sqlite_store)
    await on.rates(sms("1", 1))
    await on.limit(daily_budget="5", currency="EUR")
    assert refused_by(on, US) == "daily_budget"


async def test_a_rate_is_the_one_valid_when_it_begins(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    turn = on.clock.now() + 1_000_000
    await on.rates(sms("1", 1), sms("1", 5, since=turn))
    first = verdict(on, US)
    on.clock.advance(1)
    second = verdict(on, US)
    assert isinstance(first, Charge)
    assert isinstance(second, Charge)
    assert (first.price, second.price) == (1, 5)


async def test_a_day_that_is_used_up_is_refused_for_a_moment_without_asking(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    await on.limit(messages_per_day=3)
    admission = on.limiter.messages(on.resource, "real", OWN, [US, US], 1)
    assert admission.counters == (Most("messages", 3),)
    error = on.limiter.reached(on.resource, admission.counters[0], 2)
    assert error.status == 403
    assert error.limit == "messages_per_day"
    with pytest.raises(LimitForbids, match="messages_per_day = 3"):
        on.limiter.messages(on.resource, "real", OWN, [US, US], 1)
    verdict(on, US)  # one may still fit
    await on.limit(messages_per_day=4)
    on.limiter.messages(on.resource, "real", OWN, [US, US], 1)


async def test_what_another_gateway_changed_is_taken_over(store: Store) -> None:
    on = await plane(store)
    other = await plane(store)
    await on.rates(sms("1", 5))
    await on.limit(countries=["DE"])
    assert other.book.sheet("sell") is None
    await other.book.refresh()
    sheet = other.book.sheet("sell")
    assert sheet is not None
    assert sheet.find(Kind.SMS, US, 0) == sms("1", 5)
    assert other.book.ceilings(on.resource).countries == frozenset({"DE"})


async def test_a_call_is_held_to_the_same_limits(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, LimitSettings(price_per_minute="0.02"))
    await on.rates(voice("1", 10_000, first=60, next=60), voice("1425", 20_001))
    for to, limit in ((GERMANY, "countries"), (PREMIUM, "premium"), (OWN, "price_per_minute")):
        with pytest.raises(LimitForbids) as refused:
            on.limiter.call(on.resource, "real", OWN, to)
        assert refused.value.limit == limit
    admission = on.limiter.call(on.resource, "real", OWN, US)
    assert (admission.most_calls, admission.budget) == (2, Most("spent:USD", 20_000_000))
    with pytest.raises(LimitReached, match="calls_per_second = 1"):
        on.limiter.call(on.resource, "real", OWN, US)


async def test_a_running_call_pays_before_each_increment_and_gets_the_rest_back(store: Store) -> None:
    on = await plane(store)
    await on.rates(voice("1", 60_000, first=60, next=60))
    await on.limit(daily_budget="0.12", calls=1)
    node = await store.write(RegisterNode("test"))
    admission = on.limiter.call(on.resource, "real", OWN, US)
    one, two = InteractionId(new_id(1)), InteractionId(new_id(2))
    at, day = on.clock.now(), day_of(on.clock.now())
    await store.write(lambda tx: calls.begin(tx, admission, one, node, at))
    with pytest.raises(LimitForbids, match="calls = 1"):
        await store.write(lambda tx: calls.begin(tx, admission, two, node, at))
    paid, elapsed, paying = 0, 0, list[bool]()
    for _ in range(3):
        amount = calls.due(admission, elapsed) - paid
        had = await store.write(lambda tx, amount=amount: calls.pay(tx, admission, day, amount))
        paying.append(had)
        paid += amount if had else 0
        elapsed = calls.next_increment(admission, elapsed)
    assert paying == [True, True, False]
    assert (paid, elapsed) == (120_000, 180_000_000)

    def end(tx: Any) -> tuple[int, str]:
        return calls.end(
            tx,
            admission,
            one,
            node,
            carrier="real",
            direction="outbound",
            at=at,
            answered_for=30_000_000,
            paid=paid,
        )

    assert await store.write(end) == (60_000, "USD")
    spare = Most("spent:USD", 120_000)
    assert await store.write(lambda tx: add(tx, on.resource, day, spare, 60_000))
    await store.write(lambda tx: calls.begin(tx, admission, two, node, at))


async def test_explaining_names_every_limit_and_counts_nothing(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, LimitSettings(messages_per_second=1))
    for _ in range(3):
        told = on.limiter.explain(on.resource, "real", OWN, GERMANY, Kind.SMS)
    assert [one.limit for one in told] == [
        "countries",
        "premium",
        "satellite",
        "unrated",
        "price_per_message",
        "messages_per_second",
        "messages_per_day",
        "daily_budget",
    ]
    assert [one.limit for one in told if one.refusal is not None] == [Limit.COUNTRIES]
    verdict(on, US)


def test_everything_can_be_unlimited() -> None:
    assert EVERYTHING.countries == ("any",)
