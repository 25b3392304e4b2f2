"""What can be done with resources and keys. Every verb is a Job: hand it to the store's `write`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.http.route import Role
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.secret import Secret
from telephony.resources.access_key import Slot, admin_key_hash, new_access_key, new_admin_key, seal_place
from telephony.resources.authority import parse_authority
from telephony.resources.seal import MasterKeys
from telephony.resources.tables import admin_keys, resource_authorities, resource_keys, resources

MAX_NAME = 128
"""Characters of a name, as its column."""

MAX_AUTHORITIES = 16
"""Authorities a resource: each is a name in the node's certificate."""


@dataclass(frozen=True, slots=True)
class ResourceKeys:
    """A resource's two access keys, decoded."""

    primary: bytes
    secondary: bytes

    def __repr__(self) -> str:
        return "ResourceKeys(***)"


@dataclass(frozen=True, slots=True)
class Created:
    """A new resource."""

    id: ResourceId
    authorities: tuple[str, ...]
    keys: ResourceKeys


@dataclass(frozen=True, slots=True)
class CreateResource:
    """Make a resource with its authorities and two fresh keys.

    `now` in microseconds. Raises InvalidRequest, or Conflict when an authority is another resource's.
    """

    name: str
    authorities: Sequence[str]
    master: MasterKeys
    now: int
    demonstration: bool = False

    def __call__(self, tx: Connection) -> Created:
        """See the class."""
        name = _name(self.name)
        authorities = tuple(dict.fromkeys(parse_authority(authority) for authority in self.authorities))
        if not 1 <= len(authorities) <= MAX_AUTHORITIES:
            raise InvalidRequest(f"A resource has 1 to {MAX_AUTHORITIES} authorities.", target="authorities")
        resource = ResourceId(new_id(self.now))
        keys = ResourceKeys(new_access_key(), new_access_key())
        row = {"id": resource, "name": name, "demonstration": self.demonstration, "version": 1}
        tx.execute(insert(resources).values(**row, created=self.now, updated=self.now))
        _add_authorities(tx, resource, authorities, first=0)
        for slot, key in ((Slot.PRIMARY, keys.primary), (Slot.SECONDARY, keys.secondary)):
            values = _sealed(self.master, resource, slot, key, self.now)
            tx.execute(insert(resource_keys).values(resource=resource, slot=slot.value, **values))
        return Created(resource, authorities, keys)


@dataclass(frozen=True, slots=True)
class AddAuthorities:
    """Give a resource more authorities. Raises NotFound, InvalidRequest, Conflict."""

    resource: ResourceId
    authorities: Sequence[str]
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        _touch(tx, self.resource, self.now)
        column = resource_authorities.c
        known = tx.scalars(select(column.authority).where(column.resource == self.resource)).all()
        fresh = [
            authority
            for authority in dict.fromkeys(map(parse_authority, self.authorities))
            if authority not in known
        ]
        if len(known) + len(fresh) > MAX_AUTHORITIES:
            raise InvalidRequest(f"A resource has 1 to {MAX_AUTHORITIES} authorities.", target="authorities")
        last = tx.scalar(select(func.max(column.position)).where(column.resource == self.resource))
        _add_authorities(tx, self.resource, fresh, first=1 + (-1 if last is None else last))


@dataclass(frozen=True, slots=True)
class RemoveAuthorities:
    """Take authorities from a resource. Raises NotFound; InvalidRequest when none would be left."""

    resource: ResourceId
    authorities: Sequence[str]
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        _touch(tx, self.resource, self.now)
        column = resource_authorities.c
        gone = tuple(dict.fromkeys(map(parse_authority, self.authorities)))
        mine = column.resource == self.resource
        removed = tx.execute(delete(resource_authorities).where(mine, column.authority.in_(gone))).rowcount
        if removed < len(gone):
            raise NotFound("The resource has no such authority.", target="authorities")
        if tx.scalar(select(column.authority).where(mine).limit(1)) is None:
            raise InvalidRequest("A resource keeps one authority at least.", target="authorities")


@dataclass(frozen=True, slots=True)
class SetDisabled:
    """Let nobody in by a resource's authorities, or let them in again. Raises NotFound."""

    resource: ResourceId
    disabled: bool
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        _touch(tx, self.resource, self.now)
        since = self.now if self.disabled else None
        tx.execute(update(resources).where(resources.c.id == self.resource).values(disabled=since))


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Replace one of a resource's keys by a fresh one, and return it. Raises NotFound."""

    resource: ResourceId
    slot: Slot
    master: MasterKeys
    now: int

    def __call__(self, tx: Connection) -> bytes:
        """See the class."""
        _touch(tx, self.resource, self.now)
        key = new_access_key()
        values = _sealed(self.master, self.resource, self.slot, key, self.now)
        tx.execute(update(resource_keys).where(*_place(self.resource, self.slot)).values(**values))
        return key


