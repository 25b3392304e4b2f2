"""What messages keep of people, and how it is taken away.

A message that is over stays as a record of traffic: who of ours it was from or to, when, in how many parts,
at what price; the other party's number, the text, the application's tag and whatever else mentions the number
go. One that is not over is left as it is: it could be neither sent nor reported. Opt-outs stay: a person who
was forgotten shall not be written to again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_, update

from sms.esme.tables import outbox
from sms.inward.tables import forwards
from sms.message import KIND
from sms.optouts.tables import automatic_replies, opt_outs
from sms.store.finish import decode_detail
from sms.store.inbound_tables import inbound_parts
from sms.store.tables import early_receipts, parked_receipts
from telephony.kernel.store.jobs import Job
from telephony.kernel.store.schema import bodies, interactions, timeline
from telephony.numbers.store import numbers
from telephony.resources.privacy import ERASED, SLICE, Eraser, Found, Key, RemoveRows, Subject, TableEraser

_i: Final = interactions.c


class MessageEraser:
    """Messages that are over, in both directions. An `Eraser`."""

    what: ClassVar = "messages"

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser; goes by the index on the other party."""
        query = select(_i.id).where(*_of(subject), _i.ended.is_not(None)).order_by(_i.id).limit(SLICE)
        if after is not None:
            query = query.where(_i.id > after[0])

        def run(tx: Connection) -> Found:
            found = tuple((bytes(each),) for each in tx.scalars(query))
            return Found(found, found[-1] if len(found) == SLICE else None)

        return run

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        return EraseMessages(subject, tuple(key[0] for key in keys), now)


@dataclass(frozen=True, slots=True)
class EraseMessages:
    """Job: take what tells of the subject out of messages that are over; returns how many."""

    subject: Subject
    ids: tuple[bytes, ...]
    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        resource = self.subject.resource
        over = (*_of(self.subject), _i.id.in_(self.ids), _i.ended.is_not(None))
        # One that was sent again since it was found is not over any more.
        rows = tx.execute(select(_i.id, _i.detail).where(*over)).all()
        if not rows:
            return 0
        ids = [bytes(row.id) for row in rows]
        values = [{"at_id": row.id, "detail": _untagged(row.detail)} for row in rows]
        statement = (
            update(interactions)
            .where(_i.resource == resource, _i.id == bindparam("at_id"))
            .values(peer=ERASED, version=_i.version + 1, updated=self.now, detail=bindparam("detail"))
        )
        tx.execute(statement, values)
        tx.execute(delete(bodies).where(bodies.c.resource == resource, bodies.c.interaction.in_(ids)))
        self._clean_timeline(tx, ids)
        return len(ids)

    def _clean_timeline(self, tx: Connection, ids: Sequence[bytes]) -> None:
        column = timeline.c
        entries = select(column.interaction, column.at, column.seq, column.data).where(
            column.resource == self.subject.resource, column.interaction.in_(ids), column.data.is_not(None)
        )
        values = [
            {
                "at_interaction": entry.interaction,
                "at_at": entry.at,
                "at_seq": entry.seq,
                "data": self.subject.without(_unwritten(entry.data)),
            }
            for entry in tx.execute(entries)
            if self.subject.mentioned(entry.data) or WRITTEN in entry.data
        ]
        if values:
            statement = (
                update(timeline)
                .where(
                    column.resource == self.subject.resource,
                    column.interaction == bindparam("at_interaction"),
                    column.at == bindparam("at_at"),
                    column.seq == bindparam("at_seq"),
                )
                .values(data=bindparam("data"))
            )
            tx.execute(statement, values)


@dataclass(frozen=True, slots=True)
class InboundPartEraser:
    """Parts of texts that wait for each other, or are kept to know repetitions. An `Eraser`.

    They are a carrier's; they belong to whoever owns the number that they were sent to.
    """

    what: str = "inboundParts"
    columns: tuple[Any, ...] = field(default_factory=lambda: tuple(inbound_parts.primary_key))

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser."""
        own = select(numbers.c.number).where(numbers.c.resource == subject.resource)
        peers = (subject.number, subject.digits)
        query = (
            select(*self.columns)
            .where(inbound_parts.c.peer.in_(peers), inbound_parts.c.own.in_(own))
            .order_by(*self.columns)
            .limit(SLICE)
        )
        if after is not None:
            query = query.where(tuple_(*self.columns) > after)

        def run(tx: Connection) -> Found:
            found = tuple(tuple(row) for row in tx.execute(query))
            return Found(found, found[-1] if len(found) == SLICE else None)

        return run

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        return RemoveRows(inbound_parts, tuple(keys))


class ReplyCountEraser:
    """How often the person was answered automatically. An `Eraser`."""

    what: ClassVar = "automaticReplies"

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser."""
        column = automatic_replies.c
        query = select(column.own).where(column.resource == subject.resource, column.peer == subject.number)
        return lambda tx: Found(tuple((own,) for own in tx.scalars(query)), None)

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        column = automatic_replies.c
        statement = delete(automatic_replies).where(
            column.resource == subject.resource, column.peer == subject.number
        )
        return lambda tx: tx.execute(statement).rowcount


ERASERS: Final[tuple[Eraser, ...]] = (
    MessageEraser(),
    InboundPartEraser(),
    ReplyCountEraser(),
    TableEraser("forwards", forwards, (forwards.c.peer, forwards.c.target, forwards.c.stops)),
    TableEraser("smppDeliveries", outbox, (outbox.c.content,)),
    TableEraser("receipts", early_receipts, (early_receipts.c.receipt,), rewrite=True),
    TableEraser("parkedReceipts", parked_receipts, (parked_receipts.c.receipt,), rewrite=True),
)
"""Everything that messages keep of people. Of receipts that belong to nothing yet only the addresses go."""


def kept(subject: Subject) -> Callable[[Connection], Mapping[str, int]]:
    """Return the query for what stays: messages that are not over, and opt-outs."""
    waiting = select(func.count()).where(*_of(subject), _i.ended.is_(None))
    opted = select(func.count()).where(
        and_(opt_outs.c.resource == subject.resource, opt_outs.c.peer == subject.number)
    )
    return lambda tx: {
        "messagesNotOver": tx.scalar(waiting) or 0,
        "optOuts": tx.scalar(opted) or 0,
    }


WRITTEN: Final = '"written":'
"""Where a timeline has numbers as a carrier spelled them: no search for the number finds those."""


def _unwritten(data: str) -> str:
    if WRITTEN not in data:
        return data
    found = msgspec.json.decode(data, type=dict[str, Any])
    found.pop("written", None)
    return msgspec.json.encode(found).decode()


def _untagged(detail: bytes) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(decode_detail(detail), tag=None))


def _of(subject: Subject) -> tuple[Any, ...]:
    return (_i.resource == subject.resource, _i.peer == subject.number, _i.kind == KIND)
