"""Accounts in the store, and what they used of their quota."""

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from sms.esme.account import AccountSettings
from sms.esme.tables import accounts, outbox, presence, quotas
from telephony.kernel.clock import DAY
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import ResourceId

MAX_ACCOUNTS: Final = 1000
"""Accounts a resource."""

ABSENT: Final = "There is no such account."


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as the database has it."""

    resource: ResourceId
    system_id: str
    sealed: bytes
    settings: AccountSettings
    version: int
    created: int


_decode: Final = msgspec.json.Decoder(AccountSettings).decode


def password_place(resource: ResourceId, system_id: str) -> bytes:
    """Return what a sealed password is bound to: in another row it does not open."""
    return b"smpp account\0" + resource + system_id.encode()


@dataclass(frozen=True, slots=True)
class AddAccount:
    """Write an account. Raises Conflict when somebody has the system_id, or the resource has too many."""

    account: StoredAccount

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        new = self.account
        mine = select(accounts.c.system_id).where(accounts.c.resource == new.resource).limit(MAX_ACCOUNTS)
        if len(tx.execute(mine).all()) == MAX_ACCOUNTS:
            raise Conflict(f"A resource has at most {MAX_ACCOUNTS} accounts.")
        try:
            with tx.begin_nested():
                tx.execute(
                    insert(accounts).values(
                        resource=new.resource,
                        system_id=new.system_id,
                        password=new.sealed,
                        settings=msgspec.json.encode(new.settings).decode(),
                        version=new.version,
                        created=new.created,
                    )
                )
        except IntegrityError:
            raise Conflict("The system id is taken.", target="systemId") from None


@dataclass(frozen=True, slots=True)
class ChangeAccount:
    """Write a new password (`sealed`), or whether it may bind (`enabled`). Raises NotFound."""

    resource: ResourceId
    system_id: str
    sealed: bytes | None = None
    enabled: bool | None = None

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        here = (accounts.c.resource == self.resource, accounts.c.system_id == self.system_id)
        settings = tx.execute(select(accounts.c.settings).where(*here)).scalar()
        if settings is None:
            raise NotFound(ABSENT, target="systemId")
        values: dict[str, object] = {"version": accounts.c.version + 1}
        if self.sealed is not None:
            values["password"] = self.sealed
        if self.enabled is not None:
            changed = msgspec.structs.replace(_decode(settings), enabled=self.enabled)
            values["settings"] = msgspec.json.encode(changed).decode()
        tx.execute(update(accounts).where(*here).values(**values))


@dataclass(frozen=True, slots=True)
class RemoveAccount:
    """Delete an account and what waits for it. Raises NotFound."""

    resource: ResourceId
    system_id: str

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        for table in (outbox, presence, quotas):
            tx.execute(
                delete(table).where(table.c.resource == self.resource, table.c.system_id == self.system_id)
            )
        gone = tx.execute(
            delete(accounts).where(
                accounts.c.resource == self.resource, accounts.c.system_id == self.system_id
            )
        )
        if gone.rowcount == 0:
            raise NotFound(ABSENT, target="systemId")


Versions = dict[str, tuple[ResourceId, int, int]]
"""Of every account: whose it is, when it was made, its version."""


def read_versions(tx: Connection) -> Versions:
    """Query: tell what there is; when it is the same as before, nothing changed."""
    column = accounts.c
    rows = tx.execute(select(column.system_id, column.resource, column.created, column.version))
    return {row.system_id: (ResourceId(bytes(row.resource)), row.created, row.version) for row in rows}


@dataclass(frozen=True, slots=True)
class ListAccounts:
    """A query for the accounts of a resource, or of all."""

    resource: ResourceId | None = None

    def __call__(self, tx: Connection) -> list[StoredAccount]:
        """Return them in the order of their names."""
        query = select(accounts).order_by(accounts.c.resource, accounts.c.system_id)
        if self.resource is not None:
            query = query.where(accounts.c.resource == self.resource)
        return [
            StoredAccount(
                ResourceId(bytes(row.resource)),
                row.system_id,
                bytes(row.password),
                _decode(row.settings),
                row.version,
                row.created,
            )
            for row in tx.execute(query)
        ]


@dataclass(frozen=True, slots=True)
class TakeQuota:
    """Count a submit_sm; tells whether the day's quota had room for it."""

    resource: ResourceId
    system_id: str
    quota: int
    now: int

    def __call__(self, tx: Connection) -> bool:
        """See `telephony.kernel.store.jobs.Job`."""
        dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
        day = self.now // DAY
        statement = dialect.insert(quotas).values(
            resource=self.resource, system_id=self.system_id, day=day, used=1, expires=(day + 2) * DAY
        )
        taken = statement.on_conflict_do_update(
            index_elements=[quotas.c.resource, quotas.c.system_id, quotas.c.day],
            set_={"used": quotas.c.used + 1},
            where=quotas.c.used < self.quota,
        ).returning(quotas.c.used)
        return tx.execute(taken).first() is not None
