"""The jobs that put another text into a message that was not sent yet.

A dispatcher may hold the old text in memory. So the message is first taken from it: nobody's for a moment,
it cannot be claimed. `Resume` gives it back once the dispatcher has forgotten it; should that never happen,
it is released like any message whose time has come.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, select, update

from sms.message import KIND, Extras, Outbound, SmsDetail, outbound_of
from sms.states import MessageState
from sms.store.finish import MAX_SOURCE, decode_detail
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many

PAUSE: Final = 10 * SECOND
"""How long a message stays nobody's whose gateway dies between the two jobs."""


def _where(resource: ResourceId, identifier: InteractionId) -> tuple[ColumnElement[bool], ...]:
    table = interactions.c
    return table.resource == resource, table.id == identifier, table.kind == KIND


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a message says from now on; None: as before."""

    text: str
    alphabet: str
    segments: int
    receipt: int
    """What receipts its account wants: see `SmsDetail`."""
    not_before: int | None = None
    """When it is to be sent: microseconds UTC."""
    validity_seconds: int | None = None
    """How long it is valid, from now or from then on."""

    def applied(self, detail: SmsDetail) -> SmsDetail:
        """Return the details of the message with them."""
        extras = detail.extras or Extras()
        if self.validity_seconds is not None:
            extras = structs.replace(extras, validity=self.validity_seconds)
        if self.not_before is not None:
            extras = structs.replace(extras, send_at=self.not_before)
        return structs.replace(
            detail,
            segments=self.segments,
            alphabet=self.alphabet,
            receipt=self.receipt,
            extras=None if extras == Extras() else extras,
        )


@dataclass(frozen=True, slots=True)
class Replaced:
    """A message with its new text."""

    body: bytes
    own: str
    peer: str
    detail: SmsDetail
    version: int
    carrier: str
    """Whose it is: it may have moved to another meanwhile."""
    expires: int | None
    """Until when `Resume` lets it be sent; None: its time has not come."""


@dataclass(frozen=True, slots=True)
class ReplaceMessage:
    """Put another text into a message, which is nobody's then.

    Raises NotFound; Conflict when it is being sent or is over, or another gateway has it.
    """

    node: NodeId
    resource: ResourceId
    id: InteractionId
    now: int
    validity_seconds: int
    """The operator's setting; the message may say less."""
    replacement: Replacement
    source: str

    def __call__(self, tx: Connection) -> Replaced:
        """See `telephony.kernel.store.jobs.Job`."""
        table, new = interactions.c, self.replacement
        where = _where(self.resource, self.id)
        query = select(
            table.state,
            table.direction,
            table.node,
            table.due,
            table.own,
            table.peer,
            table.detail,
            table.version,
            table.carrier,
        ).where(*where)
        if tx.dialect.name == "postgresql":
            query = query.with_for_update()
        row = tx.execute(query).first()
        if row is None or row.direction != "outbound":
            raise NotFound("There is no such message.", target="messageId")
        if row.state != MessageState.ACCEPTED.value:
            raise Conflict("The message is being sent or is over.", target="messageId")
        if row.node is not None and row.node != self.node:
            raise Conflict("Another gateway is about to send the message.", target="messageId")
        detail = new.applied(decode_detail(row.detail))
        held = row.node is None if new.not_before is None else new.not_before > self.now
        expires = None if held else row.due
        due = row.due if new.not_before is None else new.not_before
        if not held:
            due = self.now + PAUSE
            if new.validity_seconds is not None:
                expires = self.now + detail.valid_seconds(self.validity_seconds) * SECOND
        body = new.text.encode()
        # What is to be sent must be there.
        kept = due + self.validity_seconds * SECOND
        of_body = (bodies.c.resource == self.resource, bodies.c.interaction == self.id)
        before = tx.execute(select(bodies.c.expires).where(*of_body)).scalar()
        tx.execute(update(bodies).where(*of_body).values(body=body, expires=max(before or 0, kept)))
        tx.execute(
            update(interactions)
            .where(*where)
            .values(
                node=None,
                due=due,
                version=row.version + 1,
                updated=self.now,
                detail=msgspec.json.encode(detail),
            )
        )
        data = {"segments": new.segments, "alphabet": new.alphabet}
        source = self.source[:MAX_SOURCE]
        append_many(
            tx, [Entry(self.resource, self.id, self.now, self.node, source, "message.replaced", data)]
        )
        return Replaced(body, row.own, row.peer, detail, row.version + 1, row.carrier, expires)


@dataclass(frozen=True, slots=True)
class Resume:
    """Make a replaced message this node's; returns it as its dispatcher wants it, None when somebody did."""

    node: NodeId
    resource: ResourceId
    id: InteractionId
    replaced: Replaced
    expires: int

    def __call__(self, tx: Connection) -> Outbound | None:
        """See `telephony.kernel.store.jobs.Job`."""
        table, one = interactions.c, self.replaced
        resumed = tx.execute(
            update(interactions)
            .where(
                *_where(self.resource, self.id),
                table.state == MessageState.ACCEPTED.value,
                table.node.is_(None),
                table.version == one.version,
            )
            .values(node=self.node, due=self.expires, version=one.version + 1)
        )
        if resumed.rowcount == 0:
            return None
        return outbound_of(self.resource, self.id, one.own, one.peer, one.body, self.expires, one.detail)
