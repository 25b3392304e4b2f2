"""Long-running operations in the store. Each is over when its first answer goes out: what it does and that it
did it are one transaction, so that a gateway that dies leaves neither half."""

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from telephony.kernel.clock import DAY
from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.longrunning import OperationKind, OperationStatus
from telephony.kernel.ids import ResourceId
from telephony.numbers.tables import operations

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(ErrorDetail).decode


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """An operation as it was kept; times in microseconds UTC."""

    kind: OperationKind
    id: bytes
    status: OperationStatus
    created: int
    updated: int
    location: str | None = None
    error: ErrorDetail | None = None


def keep(tx: Connection, resource: ResourceId, operation: StoredOperation, days: int) -> StoredOperation:
    """Keep an operation for so many days, and return it."""
    row = {
        "resource": resource,
        "kind": operation.kind.value,
        "id": operation.id,
        "status": operation.status.value,
        "created": operation.created,
        "updated": operation.updated,
        "location": operation.location,
        "error": None if operation.error is None else _encode(operation.error),
        "expires": operation.updated + days * DAY,
    }
    tx.execute(insert(operations).values(row))
    return operation


def fail(
    tx: Connection, resource: ResourceId, kind: OperationKind, identifier: bytes, now: int, why: ErrorDetail
) -> None:
    """Let an operation have failed after all."""
    one = (operations.c.resource == resource, operations.c.kind == kind.value, operations.c.id == identifier)
    values = {"status": OperationStatus.FAILED.value, "updated": now, "error": _encode(why)}
    tx.execute(update(operations).where(*one).values(values))


@dataclass(frozen=True, slots=True)
class FindOperation:
    """A query for one of a resource's operations."""

    resource: ResourceId
    kind: OperationKind
    id: bytes

    def __call__(self, tx: Connection) -> StoredOperation | None:
        """Return it, or None when the resource has no such."""
        table = operations.c
        one = (table.resource == self.resource, table.kind == self.kind.value, table.id == self.id)
        row = tx.execute(select(operations).where(*one)).first()
        if row is None:
            return None
        return StoredOperation(
            OperationKind(row.kind),
            bytes(row.id),
            OperationStatus(row.status),
            row.created,
            row.updated,
            row.location,
            None if row.error is None else _decode(row.error),
        )
