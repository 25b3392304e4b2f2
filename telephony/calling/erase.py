"""What calls keep of people, and how it is taken away.

A call that is over stays as a record of traffic: which number of ours, when, how long, at what price. The
other party's number, what it calls itself, and whatever else mentions it go. One that is not over stays.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from telephony.calling.record import KIND, CallDetail, read_detail
from telephony.kernel.store.jobs import Job
from telephony.kernel.store.schema import interactions, timeline
from telephony.resources.privacy import ERASED, SLICE, Found, Key, Subject

_i: Final = interactions.c
_t: Final = timeline.c


class CallEraser:
    """Calls that are over, in both directions. An `Eraser`.

    Somebody a call was passed on to stands in its detail alone: so all are looked through.
    """

    what: ClassVar = "calls"

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser."""
        query = (
            select(_i.id, _i.peer, _i.detail)
            .where(_i.resource == subject.resource, _i.kind == KIND, _i.ended.is_not(None))
            .order_by(_i.id)
            .limit(SLICE)
        )
        if after is not None:
            query = query.where(_i.id > after[0])

        def run(tx: Connection) -> Found:
            rows = tx.execute(query).all()
            found = tuple(
                (bytes(row.id),)
                for row in rows
                if row.peer == subject.number or subject.mentioned(bytes(row.detail))
            )
            return Found(found, (bytes(rows[-1].id),) if len(rows) == SLICE else None)

        return run

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        return EraseCalls(subject, tuple(key[0] for key in keys), now)


@dataclass(frozen=True, slots=True)
class EraseCalls:
    """Job: take what tells of the subject out of calls that are over; returns how many."""

    subject: Subject
    ids: tuple[bytes, ...]
    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        resource = self.subject.resource
        over = (
            _i.resource == resource,
            _i.id.in_(self.ids),
            _i.kind == KIND,
            _i.ended.is_not(None),
        )
        rows = tx.execute(select(_i.id, _i.peer, _i.detail).where(*over)).all()
        if not rows:
            return 0
        values = [
            {
                "at_id": row.id,
                "fresh_peer": ERASED if row.peer == self.subject.number else row.peer,
                "fresh_detail": self._without(
                    read_detail(bytes(row.detail)), peer=row.peer == self.subject.number
                ),
            }
            for row in rows
        ]
        tx.execute(
            update(interactions)
            .where(_i.resource == resource, _i.id == bindparam("at_id"))
            .values(
                peer=bindparam("fresh_peer"),
                detail=bindparam("fresh_detail"),
                version=_i.version + 1,
                updated=self.now,
            ),
            values,
        )
        self._clean_timeline(tx, [bytes(row.id) for row in rows])
        return len(rows)

    def _without(self, detail: CallDetail, *, peer: bool) -> bytes:
        fresh = msgspec.structs.replace(detail, display="") if peer else detail
        cleaned = self.subject.without(msgspec.json.encode(fresh))
        assert isinstance(cleaned, bytes)
        return cleaned

    def _clean_timeline(self, tx: Connection, ids: Sequence[bytes]) -> None:
        entries = select(_t.interaction, _t.at, _t.seq, _t.data).where(
            _t.resource == self.subject.resource, _t.interaction.in_(ids), _t.data.is_not(None)
        )
        values = [
            {
                "at_interaction": entry.interaction,
                "at_at": entry.at,
                "at_seq": entry.seq,
                "fresh": self.subject.without(entry.data),
            }
            for entry in tx.execute(entries)
            if self.subject.mentioned(entry.data)
        ]
        if values:
            tx.execute(
                update(timeline)
                .where(
                    _t.resource == self.subject.resource,
                    _t.interaction == bindparam("at_interaction"),
                    _t.at == bindparam("at_at"),
                    _t.seq == bindparam("at_seq"),
                )
                .values(data=bindparam("fresh")),
                values,
            )


ERASERS: Final = (CallEraser(),)
"""Everything that calls keep of people."""


def kept(subject: Subject) -> Callable[[Connection], Mapping[str, int]]:
    """Return the query for what stays: calls that are not over."""
    query = select(func.count()).where(
        _i.resource == subject.resource,
        _i.peer == subject.number,
        _i.kind == KIND,
        _i.ended.is_(None),
    )
    return lambda tx: {"callsNotOver": tx.scalar(query) or 0}