@dataclass(frozen=True, slots=True)
class Reseal:
    """Seal with the newest master key whatever an older one sealed; return how many were."""

    master: MasterKeys
    now: int

    def __call__(self, tx: Connection) -> int:
        """See the class. Raises SealBroken when one does not open: then none is changed."""
        rows = tx.execute(select(resource_keys).where(resource_keys.c.master != self.master.newest)).all()
        for row in rows:
            resource, slot = ResourceId(bytes(row.resource)), Slot(row.slot)
            plain = self.master.open(bytes(row.sealed), seal_place(resource, slot), row.master)
            values = _sealed(self.master, resource, slot, plain, self.now)
            tx.execute(update(resource_keys).where(*_place(resource, slot)).values(**values))
            _touch(tx, resource, self.now)
        return len(rows)


@dataclass(frozen=True, slots=True)
class NewAdminKey:
    """A key of administration, shown this once."""

    id: bytes
    key: Secret


@dataclass(frozen=True, slots=True)
class AddAdminKey:
    """Make a key of administration with a role. Raises InvalidRequest."""

    name: str
    role: Role
    now: int

    def __call__(self, tx: Connection) -> NewAdminKey:
        """See the class."""
        key, identifier = new_admin_key(), new_id(self.now)
        values = {"id": identifier, "name": _name(self.name), "role": self.role.value, "created": self.now}
        tx.execute(insert(admin_keys).values(**values, hash=admin_key_hash(key.reveal())))
        return NewAdminKey(identifier, key)


@dataclass(frozen=True, slots=True)
class RevokeAdminKey:
    """End a key of administration.

    Raises NotFound when there is no such key in force, Conflict when it is the last owner's: nobody could
    make another.
    """

    id: bytes
    now: int

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        column = admin_keys.c
        in_force = column.revoked.is_(None)
        revoked = update(admin_keys).where(column.id == self.id, in_force).values(revoked=self.now)
        role = tx.scalar(revoked.returning(column.role))
        if role is None:
            raise NotFound("There is no such administration key.", target="keyId")
        owners = select(func.count()).where(column.role == Role.OWNER.value, in_force)
        if role == Role.OWNER.value and not tx.scalar(owners):
            raise Conflict("It is the last key of an owner; add another first.", target="keyId")


@dataclass(frozen=True, slots=True)
class AdminKeyView:
    """A key of administration as it may be shown."""

    id: bytes
    name: str
    role: Role
    created: int
    revoked: int | None


def list_admin_keys(tx: Connection) -> list[AdminKeyView]:
    """Query: every key of administration there ever was, oldest first."""
    return [
        AdminKeyView(bytes(row.id), row.name, Role(row.role), row.created, row.revoked)
        for row in tx.execute(select(admin_keys).order_by(admin_keys.c.id))
    ]


def _name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidRequest(f"A name has 1 to {MAX_NAME} printable characters.", target="name")
    return name


def _add_authorities(tx: Connection, resource: ResourceId, authorities: Sequence[str], *, first: int) -> None:
    rows = [
        {"resource": resource, "authority": authority, "position": position}
        for position, authority in enumerate(authorities, first)
    ]
    if not rows:
        return
    try:
        tx.execute(insert(resource_authorities), rows)
    except IntegrityError as error:
        raise Conflict("One of the authorities is another resource's.", target="authorities") from error


def _touch(tx: Connection, resource: ResourceId, now: int) -> None:
    changed = (
        update(resources)
        .where(resources.c.id == resource)
        .values(version=resources.c.version + 1, updated=now)
    )
    if tx.execute(changed).rowcount == 0:
        raise NotFound("There is no such resource.", target="resource")


def _place(resource: ResourceId, slot: Slot) -> tuple[ColumnElement[bool], ...]:
    return resource_keys.c.resource == resource, resource_keys.c.slot == slot.value


def _sealed(master: MasterKeys, resource: ResourceId, slot: Slot, key: bytes, now: int) -> dict[str, object]:
    sealed, name = master.seal_named(key, seal_place(resource, slot))
    return {"sealed": sealed, "master": name, "updated": now}
