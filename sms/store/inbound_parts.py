"""Parts of inbound texts in the store: taken, joined, and delivered as far as they came when time is over.

SQLite has one writer. On PostgreSQL several gateways may keep parts of one text at the same time, and each
has to see the other's: whoever keeps parts holds a lock of their sender and number until its commit, and
nobody waits for another sender's. Jobs that keep parts stand first in their group and take all their locks
at once and in order; the sweep leaves alone what is locked. So no gateway waits for one that waits for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, delete, func, select, tuple_

from sms.message import Extras
from sms.reassembly import (
    Assembled,
    Group,
    PartKey,
    PartRow,
    ReassemblySettings,
    assemble,
    overflow,
    receive,
)
from sms.store.inbound_tables import inbound_parts
from sms.text import Alphabet, Shift
from telephony.kernel.clock import SECOND
from telephony.kernel.store.bulk import insert_rows

SLICE: Final = 200
"""Texts a job: the rest comes with the next."""

_LOCKS: Final = 0x50_41_52_54
"""The first half of the advisory locks' keys on PostgreSQL: "PART"; the second is a sender's hash. Two
senders with one hash wait for each other, which costs nothing but that."""

_LOCK: Final = f"SELECT pg_advisory_xact_lock({_LOCKS}, each) FROM unnest(%s::int[]) each"  # noqa: S608 - ours
_TRY: Final = f"SELECT each, pg_try_advisory_xact_lock({_LOCKS}, each) FROM unnest(%s::int[]) each"  # noqa: S608

_extras: Final = msgspec.json.Decoder(Extras).decode

_T = inbound_parts.c
_KEY: Final = (_T.carrier, _T.own, _T.peer, _T.kind, _T.reference, _T.total)


class Arrival(NamedTuple):
    """When and how a part came."""

    number: int
    link: str
    at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """A text made of parts, and how they came."""

    text: Assembled
    arrivals: tuple[Arrival, ...]


class _Kept(NamedTuple):
    row: PartRow
    link: str


class Parts:
    """The parts that a job works on, read when they are needed and written at its end."""

    def __init__(self, tx: Connection, seconds: int) -> None:
        """`seconds` is how long the next part is waited for."""
        self._tx = tx
        self._seconds = seconds
        self._rows: dict[PartKey, list[_Kept]] = {}

    def take(self, part: PartRow, link: str) -> list[Joined]:
        """Take a part; return the texts that are to be delivered now."""
        kept = self._of(part.key)
        step = receive(part, [each.row for each in kept], self._seconds)
        texts = list(step.texts)
        whole = texts.pop() if step.delivered else None
        joined = [_joined(text, kept) for text in texts]  # what there was of an earlier text
        if step.forget:
            kept = []
        if step.keep:
            kept = [*kept, _Kept(part, link)]
        if whole is not None:
            joined.append(_joined(whole, kept))
            kept = [_delivered(each) for each in kept]
        self._rows[part.key] = kept
        return joined

    def give_up(self, key: PartKey) -> Joined:
        """Return what there is of a text, whose parts count as delivered from now on."""
        kept = self._of(key)
        joined = _joined(assemble(each.row for each in kept), kept)
        self._rows[key] = [_delivered(each) for each in kept]
        return joined

    def write(self) -> None:
        """Write what has become of the parts."""
        rows: list[tuple[object, ...]] = []
        for key, kept in self._rows.items():
            self._tx.execute(delete(inbound_parts).where(_is(key)))
            due = max((each.row.at for each in kept), default=0) + self._seconds * SECOND
            rows += [_values(each, due) for each in kept]
        insert_rows(self._tx, inbound_parts, rows)

    def _of(self, key: PartKey) -> list[_Kept]:
        kept = self._rows.get(key)
        if kept is None:
            found = self._tx.execute(select(inbound_parts).where(_is(key)))
            kept = self._rows[key] = [_read(key, row) for row in found]
        return kept


def lock_senders(tx: Connection, keys: Iterable[PartKey]) -> None:
    """Keep other gateways from keeping parts of the same senders until this transaction's end."""
    if tx.dialect.name == "postgresql":
        hashes = sorted({_hash(key) for key in keys})
        if hashes:
            tx.exec_driver_sql(_LOCK, (hashes,))


