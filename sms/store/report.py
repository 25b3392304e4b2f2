"""What became of a message, as its sender is told."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from sms.events import DeliveryAttempt
from sms.message import KIND
from sms.states import MessageState
from sms.store.finish import decode_detail
from sms.store.tables import parts
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import read_timeline

_STATUS: Final = {
    MessageState.DELIVERED: "Delivered",
    MessageState.FAILED: "Failed",
    MessageState.EXPIRED: "Failed",
    MessageState.UNREPORTED: "Unknown",
    MessageState.CANCELLED: "Failed",
}
"""By final state; every other one is Pending."""

_DETAILS: Final = {
    MessageState.ACCEPTED: "It waits to be sent.",
    MessageState.SUBMITTING: "It is being sent.",
    MessageState.SUBMITTED: "The carrier has it; no receipt came yet.",
    MessageState.DELIVERED: "No error.",
}


@dataclass(frozen=True, slots=True)
class Fate:
    """What is known of a message."""

    own: str
    peer: str
    status: str
    """Pending | Delivered | Failed | Unknown."""
    details: str
    attempts: tuple[DeliveryAttempt, ...]
    """One when anything went to the carrier: what it says of the parts, when the last one went."""
    ended: int | None
    """Microseconds UTC; None while it is pending."""
    tag: str | None


@dataclass(frozen=True, slots=True)
class FindFate:
    """A query for what became of an outbound message of a resource."""

    resource: ResourceId
    id: InteractionId

    def __call__(self, tx: Connection) -> Fate | None:
        """Return it, or None when the resource has no such message."""
        table = interactions.c
        row = tx.execute(
            select(table.own, table.peer, table.state, table.ended, table.detail).where(
                table.resource == self.resource,
                table.id == self.id,
                table.kind == KIND,
                table.direction == "outbound",
            )
        ).first()
        if row is None:
            return None
        state = MessageState(row.state)
        detail = decode_detail(row.detail)
        final = state in _STATUS
        details = _DETAILS.get(state, "")
        tried = True
        if final and not details:
            tried, details = self._reason(tx, state)
        attempts = self._attempts(tx, detail.segments, state, row.ended if tried else None)
        return Fate(
            row.own,
            row.peer,
            _STATUS.get(state, "Pending"),
            details,
            attempts,
            row.ended if final else None,
            detail.tag,
        )

    def _reason(self, tx: Connection, state: MessageState) -> tuple[bool, str]:
        """Return whether it was a link that ended the message, and why it ended."""
        kind = f"message.{state.value}"
        for entry in reversed(read_timeline(self.resource, self.id)(tx)):
            if entry.kind == kind:
                return entry.source.startswith("link:"), (entry.data or {}).get("reason", "")
        return False, ""

    def _attempts(
        self, tx: Connection, segments: int, state: MessageState, tried: int | None
    ) -> tuple[DeliveryAttempt, ...]:
        """Return the attempt; `tried` is when a link ended a message that the carrier took no part of."""
        column = parts.c
        rows = tx.execute(
            select(column.state, column.submitted).where(
                column.resource == self.resource, column.message == self.id
            )
        ).all()
        if not rows and tried is None:
            return ()
        states = [row.state for row in rows]
        delivered = states.count("delivered")
        failed = len(states) - delivered - states.count("submitted")
        if state is MessageState.DELIVERED:
            delivered, failed = segments, 0
        elif state in (MessageState.FAILED, MessageState.EXPIRED):
            failed = segments - delivered
        at = max((row.submitted for row in rows), default=tried or 0)
        return (DeliveryAttempt(to_iso(at), delivered, failed),)
