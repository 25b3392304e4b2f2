"""Limits as an operator writes them: what a resource has by default, and what can be changed of it."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from telephony.usage.amounts import AMOUNT, CURRENCY

UNLIMITED: Final = "unlimited"
"""What a limit says that there is not to be."""

OWN: Final = "own"
"""A country's place: the one of the number that sends or calls."""

ANY: Final = "any"
"""A country's place: every country."""

MAX_COUNTRIES: Final = 260
"""ISO 3166-1 has 249."""

PerSecond = Annotated[float, Meta(ge=0, le=100_000)] | Literal["unlimited"]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)] | Literal["unlimited"]
Amount = Annotated[str, Meta(pattern=f"^({AMOUNT}|{UNLIMITED})$")]
Country = Annotated[str, Meta(pattern=f"^([A-Z]{{2}}|001|{OWN}|{ANY})$")]
Countries = Annotated[tuple[Country, ...], Meta(max_length=MAX_COUNTRIES)]
Currency = Annotated[str, Meta(pattern=f"^{CURRENCY}$")]
Choice = Literal["refuse", "allow"]


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a resource may do unless its own limits say otherwise. `unlimited` is no limit."""

    calls_per_second: PerSecond = 1.0
    """Calls a second that a resource may begin, by each gateway."""
    calls: Count = 2
    """Calls of a resource at the same time, over all gateways."""
    messages_per_second: PerSecond = 10.0
    """Messages a second that a resource may send, by each gateway; a request may bring more at once, and the
    next one waits for as long."""
    messages_per_day: Count = 1000
    """Messages that a resource may send from midnight to midnight UTC."""
    countries: Countries = (OWN,)
    """Where a resource may send and call to: ISO 3166 codes; `own` is the country of the number that sends,
    `001` is no country's, `any` is everywhere."""
    premium: Choice = "refuse"
    """Premium-rate, shared-cost, personal and pager numbers."""
    satellite: Choice = "refuse"
    """Satellite and other international networks: +870, +881, +882, +883."""
    unrated: Choice = "refuse"
    """Destinations for which the resource's rate sheet has no rate. Without any sheet all are unrated, and
    allowed: then the numbers of messages and calls limit it."""
    price_per_minute: Amount = "0.50"
    """The dearest minute that a resource may call for, in `currency`."""
    price_per_message: Amount = "0.50"
    """The dearest message that it may send, all segments together."""
    daily_budget: Amount = "20"
    """What a resource may spend from midnight to midnight UTC, in `currency`."""
    currency: Currency = "USD"
    """ISO 4217; the resource's rate sheet must be in it."""


class LimitsView(LimitSettings, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """A resource's limits."""


class LimitsPatch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What to change of a resource's limits; null gives one back to the node's default (RFC 7396)."""

    calls_per_second: PerSecond | None | UnsetType = UNSET
    calls: Count | None | UnsetType = UNSET
    messages_per_second: PerSecond | None | UnsetType = UNSET
    messages_per_day: Count | None | UnsetType = UNSET
    countries: Countries | None | UnsetType = UNSET
    premium: Choice | None | UnsetType = UNSET
    satellite: Choice | None | UnsetType = UNSET
    unrated: Choice | None | UnsetType = UNSET
    price_per_minute: Amount | None | UnsetType = UNSET
    price_per_message: Amount | None | UnsetType = UNSET
    daily_budget: Amount | None | UnsetType = UNSET
    currency: Currency | None | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """Return what is to be changed, by name; None: back to the default."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in found.items() if value is not UNSET}


def merged(defaults: LimitSettings, changed: dict[str, Any]) -> LimitSettings:
    """Return the limits of a resource for which some were changed."""
    return msgspec.convert({**msgspec.to_builtins(defaults), **changed}, LimitSettings)
