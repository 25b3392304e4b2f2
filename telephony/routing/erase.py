"""What routes tell of people, and what becomes of it: old versions lose it, what is in force is told.

A rule in force that names somebody was written by somebody who wants it: to let in, or to send texts on.
Nobody but its writer can say what shall hold instead, so it stays and is named in the answer. `/sip` has no
old versions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
from sqlalchemy import Connection, func, select, tuple_, update

from telephony.kernel.ids import ResourceId
from telephony.kernel.store.jobs import Job
from telephony.resources.privacy import Found, Key, Subject
from telephony.routing.directory import OPERATOR
from telephony.routing.sip_configuration.store import find as find_sip
from telephony.routing.tables import route_sets

_c = route_sets.c
_newest: Final = (
    select(_c.resource, func.max(_c.version).label("version")).group_by(_c.resource).subquery("newest")
)
_is_newest: Final = tuple_(_c.resource, _c.version).in_(select(_newest.c.resource, _newest.c.version))


class OldRoutesEraser:
    """Versions of routes, the resource's and the operator's, that are not in force any more. An `Eraser`.

    One at a time: each may have 32 MB.
    """

    what: ClassVar = "oldRoutes"

    def find(self, subject: Subject, after: Key | None) -> Callable[[Connection], Found]:
        """See Eraser."""
        query = (
            select(_c.resource, _c.version, _c.document)
            .where(_c.resource.in_((OPERATOR, subject.resource)), ~_is_newest)
            .order_by(_c.resource, _c.version)
            .limit(1)
        )
        if after is not None:
            query = query.where(tuple_(_c.resource, _c.version) > after)

        def run(tx: Connection) -> Found:
            row = tx.execute(query).first()
            if row is None:
                return Found((), None)
            key = (bytes(row.resource), row.version)
            return Found((key,) if subject.mentioned(bytes(row.document)) else (), key)

        return run

    def erase(self, subject: Subject, keys: Sequence[Key], now: int) -> Job[int]:
        """See Eraser."""
        return EraseOldRoutes(subject, tuple(keys))


@dataclass(frozen=True, slots=True)
class EraseOldRoutes:
    """Job: put ERASED in the number's place in versions of routes; returns in how many."""

    subject: Subject
    keys: tuple[Key, ...]

    def __call__(self, tx: Connection) -> int:
        """See the class."""
        changed = 0
        for resource, version in self.keys:
            here = (_c.resource == resource, _c.version == version)
            document = tx.execute(select(_c.document).where(*here)).scalar()
            if document is None:  # somebody put another version in force, which forgot this one
                continue
            before = msgspec.json.decode(bytes(document))
            fresh = _without(self.subject, before)
            if fresh != before:  # an amount may look like the number
                values = {"document": msgspec.json.encode(fresh)}
                changed += tx.execute(update(route_sets).where(*here).values(values)).rowcount
        return changed


def _without(subject: Subject, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without the number; amounts that look like it stay."""
    if isinstance(value, str):
        return subject.without(value)
    if isinstance(value, list):
        return [_without(subject, each) for each in value]
    if isinstance(value, dict):
        return {_without(subject, name): _without(subject, each) for name, each in value.items()}
    return value


def named(subject: Subject) -> Callable[[Connection], Sequence[str]]:
    """Return the query for what is in force and names the number, a line each, without the number."""

    def query(tx: Connection) -> Sequence[str]:
        found: list[str] = []
        for owner, whose in ((subject.resource, "the resource's"), (OPERATOR, "the operator's")):
            found += _rules(tx, subject, owner, whose)
        configuration = find_sip(subject.resource)(tx).configuration
        for place, route in enumerate(configuration.routes):
            if subject.mentioned(msgspec.json.encode(route)):
                found.append(
                    f"the resource's /sip configuration: {_called(subject, 'route', route.name, place)}"
                )
        return found

    return query


def _rules(tx: Connection, subject: Subject, owner: ResourceId, whose: str) -> list[str]:
    query = select(_c.version, _c.document).where(_c.resource == owner).order_by(_c.version.desc()).limit(1)
    row = tx.execute(query).first()
    if row is None or not subject.mentioned(bytes(row.document)):
        return []
    document: Mapping[str, Any] = msgspec.json.decode(bytes(row.document))
    return [
        f"{whose} routes, version {row.version}: {_called(subject, what, rule['id'], place)}"
        for name, what in (("routes", "route"), ("inbound", "inbound rule"))
        for place, rule in enumerate(document.get(name, ()))
        if _without(subject, rule) != rule
    ]


def _called(subject: Subject, what: str, name: str, place: int) -> str:
    """Return how a rule is found: by its name, unless that is the number itself."""
    return f"{what} number {place + 1}" if subject.mentioned(name) else f"{what} {name}"
