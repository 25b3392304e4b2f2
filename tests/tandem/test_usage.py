"""What explanations show of prices and limits."""

import pytest

from tandem.usage import RoutingPrices, _state
from telephony.kernel.money import Money
from telephony.kernel.store import Store
from telephony.routing.decide import Hop
from telephony.routing.ports import Attempt, Price
from telephony.routing.rules import Kind
from telephony.usage.limiter import Verdict
from tests.support.usage import plane, sms

pytestmark = pytest.mark.wire

US = "+12065550100"


async def test_a_price_names_its_sheet_and_line(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    attempt = Attempt(on.resource, Kind.SMS, US, "+14255550199", on.clock.now())
    hop = Hop("carrier", "route", "+1", US, "+14255550199", Money(0, "USD"))
    prices = RoutingPrices(on.book)
    assert await prices.price(attempt, US, hop) is None
    await on.rates(sms("1206", 7_500))
    assert await prices.price(attempt, US, hop) == Price(Money(7_500, "USD"), "part", "sell", "1206")


def test_a_limit_is_shown_with_its_value_and_what_was_used() -> None:
    shown = _state(Verdict("messages_per_day", "1000"), "3 used today")
    assert (shown.limit, shown.allowed, shown.text) == ("messages_per_day", True, "1000, 3 used today")
