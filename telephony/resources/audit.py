"""Who changed what: records that are written once and never changed, kept for a time, then forgotten.

A record has two halves. The first is written before the change is tried, so that no change goes without one
even if the process dies in the middle: who, what, from where, how the thing was before. The second, after it:
what came of it. Whoever makes a change inside a job of its own writes both at once with `record`, in the same
transaction. Nothing here is ever updated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, String, Table, Text, insert, select

from telephony.kernel.clock import DAY
from telephony.kernel.http.route import Request
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store.schema import EXPIRES, Identifier, Microseconds, metadata
from telephony.resources.audit_shown import shown_json
from telephony.resources.tables import admin_keys

MAX_TARGET: Final = 512
"""Characters of a path that are kept."""

MAX_ADDRESS: Final = 64
"""Characters of an address: IPv6 with a zone has up to 61."""

DONE: Final = 200

audit: Final = Table(
    "audit",
    metadata,
    Column("resource", Identifier, primary_key=True),  # all zero: the node's
    Column("id", Identifier, primary_key=True),
    Column("at", Microseconds, nullable=False),
    Column("kind", String(16), nullable=False),  # ActorKind
    Column("actor", LargeBinary, nullable=False),  # id of the key or resource; a user's raw id in UTF-8
    Column("role", String(16)),
    Column("address", String(MAX_ADDRESS), nullable=False),
    Column("request", String(36), nullable=False),  # x-ms-request-id
    Column("operation", String(64), nullable=False),
    Column("target", String(MAX_TARGET), nullable=False),  # the path
    Column("body", Text),  # what was asked, JSON without secrets
    Column("before", Text),  # JSON without secrets
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
)
"""The first half: one row a change that somebody tried."""

Index("audit_id", audit.c.id)

audit_outcomes: Final = Table(
    "audit_outcomes",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("id", Identifier, primary_key=True),
    Column("at", Microseconds, nullable=False),
    Column("status", Integer, nullable=False),  # as HTTP answers
    Column("after", Text),  # JSON without secrets
    Column("expires", Microseconds, nullable=False, index=True),
    info=EXPIRES,
)
"""The second half; missing when the process died in between."""


class AuditSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long it is known who changed what."""

    days: Annotated[int, Meta(ge=1, le=36_500)] = 730
    """Days that records are kept."""


class ActorKind(StrEnum):
    """As what somebody changed something."""

    ADMINISTRATOR = "administrator"  # a key of administration
    RESOURCE = "resource"  # a resource's access key (ACS)
    USER = "user"  # a user's token


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something."""

    kind: ActorKind
    id: bytes
    """The id of the administration key or the resource; a user's raw id."""
    role: str | None = None
    address: str = ""
    request: str = ""
    """The request's id, as the answer's `x-ms-request-id` has it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that somebody tries or made. `body`, `before`, `after`: anything msgspec encodes; what may be
    a secret is taken out (`audit_shown`)."""

    resource: ResourceId
    actor: Actor
    operation: str
    """As its route is called: `numbers.purchase`."""
    target: str
    """What is changed, as a path."""
    body: Any = field(default=None, repr=False)
    before: Any = field(default=None, repr=False)
    after: Any = field(default=None, repr=False)


def actor_of(request: Request[Any]) -> Actor:
    """Return who sent a request that passed every check."""
    if request.role is not None:
        return Actor(
            ActorKind.ADMINISTRATOR, request.key, request.role.value, request.address, request.request_id
        )
    if request.user is not None:
        return Actor(ActorKind.USER, request.user.encode(), None, request.address, request.request_id)
    return Actor(ActorKind.RESOURCE, request.resource, None, request.address, request.request_id)


def record(
    tx: Connection, change: Change, now: int, *, status: int = DONE, days: int = AuditSettings().days
) -> None:
    """Write a whole record of a change that this transaction makes: call it inside the job."""
    expires = now + days * DAY
    identifier = _insert_first(tx, change, now, expires)
    _insert_second(tx, change.resource, identifier, now, status, shown_json(change.after), expires)


