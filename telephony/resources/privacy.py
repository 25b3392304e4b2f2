"""Forgetting a person: everything that tells of a telephone number, whichever plane keeps it.

Each plane states what it keeps as an `Eraser`: how to find it, a slice at a time, and the job that takes it
away. So a table of millions holds up nobody, and what a database that went away has left over is found by
asking again. Rows that other rows need stay, with `ERASED` in the number's place.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, delete, select, tuple_, update

from telephony.kernel.clock import Clock
from telephony.kernel.e164 import E164, shorten
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.store import Store
from telephony.kernel.store.jobs import Job
from telephony.kernel.store.schema import repeatability

log = structlog.get_logger(__name__)

ERASED: Final = "erased"
"""Stands where a number was."""

SLICE: Final = 500
"""Rows that are looked at, or changed, at once: some ten milliseconds of the writer."""

Key = tuple[Any, ...]
"""A primary key."""


@dataclass(frozen=True)
class Subject:
    """Whom to forget, and in which resource."""

    resource: ResourceId
    number: E164

    @cached_property
    def digits(self) -> str:
        """The number without its plus, as carriers spell it."""
        return self.number.removeprefix("+")

    def mentioned(self, content: str | bytes) -> bool:
        """Tell whether the number stands in a text, with or without its plus, and not inside a longer one."""
        if isinstance(content, bytes):
            return self.digits.encode() in content and self._in_bytes.search(content) is not None
        return self.digits in content and self._in_text.search(content) is not None

    def without(self, content: str | bytes) -> str | bytes:
        """Return a text with ERASED in the number's place."""
        if isinstance(content, bytes):
            return self._in_bytes.sub(ERASED.encode(), content)
        return self._in_text.sub(ERASED, content)

    def __repr__(self) -> str:
        return f"Subject({to_text(self.resource)}, {shorten(self.number)})"

    @cached_property
    def _in_text(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![0-9])\+?{self.digits}(?![0-9])", re.ASCII)

    @cached_property
    def _in_bytes(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?<![0-9])\+?" + self.digits.encode() + rb"(?![0-9])")


@dataclass(frozen=True, slots=True)
class Found:
    """A slice that was looked at."""

    keys: tuple[Key, ...]
    """What in it tells of the subject."""
    place: Key | None
    """Where to go on; None at the end."""


class Eraser(Protocol):
    """What a plane keeps of people, of one kind."""

    @property
    def what(self) -> str:
        """Its name in the report: `messages`."""
        ...

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """Return the query for the slice behind `after`; None: the first."""
        ...

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """Return the job that takes away what `find` found; it returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class TableEraser:
    """Rows of a table that mention the number somewhere in their contents: looked through from end to end.

    They are deleted, or with `rewrite` kept with ERASED in its place. Of a table with a column `resource`
    only the subject's resource's rows are looked at; one without it is a carrier's, and nobody else's.
    """

    what: str
    table: Table
    contents: tuple[Column[Any], ...]
    rewrite: bool = False

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser."""
        keys, row = list(self.table.primary_key), tuple_(*self.table.primary_key)
        query = select(*keys, *self.contents).order_by(*keys).limit(SLICE)
        if "resource" in self.table.c:
            query = query.where(self.table.c.resource == subject.resource)
        if after is not None:
            query = query.where(row > after)

        def run(tx: Connection) -> Found:
            rows = tx.execute(query).all()
            found = tuple(
                tuple(each[: len(keys)])
                for each in rows
                if any(content is not None and subject.mentioned(content) for content in each[len(keys) :])
            )
            return Found(found, tuple(rows[-1][: len(keys)]) if len(rows) == SLICE else None)

        return run

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        if not self.rewrite:
            return RemoveRows(self.table, tuple(keys))

        def change(tx: Connection) -> int:
            changed = 0
            for key in keys:
                row = tx.execute(select(*self.contents).where(*_at(self.table, key))).first()
                if row is None:  # somebody else removed it meanwhile
                    continue
                fresh = {
                    column.name: None if content is None else subject.without(content)
                    for column, content in zip(self.contents, row, strict=True)
                }
                changed += tx.execute(update(self.table).where(*_at(self.table, key)).values(fresh)).rowcount
            return changed

        return change


@dataclass(frozen=True, slots=True)
class RemoveRows:
    """Job: delete rows of a table by their keys; returns how many were there."""

    table: Table
    keys: tuple[Key, ...]

    def __call__(self, tx: Connection) -> int:
        """See the class. One statement for each: SQLite goes through the whole table for a list of keys that
        have more than one column."""
        names = [column.name for column in self.table.primary_key]
        statement = delete(self.table).where(
            *(self.table.c[name] == bindparam(f"at_{name}") for name in names)
        )
        values = [{f"at_{name}": value for name, value in zip(names, key, strict=True)} for key in self.keys]
        return tx.execute(statement, values).rowcount


def _at(table: Table, key: Key) -> tuple[ColumnElement[bool], ...]:
    return tuple(column == value for column, value in zip(table.primary_key, key, strict=True))


FIRST_ANSWERS: Final = TableEraser("firstAnswers", repeatability, (repeatability.c.response,), rewrite=True)
"""Answers that are given again to a repeated request: kept, for without them it would be sent twice."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was erased, and what was not."""

    erased: Mapping[str, int]
    """How many, by what."""
    kept: Mapping[str, int]
    """What stays for now or for a reason, by what."""
    named: Sequence[str] = ()
    """What is in force and names the number, a line each: only whoever wrote it can say what shall hold."""


Named = Callable[[Subject], Callable[[Connection], Sequence[str]]]
"""Returns the query for what of a plane's configuration names a subject; the lines do not."""

Kept = Callable[[Subject], Callable[[Connection], Mapping[str, int]]]
"""Returns the query for what a plane keeps of a subject: messages on their way, opt-outs."""


class PrivacyVerbs:
    """Erases. One at a time: each goes through whole tables."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        erasers: Sequence[Eraser],
        kept: Sequence[Kept] = (),
        named: Sequence[Named] = (),
    ) -> None:
        self._store, self._clock = store, clock
        self._erasers, self._kept, self._named = tuple(erasers), tuple(kept), tuple(named)
        self._turn = asyncio.Lock()

    async def erase(self, resource: ResourceId, number: E164) -> Report:
        """Erase what tells of `number` in a resource. Raises Unavailable; then ask again for the rest."""
        subject = Subject(resource, number)
        async with self._turn:
            erased = {each.what: await self._all(each, subject) for each in self._erasers}
            kept: dict[str, int] = {}
            for query in self._kept:
                kept |= await self._store.read(query(subject))
            named = [line for each in self._named for line in await self._store.read(each(subject))]
        log.info("privacy.erased", resource=to_text(resource), number=number, **erased)
        return Report(erased, kept, named)

    async def _all(self, eraser: Eraser, subject: Subject) -> int:
        count, place = 0, None
        while True:
            found = await self._store.read(eraser.find(subject, place))
            if found.keys:
                count += await self._store.write(eraser.erase(subject, found.keys, self._clock.now()))
            if found.place is None:
                return count
            place = found.place
