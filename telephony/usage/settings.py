"""Limits as an operator writes them: what a resource has by default, and what can be changed of it."""

from collections.abc import Iterable
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


class LimitsView(Struct, frozen=True, kw_only=True, rename="camel"):
    """A resource's limits, the fields as in `LimitSettings`."""

    calls_per_second: PerSecond
    calls: Count
    messages_per_second: PerSecond
    messages_per_day: Count
    countries: Countries
    premium: Choice
    satellite: Choice
    unrated: Choice
    price_per_minute: Amount
    price_per_message: Amount
    daily_budget: Amount
    currency: Currency
    own: tuple[str, ...]
    """Which of them are the resource's own; the others are the node's defaults (`limits` in its settings)."""
    demonstration: bool
    """Whether no limit holds towards simulated carriers, and nothing goes to real ones."""

    @classmethod
    def of(cls, limits: LimitSettings, own: Iterable[str], *, demonstration: bool) -> "LimitsView":
        """Return limits as they are shown; `own` names those that were changed."""
        names = [camel(name) for name in LimitSettings.__struct_fields__ if name in set(own)]
        return cls(**msgspec.structs.asdict(limits), own=tuple(names), demonstration=demonstration)


def camel(name: str) -> str:
    """Return a limit's name as the API spells it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class LimitsPatch(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """What to change of a resource's limits; null gives one back to the node's default (RFC 7396)."""

    calls_per_second: PerSecond | UnsetType | None = UNSET
    calls: Count | UnsetType | None = UNSET
    messages_per_second: PerSecond | UnsetType | None = UNSET
    messages_per_day: Count | UnsetType | None = UNSET
    countries: Countries | UnsetType | None = UNSET
    premium: Choice | UnsetType | None = UNSET
    satellite: Choice | UnsetType | None = UNSET
    unrated: Choice | UnsetType | None = UNSET
    price_per_minute: Amount | UnsetType | None = UNSET
    price_per_message: Amount | UnsetType | None = UNSET
    daily_budget: Amount | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET

    def changes(self) -> dict[str, Any]:
        """Return what is to be changed, by name; None: back to the default."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in found.items() if value is not UNSET}


def merged(defaults: LimitSettings, changed: dict[str, Any]) -> LimitSettings:
    """Return the limits of a resource for which some were changed."""
    return msgspec.convert({**msgspec.to_builtins(defaults), **changed}, LimitSettings)
