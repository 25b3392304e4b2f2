"""A second, slow and obvious way to choose routes, and what hypothesis makes routes and numbers of."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, cast
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from telephony.routing.compiling import compile_set
from telephony.routing.decide import Question, drawn
from telephony.routing.dialled import country_of
from telephony.routing.formats import USUAL, NumberFormats
from telephony.routing.router import Router, Tables
from telephony.routing.rules import BY_NUMBER, Kind, Route, RouteSet
from telephony.routing.table import Candidate
from telephony.routing.targets import TargetKinds
from telephony.routing.windows import DAYS, Window

CARRIERS: Mapping[str, NumberFormats] = dict.fromkeys(("alpha", "beta", "gamma"), USUAL)
"""The carriers that there are."""

NUMBERS = ("+4930123456", "+4930223456", "+491701234567", "+14255550123", "+14165550123", "+390612345678")
"""Numbers of few beginnings, so that rules meet."""


def route(number: int = 0, **changes: Any) -> Route:
    """Return a route to anywhere by `alpha`, with changes."""
    settings: dict[str, Any] = {"id": f"r{number}", "kind": Kind.SMS, "target": "alpha"} | changes
    return Route(**settings)


def router_by_number(*carriers: str) -> Router:
    """Return a router with the routes of a first start: everything by the carrier of its sender's number."""
    router = Router()
    by_number = RouteSet(routes=(Route(id="by-the-number", kind=Kind.SMS, target=BY_NUMBER),))
    return route_by(router, by_number, *carriers)


def route_by(router: Router, rules: RouteSet, *carriers: str) -> Router:
    """Put a set in force."""
    compiled = compile_set(rules, dict.fromkeys(carriers, USUAL), TargetKinds())
    router.tables = Tables(compiled.outbound, router.tables.version + 1, compiled.inbound)
    return router


def naive(rules: RouteSet, carriers: Mapping[str, Any], question: Question) -> list[tuple[str, str, str]]:
    """Return target, route and prefix in the order in which they are tried, by looking at everything."""
    found: list[tuple[str, str, str]] = []
    digits = question.number[1:]
    for length in range(len(digits), -1, -1):
        here = [
            each
            for each in rules.routes
            if _has_prefix(each, digits[:length]) and _fits(rules, carriers, each, question)
        ]
        ranks = sorted({_rank(rules, each) for each in here})
        for rank in ranks:
            equals = [each for each in here if _rank(rules, each) == rank]
            for each in drawn(cast("Sequence[Candidate]", equals), question.seed):
                target = question.own if each.target == BY_NUMBER else each.target
                if target in carriers and target not in [*question.without, *(one[0] for one in found)]:
                    found.append((target, each.id, f"+{digits[:length]}"))
        if any(each.stop for each in here):
            break
    return found


def _has_prefix(one: Route, digits: str) -> bool:
    return digits in [prefix.lstrip("+") for prefix in one.prefixes or ("",)]


def _rank(rules: RouteSet, one: Route) -> tuple[int, Fraction]:
    currency = one.currency or rules.currency
    worth = 1 if currency == rules.currency else Fraction(rules.exchange[currency], 1_000_000)
    return one.priority, one.cost * worth


def _fits(rules: RouteSet, carriers: Mapping[str, Any], one: Route, question: Question) -> bool:
    sender = question.sender
    return (
        one.enabled
        and (one.target in carriers or one.target == BY_NUMBER)
        and one.kind == question.kind
        and (one.pattern is None or re.search(one.pattern, question.number) is not None)
        and (not one.windows or any(is_open(each, rules, question.at) for each in one.windows))
        and (
            not one.senders
            or any(
                sender.startswith(each) if each.startswith("+") else sender == each for each in one.senders
            )
        )
        and (
            not one.sender_countries
            or (sender.startswith("+") and country_of(cast("Any", sender)) in one.sender_countries)
        )
        and (not one.countries or country_of(question.number) in one.countries)
    )


