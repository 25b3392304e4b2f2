"""Looking messages up."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select

from sms.extension import TandemMessage, shown
from sms.message import KIND, SmsDetail, wire_id
from sms.store.tables import parts
from sms.text import Alphabet
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import InteractionId, ResourceId, to_text
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import read_timeline

MAX_FOUND: Final = 500
"""Messages a search returns at once."""


class MessageSummary(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A message in a list."""

    message_id: str
    resource: str
    direction: str
    from_: str = msgspec.field(name="from")
    to: str
    state: str
    version: int
    segments: int
    alphabet: str
    carrier: str
    created: str
    updated: str
    tag: str | None = None
    tandem: TandemMessage | None = None
    """What it has beyond ACS's fields."""


class PartSummary(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part that the carrier took."""

    part: int
    link: str
    remote_id: str
    state: str
    submitted: str
    reported: str | None = None
    report: str | None = None
    """What the carrier's receipt said."""


class TimelineEntry(Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something that happened to the message."""

    at: str
    source: str
    kind: str
    data: Any = None


class MessageView(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A message, whole."""

    message: MessageSummary
    parts: tuple[PartSummary, ...]
    timeline: tuple[TimelineEntry, ...]
    text: str | None = None
    """None when it has expired; octets that are no text are spelled in hexadecimal."""


class MessageList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of messages, newest first."""

    value: tuple[MessageSummary, ...]
    next_link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A query for messages, newest first. Every condition may be left out but the resource."""

    resource: ResourceId
    peer: str | None = None
    own: str | None = None
    direction: str | None = None
    state: str | None = None
    before: InteractionId | None = None
    limit: int = 50

    def __call__(self, tx: Connection) -> list[MessageSummary]:
        """Return the messages."""
        table = interactions.c
        query = (
            select(interactions)
            .where(table.resource == self.resource, table.kind == KIND)
            .order_by(table.id.desc())
            .limit(min(self.limit, MAX_FOUND))
        )
        for column, value in (
            (table.peer, self.peer),
            (table.own, self.own),
            (table.direction, self.direction),
            (table.state, self.state),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.before is not None:
            query = query.where(table.id < self.before)
        return [_summary(row) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class Find:
    """A query for one message of a resource."""

    resource: ResourceId
    id: InteractionId

    def __call__(self, tx: Connection) -> MessageView | None:
        """Return the message with its parts and timeline, or None."""
        table = interactions.c
        row = tx.execute(
            select(interactions).where(
                table.resource == self.resource, table.id == self.id, table.kind == KIND
            )
        ).first()
        if row is None:
            return None
        body = tx.execute(
            select(bodies.c.body).where(bodies.c.resource == self.resource, bodies.c.interaction == self.id)
        ).scalar()
        where = (parts.c.resource == self.resource, parts.c.message == self.id)
        message = _summary(row)
        return MessageView(
            message=message,
            parts=tuple(
                _part(part) for part in tx.execute(select(parts).where(*where).order_by(parts.c.part))
            ),
            timeline=tuple(
                TimelineEntry(to_iso(entry.at), entry.source, entry.kind, entry.data)
                for entry in read_timeline(self.resource, self.id)(tx)
            ),
            text=None if body is None else _text(body, message.alphabet),
        )


def _summary(row: Row[Any]) -> MessageSummary:
    detail = msgspec.json.decode(row.detail, type=SmsDetail)
    outbound = row.direction == "outbound"
    return MessageSummary(
        message_id=wire_id(row.id, row.direction),
        resource=to_text(row.resource),
        direction=row.direction,
        from_=row.own if outbound else row.peer,
        to=row.peer if outbound else row.own,
        state=row.state,
        version=row.version,
        segments=detail.segments,
        alphabet=detail.alphabet,
        carrier=row.carrier,
        created=to_iso(row.created),
        updated=to_iso(row.updated),
        tag=detail.tag,
        tandem=shown(detail.extras, detail.priority),
    )


def _part(row: Row[Any]) -> PartSummary:
    return PartSummary(
        row.part,
        row.link,
        row.remote_id,
        row.state,
        to_iso(row.submitted),
        None if row.reported is None else to_iso(row.reported),
        row.report,
    )


def _text(body: bytes, alphabet: str) -> str:
    return body.hex() if alphabet == Alphabet.BINARY.value else body.decode()
