"""A resource's limits as they are asked, and what each says of an interaction. Pure.

The rules name themselves: a refusal says which limit, what it is, and how to raise it.
"""

from dataclasses import dataclass
from enum import StrEnum

from telephony.usage.amounts import amount_of, micros_of
from telephony.usage.destinations import UNKNOWN, Destination
from telephony.usage.destinations import Kind as DestinationKind
from telephony.usage.rating import Kind, Rate, price_of_call, price_of_message
from telephony.usage.settings import ANY, OWN, UNLIMITED, LimitSettings


class Limit(StrEnum):
    """The limits' names, as settings and `tandem limits set` spell them."""

    CALLS_PER_SECOND = "calls_per_second"
    CALLS = "calls"
    MESSAGES_PER_SECOND = "messages_per_second"
    MESSAGES_PER_DAY = "messages_per_day"
    COUNTRIES = "countries"
    PREMIUM = "premium"
    SATELLITE = "satellite"
    UNRATED = "unrated"
    PRICE_PER_MINUTE = "price_per_minute"
    PRICE_PER_MESSAGE = "price_per_message"
    DAILY_BUDGET = "daily_budget"
    DEMONSTRATION = "demonstration"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not allowed."""

    limit: Limit
    reason: str
    """A sentence that names the limit and its value."""
    remedy: str
    """A sentence that says how to raise it."""

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy}"


DEMONSTRATION = Refusal(
    Limit.DEMONSTRATION,
    "This is a demonstration resource (demonstration): it reaches simulated carriers only.",
    "Make another with `tandem resource add` for real traffic.",
)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Limits ready to be asked; None is no limit. Amounts are in 10⁻⁶ units of `currency`."""

    calls_per_second: float | None
    calls: int | None
    messages_per_second: float | None
    messages_per_day: int | None
    countries: frozenset[str] | None
    own: bool
    """Whether the country of the number that sends or calls is allowed."""
    premium: bool
    satellite: bool
    unrated: bool
    price_per_minute: int | None
    price_per_message: int | None
    daily_budget: int | None
    currency: str

    @property
    def any_destination(self) -> bool:
        """Whether a number's plan need not be looked at."""
        return self.countries is None and self.premium and self.satellite


def ceilings_of(limits: LimitSettings) -> Ceilings:
    """Return limits ready to be asked."""
    listed = frozenset(limits.countries)
    return Ceilings(
        None if limits.calls_per_second == UNLIMITED else float(limits.calls_per_second),
        None if limits.calls == UNLIMITED else int(limits.calls),
        None if limits.messages_per_second == UNLIMITED else float(limits.messages_per_second),
        None if limits.messages_per_day == UNLIMITED else int(limits.messages_per_day),
        None if ANY in listed else listed - {OWN},
        OWN in listed,
        limits.premium == "allow",
        limits.satellite == "allow",
        limits.unrated == "allow",
        _amount(limits.price_per_minute),
        _amount(limits.price_per_message),
        _amount(limits.daily_budget),
        limits.currency,
    )


def _amount(text: str) -> int | None:
    return None if text == UNLIMITED else micros_of(text)


def raise_it(limit: Limit, example: str) -> str:
    """Return how a limit is raised, in words."""
    return f"An operator raises it: tandem limits set RESOURCE {limit.value}={example}."


def check_destination(limits: Ceilings, destination: Destination, own_country: str) -> Refusal | None:
    """Return why a destination is not allowed, or None. `own_country` is the sending number's."""
    if destination.kind is DestinationKind.SATELLITE:
        if limits.satellite:
            return None
        reason = "The recipient is a satellite or international network's number (satellite = refuse)."
        return Refusal(Limit.SATELLITE, reason, raise_it(Limit.SATELLITE, "allow"))
    if destination.kind is DestinationKind.PREMIUM and not limits.premium:
        reason = "The recipient is a premium-rate, shared-cost, personal or pager number (premium = refuse)."
        return Refusal(Limit.PREMIUM, reason, raise_it(Limit.PREMIUM, "allow"))
    country = destination.country
    if limits.countries is None or country in limits.countries:
        return None
    if limits.own and country == own_country != UNKNOWN:
        return None
    if destination.kind is DestinationKind.PREMIUM and country == "001":
        return None  # +979 and its like: allowed by name above, and no country's
    allowed = ",".join([*([OWN] if limits.own else ()), *sorted(limits.countries)]) or "none"
    known = f"lies in {country}" if country.isalpha() and country != "ZZ" else "is in no country's plan"
    example = f"{allowed},{country}" if country.isalpha() and country != "ZZ" else ANY
    reason = f"The recipient {known}, which is not among the countries allowed (countries = {allowed})."
    return Refusal(Limit.COUNTRIES, reason, raise_it(Limit.COUNTRIES, example))


def check_rate(
    limits: Ceilings, rate: Rate | None, currency: str | None, kind: Kind, units: int
) -> Refusal | None:
    """Return why a price is not allowed, or None.

    `currency` is the resource's sheet's, None when it has none; `units` are a message's segments. A call is
    asked by the minute.
    """
    if currency is None:
        return None
    if rate is None:
        if limits.unrated:
            return None
        reason = "The resource's rate sheet has no rate for this number (unrated = refuse)."
        return Refusal(Limit.UNRATED, reason, raise_it(Limit.UNRATED, "allow"))
    if kind is Kind.SMS:
        limit, most, price = Limit.PRICE_PER_MESSAGE, limits.price_per_message, price_of_message(rate, units)
    else:
        limit, most, price = Limit.PRICE_PER_MINUTE, limits.price_per_minute, rate.price
    if most is None and limits.daily_budget is None:
        return None
    if currency != limits.currency:
        reason = (
            f"The rate sheet is in {currency}, the budget in {limits.currency} (daily_budget): "
            "neither tells of the other."
        )
        remedy = f"An operator makes them one: tandem limits set RESOURCE currency={currency}."
        return Refusal(Limit.DAILY_BUDGET, reason, remedy)
    if most is None or price <= most:
        return None
    what = "A message there" if kind is Kind.SMS else "A minute there"
    reason = (
        f"{what} costs {amount_of(price)} {currency}, more than allowed ({limit.value} = {amount_of(most)})."
    )
    return Refusal(limit, reason, raise_it(limit, amount_of(price)))


def first_charge(rate: Rate) -> int:
    """Return what a call costs as soon as it is answered: what its budget must have left to begin it."""
    return price_of_call(rate, 1)
