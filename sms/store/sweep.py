"""The job that looks at messages whose time has come, whoever worked on them."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select

from sms.message import KIND
from sms.receipts import RECEIPT_DECODER
from sms.states import MessageEvent, MessageState
from sms.store.finish import Change, Finisher
from sms.store.receipts import MatchedReceipt, settle
from sms.store.tables import early_receipts, parts
from telephony.kernel.store.schema import interactions

SLICE: Final = 500
"""Messages a job: the rest comes with the next."""

_EVENTS: Final = {
    MessageState.ACCEPTED.value: (MessageEvent.EXPIRE, "validity ran out before submission"),
    MessageState.SUBMITTED.value: (MessageEvent.GIVE_UP, "no delivery receipt came in time"),
}


@dataclass(slots=True)
class SweepDue:
    """End messages whose time ran out: unsubmitted ones expire, unreported ones are given up."""

    finisher: Finisher
    now: int

    def __call__(self, tx: Connection) -> tuple[Finisher, int]:
        """Return the finisher and how many messages were looked at: SLICE means that there are more."""
        self.finisher.deliveries.clear()
        table = interactions.c
        rows = tx.execute(
            select(table.resource, table.id, table.state)
            .where(table.due <= self.now, table.kind == KIND, table.state.in_(list(_EVENTS)))
            .limit(SLICE)
        ).all()
        changes = [
            Change((row.resource, row.id), _EVENTS[row.state][0], self.now, "sweep", _EVENTS[row.state][1])
            for row in rows
        ]
        self.finisher.apply(tx, changes)
        return self.finisher, len(rows)


@dataclass(slots=True)
class MatchEarly:
    """Match receipts that wait for a response which is there by now, and drop those too old to matter.

    A response looks for its early receipts itself; with several gateways one may be written down while
    another keeps the receipt.
    """

    finisher: Finisher
    now: int

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()
        early, part = early_receipts.c, parts.c
        rows = tx.execute(
            select(early.id, early.receipt, part.resource, part.message, part.part, part.state)
            .join_from(
                early_receipts, parts, (early.carrier == part.carrier) & (early.remote_id == part.remote_id)
            )
            .order_by(early.id)
            .limit(SLICE)
        ).all()
        if rows:
            tx.execute(delete(early_receipts).where(early.id.in_([row.id for row in rows])))
            matched = [
                MatchedReceipt(
                    RECEIPT_DECODER.decode(row.receipt), (row.resource, row.message), row.part, row.state
                )
                for row in rows
            ]
            settle(tx, self.finisher, matched, at=self.now)
        tx.execute(delete(early_receipts).where(early.expires <= self.now))
        return self.finisher
