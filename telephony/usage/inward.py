"""What inbound texts come to. Nothing is refused for its price: it has come already."""

from functools import lru_cache
from typing import Final

from telephony.kernel.ids import ResourceId
from telephony.usage.book import Book
from telephony.usage.destinations import country_of
from telephony.usage.rating import Kind, Rate, price_of_message
from telephony.usage.record import Charge
from telephony.usage.sheet import Sheet

_country: Final = lru_cache(maxsize=10_000)(country_of)


class InboundRates:
    """Rates by the sheets in force; what none says is free. The store's thread asks it, too."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def received(
        self, resource: ResourceId, carrier: str, own: str, peer: str, segments: int, at: int
    ) -> Charge:
        """Return what a text comes to: by the rate `sms-in` of the own number, to the resource and of the
        carrier that brought it; a short code's is that of every number."""
        sell, buy = self._book.sell(resource), self._book.buy(carrier)
        rate, cost = _find(sell, own, at), _find(buy, own, at)
        return Charge(
            _country(peer) if peer.startswith("+") else "",
            segments,
            0 if rate is None else price_of_message(rate, segments),
            "" if rate is None or sell is None else sell.currency,
            0 if cost is None else price_of_message(cost, segments),
            "" if cost is None or buy is None else buy.currency,
        )


def _find(sheet: Sheet | None, own: str, at: int) -> Rate | None:
    return None if sheet is None else sheet.find(Kind.SMS_IN, own if own.startswith("+") else "", at)
