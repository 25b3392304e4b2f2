"""What an account may ask about: its own messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from sms.esme.outbox import MARK
from sms.message import KIND, SmsDetail
from sms.states import MessageState
from sms.store.finish import decode_detail
from sms.store.tables import parts
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.schema import interactions

MOST: Final = 1000
"""Messages between one sender and one recipient that are looked at."""


@dataclass(frozen=True, slots=True)
class Known:
    """A message of an account's."""

    id: InteractionId
    own: str
    peer: str
    carrier: str
    state: MessageState
    ended: int | None
    detail: SmsDetail
    report: str = ""
    """What the carrier's receipt said, of one that failed: `UNDELIV 001`."""


@dataclass(frozen=True, slots=True)
class FindMessage:
    """A query for one message of an account's; None: there is none, or it is somebody else's."""

    resource: ResourceId
    system_id: str
    id: InteractionId

    def __call__(self, tx: Connection) -> Known | None:
        """Return it."""
        table = interactions.c
        row = tx.execute(
            select(table.own, table.peer, table.carrier, table.state, table.ended, table.detail).where(
                table.resource == self.resource,
                table.id == self.id,
                table.kind == KIND,
                table.direction == "outbound",
            )
        ).first()
        if row is None or MARK not in row.detail:
            return None
        detail = decode_detail(row.detail)
        if detail.account != self.system_id:
            return None
        said = tx.execute(
            select(parts.c.report)
            .where(
                parts.c.resource == self.resource,
                parts.c.message == self.id,
                parts.c.state.in_(("failed", "expired")),
            )
            .order_by(parts.c.part)
            .limit(1)
        ).scalar()
        state = MessageState(row.state)
        return Known(self.id, row.own, row.peer, row.carrier or "", state, row.ended, detail, said or "")


@dataclass(frozen=True, slots=True)
class WaitingBetween:
    """A query for the messages of an account's between two parties that were not sent yet."""

    resource: ResourceId
    system_id: str
    own: str
    peer: str

    def __call__(self, tx: Connection) -> Sequence[InteractionId]:
        """Return their ids, oldest first."""
        table = interactions.c
        rows = tx.execute(
            select(table.id, table.detail)
            .where(
                table.resource == self.resource,
                table.peer == self.peer,
                table.own == self.own,
                table.kind == KIND,
                table.direction == "outbound",
                table.state == MessageState.ACCEPTED.value,
            )
            .order_by(table.id)
            .limit(MOST)
        )
        return [
            InteractionId(bytes(row.id))
            for row in rows
            if MARK in row.detail and decode_detail(row.detail).account == self.system_id
        ]