@dataclass(frozen=True, slots=True)
class Trail:
    """Goes with a job whose change is to be recorded: all of the record that is known before the job runs."""

    change: Change
    days: int

    def leave(self, tx: Connection, now: int, *, before: object = None, after: object = None) -> None:
        """Write the record: the job calls it once it has made the change, and not when there was none."""
        record(tx, replace(self.change, before=before, after=after), now, days=self.days)


@dataclass(frozen=True, slots=True)
class Begin:
    """Job: write the first half of a record; returns its id."""

    change: Change
    now: int
    expires: int

    def __call__(self, tx: Connection) -> bytes:
        """See the class."""
        return _insert_first(tx, self.change, self.now, self.expires)


@dataclass(frozen=True, slots=True)
class End:
    """Job: write the second half of a record."""

    resource: ResourceId
    id: bytes
    status: int
    after: str | None
    now: int
    expires: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        _insert_second(tx, self.resource, self.id, self.now, self.status, self.after, self.expires)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record as it is read."""

    resource: ResourceId
    id: bytes
    at: int
    kind: ActorKind
    actor: bytes
    name: str | None
    """Of an administration key."""
    role: str | None
    address: str
    request: str
    operation: str
    target: str
    body: str | None
    before: str | None
    status: int | None
    """None: the process died, or is at it."""
    after: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records."""

    resource: ResourceId | None = None
    operation: str | None = None
    """A name, or the beginning of one that ends with a dot."""
    actor: bytes | None = None
    since: int | None = None
    until: int | None = None
    """Times in microseconds UTC: from `since` on, before `until`."""
    below: bytes | None = None
    """Only records with a smaller id: where the page before ended."""


def find(which: Filter, limit: int) -> Callable[[Connection], list[Recorded]]:
    """Return the query for the newest `limit` records of a kind, newest first."""
    column, outcome, key = audit.c, audit_outcomes.c, admin_keys.c
    query = (
        select(audit, outcome.status, outcome.after, key.name)
        .select_from(audit)
        .outerjoin(audit_outcomes, (outcome.resource == column.resource) & (outcome.id == column.id))
        .outerjoin(admin_keys, key.id == column.actor)
    )
    if which.resource is not None:
        query = query.where(column.resource == which.resource)
    if which.operation is not None:
        name = which.operation
        query = query.where(
            column.operation.startswith(name, autoescape=True)
            if name.endswith(".")
            else column.operation == name
        )
    if which.actor is not None:
        query = query.where(column.actor == which.actor)
    if which.since is not None:
        query = query.where(column.at >= which.since)
    if which.until is not None:
        query = query.where(column.at < which.until)
    if which.below is not None:
        query = query.where(column.id < which.below)
    query = query.order_by(column.id.desc()).limit(limit)
    return lambda tx: [_recorded(row) for row in tx.execute(query)]


def _recorded(row: Any) -> Recorded:  # noqa: ANN401 - a row of the query
    return Recorded(
        ResourceId(bytes(row.resource)),
        bytes(row.id),
        row.at,
        ActorKind(row.kind),
        bytes(row.actor),
        row.name,
        row.role,
        row.address,
        row.request,
        row.operation,
        row.target,
        row.body,
        row.before,
        row.status,
        row.after,
    )


def _insert_first(tx: Connection, change: Change, now: int, expires: int) -> bytes:
    identifier, actor = new_id(now), change.actor
    tx.execute(
        insert(audit).values(
            resource=change.resource,
            id=identifier,
            at=now,
            kind=actor.kind.value,
            actor=actor.id,
            role=actor.role,
            address=actor.address[:MAX_ADDRESS],
            request=actor.request,
            operation=change.operation,
            target=change.target[:MAX_TARGET],
            body=shown_json(change.body),
            before=shown_json(change.before),
            expires=expires,
        )
    )
    return identifier


def _insert_second(
    tx: Connection,
    resource: ResourceId,
    identifier: bytes,
    now: int,
    status: int,
    after: str | None,
    expires: int,
) -> None:
    tx.execute(
        insert(audit_outcomes).values(
            resource=resource, id=identifier, at=now, status=status, after=after, expires=expires
        )
    )
