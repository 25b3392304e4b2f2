"""Messages that wait for their time: accepted, and nobody's until then."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from sms.message import KIND
from sms.states import MessageState
from sms.store.finish import Key, decode_detail
from sms.store.sql import among
from sms.store.submit import by_resource
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import Entry, append_many

SLICE: Final = 500
"""Messages a job: the rest comes with the next."""

_RELEASE: Final = (
    "UPDATE interactions SET node = ?, due = ?, version = version + 1, updated = ?"
    " WHERE resource = ? AND id {ids} AND state = 'accepted' AND node IS NULL RETURNING id"
)


@dataclass(slots=True)
class ReleaseHeld:
    """Take over held messages whose time has come; returns how many of each carrier.

    They are valid as long as ones that are sent at once, from now on.
    """

    node: NodeId
    now: int
    validity_seconds: int
    """The operator's setting; a message may say less."""

    def __call__(self, tx: Connection) -> dict[str, int]:
        """See `telephony.kernel.store.jobs.Job`."""
        table = interactions.c
        due = (
            select(table.resource, table.id, table.carrier, table.detail)
            .where(
                table.due <= self.now,
                table.kind == KIND,
                table.state == MessageState.ACCEPTED.value,
                table.node.is_(None),
            )
            .limit(SLICE)
        )
        if tx.dialect.name == "postgresql":
            due = due.with_for_update(skip_locked=True)  # another gateway takes those
        carriers: dict[Key, str] = {}
        valid: dict[int, list[Key]] = {}
        for row in tx.execute(due):
            key = (ResourceId(row.resource), InteractionId(row.id))
            carriers[key] = row.carrier
            seconds = decode_detail(row.detail).valid_seconds(self.validity_seconds)
            valid.setdefault(seconds, []).append(key)
        released: dict[str, int] = {}
        entries: list[Entry] = []
        for seconds, keys in valid.items():
            expires = self.now + seconds * SECOND
            for resource, identifiers in by_resource(keys).items():
                before = (self.node, expires, self.now, resource)
                for (found,) in among(tx, _RELEASE, identifiers, before=before):
                    key = (resource, InteractionId(bytes(found)))
                    released[carriers[key]] = released.get(carriers[key], 0) + 1
                    entries.append(Entry(*key, self.now, self.node, "sweep", "message.released"))
        append_many(tx, entries)
        return released
