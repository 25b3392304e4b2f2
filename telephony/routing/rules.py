"""Routes and rules as people write them, in files and over /admin; what they mean: `table`, `inbound`."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from telephony.kernel.errors import InvalidRequest
from telephony.routing.formats import Country
from telephony.routing.windows import MAX_WINDOWS, Window

MAX_ROUTES: Final = 100_000
"""Routes of a set; each may have many prefixes."""

MAX_PREFIXES: Final = 2_000_000
"""Prefixes of all routes together: twice what the largest rate decks have."""

MAX_INBOUND: Final = 100_000
"""Inbound rules of a resource."""

MAX_LISTED: Final = 10_000
"""Senders, countries or dates of one list."""

MAX_COST: Final = 10**12
"""A million units of a currency; what costs more is a slip of the pen."""


class Kind(StrEnum):
    """What is routed."""

    VOICE = "voice"
    SMS = "sms"


RuleId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]

Name = Annotated[str, Meta(min_length=1, max_length=64)]

MAX_PREFIX: Final = 16
"""Characters: fifteen digits and a plus."""

Prefix = Annotated[
    str, Meta(max_length=MAX_PREFIX, extra_json_schema={"pattern": r"^\+?([1-9][0-9]{0,14})?$"})
]
"""The beginning of a number in E.164, with or without the plus; empty: any number.

Looked at when tables are made, in a thread: a million of them would hold up the event loop.
"""

Number = Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8})$")]
"""A number in E.164, or a short code."""

Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 code."""

Micros = Annotated[int, Meta(ge=0, le=MAX_COST)]
"""10⁻⁶ units of a currency."""

BY_NUMBER: Final = "@number"
"""The target of a route to the carrier which the sender's number belongs to; no carrier is called so."""

Party = Annotated[str, Meta(min_length=1, max_length=32)]
"""The beginning of a number, with its plus; or a whole name or short code."""


class Route(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """A way out. The longest prefix goes first, then the lower priority, the lower cost, then weight."""

    id: RuleId
    """What it is called in explanations."""
    kind: Kind
    target: Name
    """The carrier; `@number`: the one that the sender's number belongs to."""
    prefixes: tuple[Prefix, ...] = ()
    """Numbers it takes, by their beginnings; none: all."""
    pattern: str | None = None
    """A pattern (RE2) that has to be found in the number as well; the number begins with its plus."""
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Among routes of the same prefix, the lower goes first."""
    cost: Micros = 0
    """What the carrier takes for a minute or a part of a text, in 10⁻⁶ units; the cheaper goes first."""
    currency: Currency | None = None
    """Of `cost`; unset: the set's."""
    weight: Annotated[int, Meta(ge=0, le=65_535)] = 1
    """Among routes equal in all this: its share of being first. 0: only behind the others."""
    windows: Annotated[tuple[Window, ...], Meta(max_length=MAX_WINDOWS)] = ()
    """When it is in force; none: always."""
    senders: Annotated[tuple[Party, ...], Meta(max_length=MAX_LISTED)] = ()
    """Own numbers and names it is for; none: all."""
    sender_countries: Annotated[tuple[Country, ...], Meta(max_length=300)] = ()
    """Countries of own numbers it is for; none: all."""
    countries: Annotated[tuple[Country, ...], Meta(max_length=300)] = ()
    """Countries of destination it is for; none: all. `prefixes` alone cannot tell the USA from Canada."""
    stop: bool = False
    """Whether shorter prefixes are left out when this one fits."""
    enabled: bool = True


class InboundRule(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """Where what comes in for a number goes.

    A whole number goes before a prefix, the longer prefix before the shorter, a pattern last; then the order
    of the list decides.
    """

    id: RuleId
    """What it is called in explanations."""
    target: dict[str, Any]
    """`kind`, and what that kind wants: see `targets`."""
    kinds: Annotated[tuple[Kind, ...], Meta(max_length=2)] = ()
    """Calls, texts; none: both."""
    numbers: Annotated[tuple[Number, ...], Meta(max_length=MAX_LISTED)] = ()
    """Own numbers it is for."""
    prefixes: Annotated[tuple[Prefix, ...], Meta(max_length=MAX_LISTED)] = ()
    """Own numbers it is for, by their beginnings; short codes have none."""
    pattern: str | None = None
    """Own numbers it is for, by a pattern (RE2)."""
    callers: Annotated[tuple[Party, ...], Meta(max_length=MAX_LISTED)] = ()
    """Other parties it is for; none: all."""
    caller_countries: Annotated[tuple[Country, ...], Meta(max_length=300)] = ()
    """Countries of other parties it is for; none: all."""
    windows: Annotated[tuple[Window, ...], Meta(max_length=MAX_WINDOWS)] = ()
    """When it is in force; none: always."""
    enabled: bool = True

    def __post_init__(self) -> None:
        if not (self.numbers or self.prefixes or self.pattern):
            raise ValueError("expected numbers, prefixes or a pattern: a rule for nothing at all is a slip")


class RouteSet(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel", omit_defaults=True
):
    """All routes and rules of one resource, or of the operator. It is replaced as a whole."""

    currency: Currency = "EUR"
    """What costs are compared in."""
    exchange: Annotated[dict[Currency, Micros], Meta(max_length=300)] = {}
    """What one unit of another currency is worth, in 10⁻⁶ units of `currency`."""
    calendars: Annotated[
        dict[Name, Annotated[tuple[date, ...], Meta(max_length=MAX_LISTED)]], Meta(max_length=1000)
    ] = {}
    """Dates by name, for windows."""
    routes: Annotated[tuple[Route, ...], Meta(max_length=MAX_ROUTES)] = ()
    """Ways out; the operator's alone."""
    inbound: Annotated[tuple[InboundRule, ...], Meta(max_length=MAX_INBOUND)] = ()
    """Ways in. What no rule is for is refused."""


EMPTY: Final = RouteSet()
"""Nothing goes anywhere."""


def key_of(prefix: str) -> int:
    """Return a prefix as a number, 0 for the empty one: country codes do not begin with 0."""
    return int(prefix.removeprefix("+") or "0")


def check_prefixes(prefixes: Sequence[str], place: str) -> None:
    """Raise InvalidRequest, naming the place, when one of them is no beginning of a number."""
    for number, prefix in enumerate(prefixes):
        digits = prefix.removeprefix("+")
        if digits and not (
            digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) < MAX_PREFIX
        ):
            target = f"{place}.prefixes[{number}]"
            raise InvalidRequest(f"{target}: {prefix!r} is no beginning of a number.", target=target)
