"""Looking calls up, live and past."""

from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct, field
from sqlalchemy import Connection, Row, select

from telephony.calling.calls import Call
from telephony.calling.record import KIND, CallDetail, LegRecord, read_detail
from telephony.kernel.clock import SECOND, to_iso
from telephony.kernel.ids import InteractionId, ResourceId, to_text
from telephony.kernel.money import Money
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import read_timeline

MAX_FOUND: Final = 500
"""Calls a search returns at once."""

_i: Final = interactions.c


class CauseView(Struct, frozen=True, rename="camel"):
    """Why a call or a leg ended."""

    sip: int
    """SIP status; 200: it was up, and somebody hung up."""
    q850: int
    """Cause of Q.850."""
    text: str


class CallSummary(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A call in a list."""

    call_id: str
    resource: str
    direction: str
    from_: str = field(name="from")
    to: str
    state: str
    live: bool
    created: str
    carrier: str = ""
    rule: str = ""
    target: str = ""
    setup_ms: int | None = None
    """From its beginning to the answer."""
    answered: str | None = None
    ended: str | None = None
    duration_ms: int | None = None
    """From the answer to the end, or to now."""
    cause: CauseView | None = None
    ended_by: str = ""
    emergency: bool = False
    price: str | None = None
    """With its currency."""


class LegView(Struct, frozen=True, rename="camel", omit_defaults=True):
    """One party of a call."""

    leg: str
    side: str
    """`in`: it came; `out`: we dialled it."""
    trunk: str
    number: str
    state: str
    started: str
    ring_ms: int | None = None
    """From its beginning until it rang."""
    setup_ms: int | None = None
    """From its beginning to the answer."""
    duration_ms: int | None = None
    cause: CauseView | None = None
    codec: str = ""
    lost: int = 0
    """Packets that did not come."""
    received: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    mos: float | None = None


class TimelineEntry(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something that happened to the call."""

    at: str
    source: str
    kind: str
    data: Any = None


class CallView(Struct, frozen=True, rename="camel"):
    """A call, whole."""

    call: CallSummary
    legs: tuple[LegView, ...]
    timeline: tuple[TimelineEntry, ...]


class CallList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of calls, newest first."""

    value: tuple[CallSummary, ...]
    next_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCalls:
    """A query for calls, newest first. Every condition may be left out but the resource."""

    resource: ResourceId
    now: int
    peer: str | None = None
    own: str | None = None
    direction: str | None = None
    state: str | None = None
    live: bool | None = None
    before: InteractionId | None = None
    limit: int = 50

    def __call__(self, tx: Connection) -> list[CallSummary]:
        """Return the calls."""
        query = (
            select(interactions)
            .where(_i.resource == self.resource, _i.kind == KIND)
            .order_by(_i.id.desc())
            .limit(min(self.limit, MAX_FOUND))
        )
        for column, value in (
            (_i.peer, self.peer),
            (_i.own, self.own),
            (_i.direction, self.direction),
            (_i.state, self.state),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.live is not None:
            query = query.where(_i.ended.is_(None) if self.live else _i.ended.is_not(None))
        if self.before is not None:
            query = query.where(_i.id < self.before)
        return [_summary(row, read_detail(bytes(row.detail)), self.now) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class FindCall:
    """A query for one call of a resource."""

    resource: ResourceId
    id: InteractionId
    now: int

    def __call__(self, tx: Connection) -> CallView | None:
        """Return the call with its legs and its timeline, or None."""
        row = tx.execute(
            select(interactions).where(_i.resource == self.resource, _i.id == self.id, _i.kind == KIND)
        ).first()
        if row is None:
            return None
        detail = read_detail(bytes(row.detail))
        return CallView(
            _summary(row, detail, self.now),
            tuple(_leg(leg) for leg in detail.legs),
            tuple(
                TimelineEntry(to_iso(entry.at), entry.source, entry.kind, entry.data)
                for entry in read_timeline(self.resource, self.id)(tx)
            ),
        )


def placed_view(call: Call) -> CallSummary:
    """Return a call that was just placed."""
    return CallSummary(
        call_id=to_text(call.id),
        resource=to_text(call.resource),
        direction=call.direction,
        from_=call.own,
        to=call.peer,
        state=call.state.value,
        live=call.ended is None,
        created=to_iso(call.created),
        emergency=call.emergency,
    )


def _summary(row: Row[Any], detail: CallDetail, now: int) -> CallSummary:
    outbound = row.direction == "outbound"
    until = now if row.ended is None else row.ended
    return CallSummary(
        call_id=to_text(row.id),
        resource=to_text(row.resource),
        direction=row.direction,
        from_=row.own if outbound else row.peer,
        to=row.peer if outbound else row.own,
        state=row.state,
        live=row.ended is None,
        created=to_iso(row.created),
        carrier=row.carrier or "",
        rule=detail.rule,
        target=detail.target,
        setup_ms=None if detail.answered is None else (detail.answered - row.created) // 1000,
        answered=None if detail.answered is None else to_iso(detail.answered),
        ended=None if row.ended is None else to_iso(row.ended),
        duration_ms=_duration(row, detail, until),
        cause=None
        if detail.cause is None
        else CauseView(detail.cause.sip, detail.cause.q850, detail.cause.text),
        ended_by=detail.ended_by,
        emergency=detail.emergency,
        price=None if row.price is None else str(Money(row.price, row.currency)),
    )


def _duration(row: Row[Any], detail: CallDetail, until: int) -> int | None:
    """Return how long a call was up: its main leg's own measure, which no clock that was set has changed."""
    if detail.answered is None:
        return None
    main = next((leg for leg in detail.legs if leg.name == detail.main), None)
    if row.ended is not None and main is not None and main.length:
        return main.length // 1000
    return max(0, until - detail.answered) * 1000 // SECOND


def _leg(leg: LegRecord) -> LegView:
    quality = leg.quality
    return LegView(
        leg=leg.name,
        side="in" if leg.came else "out",
        trunk=f"{leg.carrier}/{leg.trunk}",
        number=leg.number,
        state=leg.state.value,
        started=to_iso(leg.started),
        ring_ms=None if leg.rang is None else (leg.rang - leg.started) // 1000,
        setup_ms=None if leg.answered is None else (leg.answered - leg.started) // 1000,
        duration_ms=leg.length // 1000 if leg.length else None,
        cause=None if leg.cause is None else CauseView(leg.cause.sip, leg.cause.q850, leg.cause.text),
        codec=leg.codec,
        lost=quality.lost,
        received=quality.received,
        jitter_ms=quality.jitter_ms,
        round_trip_ms=quality.round_trip_ms,
        mos=quality.mos,
    )
