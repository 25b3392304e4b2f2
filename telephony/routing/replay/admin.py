"""Administration of replays: one operation, which changes nothing."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from telephony.kernel.clock import from_iso, to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.route import Auth, Reply, Request, Role, Route
from telephony.kernel.ids import ResourceId, to_text
from telephony.resources.known import known_resource
from telephony.routing.decide import Tried
from telephony.routing.overlaps import Oddity
from telephony.routing.replay.compare import Basis, Effect, Past, Rules, Way, reasons
from telephony.routing.replay.draft import Draft
from telephony.routing.replay.tally import Group, Sum
from telephony.routing.replay.verbs import Replay, Replayed
from telephony.routing.rules import Kind

PATH: Final = "/admin/replay"

MAX_DRAFT: Final = 64 * 1024 * 1024
"""Bytes of a request: two million prefixes are 25 MB, half a million rates as much."""

MAX_EXAMPLES: Final = 100
"""Changes that are shown with an example: each is decided twice more, with its reasons."""

SHOWN_REASONS: Final = 25
"""Routes of an example; behind them they are only counted."""


class ReplayRequest(Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """What is to be replayed, and by what."""

    draft: Draft
    since: str | None = None
    """ISO 8601 with a zone; unset: yesterday's first moment, UTC."""
    until: str | None = None
    """The first moment after it; unset: a day later."""
    resource: str | None = None
    """Whose calls and texts; unset: everybody's."""
    kind: Kind | None = None
    """Unset: calls and texts."""
    examples: Annotated[int, Meta(ge=0, le=MAX_EXAMPLES)] = 10
    """How many changes are shown with an example."""


class ChangeView(Struct, frozen=True):
    """What happens to some interactions alike."""

    direction: Literal["out", "in"]
    kind: Kind
    effect: Effect
    before: Way
    after: Way
    count: int


class SumView(Struct, frozen=True):
    """What some interactions come to."""

    count: int
    micros: int
    """10⁻⁶ units."""


class CostView(Struct, frozen=True):
    """What goes by a carrier comes to, before and after."""

    carrier: str
    basis: Basis
    """What the route says, what the carrier's rate sheet says, or what the resources pay."""
    currency: str
    before: SumView
    after: SumView


class ReasonsView(Struct, frozen=True, omit_defaults=True):
    """What was looked at."""

    tried: tuple[Tried, ...]
    more: int = 0


class ExampleView(Struct, frozen=True, rename={"from_": "from"}):
    """One interaction, and why it goes where it goes."""

    id: str
    resource: str
    kind: Kind
    direction: Literal["out", "in"]
    from_: str
    to: str
    at: str
    effect: Effect
    before: Way
    after: Way
    before_reasons: ReasonsView = field(name="beforeReasons")
    after_reasons: ReasonsView = field(name="afterReasons")


class ReplayReply(
    Struct, frozen=True, rename={"since": "from", "until": "to", "unused_sheets": "unusedSheets"}
):
    """What would change. Nothing has."""

    since: str
    until: str
    looked: int
    """Calls and texts that were decided twice."""
    complete: bool
    """False: there were more than one replay takes; ask for less at once."""
    effects: dict[Effect, int]
    """How many of each; those that are not there are none."""
    changes: tuple[ChangeView, ...]
    """The most frequent first."""
    more: int
    """Changes of further kinds, which were only counted."""
    costs: tuple[CostView, ...]
    unmeasured: int
    """Of what goes out: how many have no known length, and so no cost here."""
    examples: tuple[ExampleView, ...]
    warnings: tuple[Oddity, ...]
    """What is odd about the draft."""
    unused_sheets: tuple[str, ...]
    """Rate sheets of the draft by which nobody was charged here."""


def routes(replay: Replay, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the operation; `knows` tells which resources exist."""

    async def replayed(request: Request[ReplayRequest]) -> Reply:
        body = request.body
        done = await replay(
            body.draft,
            since=_time(body.since, "from"),
            until=_time(body.until, "to"),
            resource=None if body.resource is None else known_resource(body.resource, knows),
            kind=body.kind,
        )
        return Reply(200, _shown(done, body.examples))

    return [
        Route(
            "admin.replay",
            "POST",
            PATH,
            replayed,
            Auth.ADMIN,
            body=ReplayRequest,
            max_body=MAX_DRAFT,
            roles=(Role.OWNER, Role.OPERATOR, Role.BILLING),
            audited=False,
            summary="What a draft of routes and rates would have changed for past calls and texts",
            reply=ReplayReply,
        )
    ]


def _shown(done: Replayed, examples: int) -> ReplayReply:
    tally = done.tally
    frequent = tally.groups.most_common()
    return ReplayReply(
        to_iso(done.period.since),
        to_iso(done.period.until),
        tally.looked,
        done.complete,
        {effect: tally.effects[effect] for effect in Effect if tally.effects[effect]},
        tuple(_change(group, count) for group, count in frequent),
        tally.more,
        tuple(
            CostView(carrier, basis, currency, _sum(before), _sum(after))
            for (carrier, basis, currency), (before, after) in sorted(tally.sums.items())
        ),
        tally.unmeasured,
        tuple(_example(group, tally.examples[group], done) for group, _ in frequent[:examples]),
        done.warnings,
        done.unused,
    )


def _change(group: Group, count: int) -> ChangeView:
    return ChangeView(
        "in" if group.inbound else "out", group.kind, group.effect, group.before, group.after, count
    )


def _sum(found: Sum) -> SumView:
    return SumView(found.count, found.micros)


def _example(group: Group, past: Past, done: Replayed) -> ExampleView:
    return ExampleView(
        to_text(past.id),
        to_text(past.resource),
        past.kind,
        "in" if past.inbound else "out",
        past.peer if past.inbound else past.own,
        past.own if past.inbound else past.peer,
        to_iso(past.at),
        group.effect,
        group.before,
        group.after,
        _reasons(done.before, past),
        _reasons(done.after, past),
    )


def _reasons(rules: Rules, past: Past) -> ReasonsView:
    tried, more = reasons(rules, past)
    return ReasonsView(tried[:SHOWN_REASONS], more + max(0, len(tried) - SHOWN_REASONS))


def _time(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    at = from_iso(text)
    if at is None:
        raise InvalidRequest(f"{name}: It is no ISO 8601 time with a zone.", target=name)
    return at