def is_open(window: Window, rules: RouteSet, at: int) -> bool:
    """Tell the same of a window, by walking back to the minute in which it began."""
    zone = ZoneInfo(window.zone)
    local = (
        datetime.fromtimestamp(at // 1_000_000, UTC).astimezone(zone).replace(tzinfo=None, second=0, fold=0)
    )
    wall = local.replace(microsecond=0)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        hour, minute = divmod(_minutes(window.begin), 60)
        began = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - on the wall
        long = (_minutes(window.end) - _minutes(window.begin)) % 1440 or 1440
        if (
            began <= wall < began + timedelta(minutes=long)
            and (not window.days or DAYS[day.weekday()] in window.days)
            and (window.first is None or day >= window.first)
            and (window.last is None or day <= window.last)
            and (not window.on or day in rules.calendars[window.on])
            and (not window.off or day not in rules.calendars[window.off])
        ):
            return True
    return False


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


CALENDARS = {
    "holidays": (datetime(2026, 12, 25, tzinfo=UTC).date(), datetime(2026, 10, 25, tzinfo=UTC).date())
}

times_of_day = st.sampled_from(("00:00", "02:00", "02:30", "03:00", "08:00", "18:00", "22:00"))

windows = st.builds(
    Window,
    days=st.lists(st.sampled_from(DAYS), max_size=4, unique=True).map(tuple),
    begin=times_of_day,
    end=times_of_day | st.just("24:00"),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe")),
    first=st.none() | st.just(datetime(2026, 3, 1, tzinfo=UTC).date()),
    last=st.none() | st.just(datetime(2026, 11, 30, tzinfo=UTC).date()),
    on=st.sampled_from(("", "", "holidays")),
    off=st.sampled_from(("", "", "holidays")),
)

_prefixes = st.sampled_from(
    ("", "4", "49", "+4930", "49301", "+491", "1", "+1425", "14165550123", "39", "+3906")
)

_routes = st.builds(
    Route,
    id=st.just("later"),
    kind=st.sampled_from(Kind),
    target=st.sampled_from(("alpha", "beta", "gamma", "nobody", BY_NUMBER)),
    prefixes=st.lists(_prefixes, max_size=3).map(tuple),
    pattern=st.none() | st.sampled_from((r"^\+49", r"30", r"\d{5}6$", r"^\+1(425|416)", r"7.*7")),
    priority=st.integers(0, 1),
    cost=st.sampled_from((0, 90, 100, 110)),
    currency=st.sampled_from((None, "EUR", "USD")),
    weight=st.integers(0, 3),
    windows=st.lists(windows, max_size=2).map(tuple),
    senders=st.sampled_from(((), (), ("+1425",), ("ACME", "+49"))),
    sender_countries=st.sampled_from(((), (), ("US",), ("DE", "CA"))),
    countries=st.sampled_from(((), (), ("DE",), ("CA", "IT"))),
    stop=st.booleans(),
    enabled=st.sampled_from((True, True, False)),
)


def _named(routes: list[Route]) -> RouteSet:
    from msgspec.structs import replace

    return RouteSet(
        exchange={"USD": 900_000},
        calendars=CALENDARS,
        routes=tuple(replace(each, id=f"r{place}") for place, each in enumerate(routes)),
    )


route_sets = st.lists(_routes, max_size=12).map(_named)

# Around the changes of the clock in Berlin, Los Angeles and Lord Howe, and any time of the year.
_edges = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 10, tzinfo=UTC),
    datetime(2026, 11, 1, 9, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
]
moments = st.builds(
    lambda moment, minutes: (round(moment.timestamp()) + minutes * 60) * 1_000_000,
    st.sampled_from(_edges),
    st.integers(-180, 180),
) | st.integers(1_767_225_600_000_000, 1_798_761_600_000_000)

questions = st.builds(
    Question,
    kind=st.sampled_from(Kind),
    number=st.sampled_from(NUMBERS).map(lambda text: cast("Any", text)),
    sender=st.sampled_from(("+14255550100", "+4930999999", "ACME", "12345", "+14165550100")),
    at=moments,
    seed=st.binary(max_size=16),
    own=st.sampled_from(("", "alpha", "gamma", "gone")),
    without=st.sampled_from(((), ("alpha",), ("beta", "gamma"))),
)
