"""What inbound texts come to: the rate of the number they came to, or nothing."""

import pytest

from telephony.kernel.store import Store
from telephony.usage.inward import InboundRates
from telephony.usage.rating import Kind, Rate
from telephony.usage.record import Charge
from telephony.usage.sheets import BUY
from tests.support.usage import EVERYTHING, Plane, plane, sms

pytestmark = pytest.mark.wire

OWN, GERMAN = "+14255550199", "+4930123456"


def charge(on: Plane, own: str = OWN, peer: str = GERMAN, segments: int = 1) -> Charge:
    rates = InboundRates(on.book)
    return rates.received(on.resource, "acme", own, peer, segments, on.clock.now())


def inbound(prefix: str, price: int) -> Rate:
    return Rate(1, Kind.SMS_IN, prefix, price)


async def test_an_inbound_text_is_free_unless_a_rate_says_otherwise(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, EVERYTHING)
    assert charge(on, segments=3) == Charge("DE", 3)
    assert charge(on, peer="ACME") == Charge("", 1)
    await on.rates(sms("49", 70_000), sms("", 10_000))  # of what goes out
    assert charge(on) == Charge("DE", 1)


async def test_it_costs_what_the_rate_of_the_own_number_says(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, EVERYTHING)
    await on.rates(inbound("1", 5_000), inbound("49", 9_000), sms("49", 70_000))
    await on.rates(inbound("1425", 2_000), sheet="buy", currency="EUR", side=BUY, whom="acme")
    assert charge(on, segments=2) == Charge("DE", 2, 10_000, "USD", 4_000, "EUR")
    assert charge(on, own=GERMAN, peer=OWN) == Charge("US", 1, 9_000, "USD")
    assert charge(on, own="12345") == Charge("DE", 1)  # a short code has no prefix
    await on.rates(inbound("", 1_000))
    assert charge(on, own="12345") == Charge("DE", 1, 1_000, "USD")