def lock_free(tx: Connection, keys: Sequence[PartKey]) -> list[PartKey]:
    """Lock as `lock_senders` does, but wait for nobody: return those of `keys` that nobody else works on."""
    if tx.dialect.name != "postgresql" or not keys:
        return list(keys)
    rows = tx.exec_driver_sql(_TRY, (sorted({_hash(key) for key in keys}),))
    free = {found for found, locked in rows if locked}
    return [key for key in keys if _hash(key) in free]


def _hash(key: PartKey) -> int:
    sender = "\0".join((key.carrier, key.own, key.peer)).encode()
    return int.from_bytes(blake2b(sender, digest_size=4).digest(), "big", signed=True)


def drop_delivered(tx: Connection, now: int) -> None:
    """Forget parts whose text has been out for long enough that they do not come again."""
    old = and_(_T.due <= now, _T.delivered == 1)
    if tx.dialect.name == "postgresql":  # what another gateway works on goes the next time
        columns = inbound_parts.primary_key.columns
        unlocked = select(*columns).where(old).with_for_update(skip_locked=True)
        old = tuple_(*columns).in_(unlocked)
    tx.execute(delete(inbound_parts).where(old))


def due_texts(tx: Connection, now: int) -> list[PartKey]:
    """Return texts whose next part has been waited for long enough."""
    found = tx.execute(
        select(*_KEY).where(_T.due <= now, _T.delivered == 0).group_by(*_KEY).order_by(*_KEY).limit(SLICE)
    )
    return [PartKey(*row) for row in found]


def too_many(tx: Connection, settings: ReassemblySettings) -> list[PartKey]:
    """Return the texts to deliver as they are because more parts wait than may."""
    waiting = tx.execute(select(func.count()).where(_T.delivered == 0)).scalar_one()
    if waiting <= settings.parts_per_sender and waiting <= settings.parts:
        return []
    found = tx.execute(select(*_KEY, func.count(), func.max(_T.at)).where(_T.delivered == 0).group_by(*_KEY))
    groups = [Group(PartKey(*row[:-2]), row[-2], row[-1]) for row in found]
    return overflow(groups, per_sender=settings.parts_per_sender, overall=settings.parts)


def any_parts(tx: Connection) -> bool:
    """Tell whether there are parts at all."""
    return tx.execute(select(_T.number).limit(1)).first() is not None


def _joined(text: Assembled, kept: Sequence[_Kept]) -> Joined:
    arrivals = sorted((Arrival(each.row.number, each.link, each.row.at) for each in kept), key=_came)
    return Joined(text, tuple(arrivals))


def _came(arrival: Arrival) -> tuple[int, int]:
    return arrival.at, arrival.number


def _delivered(kept: _Kept) -> _Kept:
    return _Kept(kept.row._replace(delivered=True), kept.link)


def _is(key: PartKey) -> Any:  # noqa: ANN401 - a condition
    return and_(*(column == value for column, value in zip(_KEY, key, strict=True)))


def _read(key: PartKey, row: Any) -> _Kept:  # noqa: ANN401 - a row
    shift = Shift(row.locking, row.single)
    extras = None if row.extras is None else _extras(row.extras)
    part = PartRow(
        key, row.number, row.body, Alphabet(row.alphabet), shift, row.at, bool(row.delivered), extras
    )
    return _Kept(part, row.link)


def _values(kept: _Kept, due: int) -> tuple[object, ...]:
    row = kept.row
    return (
        *row.key,
        row.number,
        kept.link,
        row.body,
        row.alphabet.value,
        row.shift.locking,
        row.shift.single,
        row.at,
        int(row.delivered),
        due,
        None if row.extras is None else msgspec.json.encode(row.extras),
    )
