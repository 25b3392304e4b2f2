"""The jobs that look at what time has made of messages and receipts."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, and_, delete, or_, select, tuple_

from sms.message import KIND
from sms.receipt_forms import same_party
from sms.receipts import RECEIPT_DECODER
from sms.states import MessageEvent, MessageState
from sms.store.finish import Change, Facts, Finisher
from sms.store.receipts import EARLY_FOR, MatchedReceipt, came_at, settle
from sms.store.tables import early_receipts, parts
from telephony.kernel.clock import MINUTE
from telephony.kernel.ids import InteractionId
from telephony.kernel.store.schema import interactions

SLICE: Final = 500
"""Messages a job: the rest comes with the next."""

ANSWER_GRACE: Final = 5 * MINUTE
"""How long after its validity a message that is being submitted is left to its dispatcher, which ends it by
itself; the sweep ends those that no dispatcher has, because their carrier is not configured any more."""

CROSSED_FOR: Final = MINUTE
"""How old a receipt may be that crossed its response on another gateway: both are written by then."""

_EVENTS: Final = {
    MessageState.ACCEPTED.value: (MessageEvent.EXPIRE, "validity ran out before submission"),
    MessageState.SUBMITTING.value: (MessageEvent.EXPIRE, "validity ran out; the carrier may have it"),
    MessageState.SUBMITTED.value: (MessageEvent.GIVE_UP, "no delivery receipt came in time"),
}


@dataclass(slots=True)
class Swept:
    """What a sweep did."""

    looked_at: int
    """SLICE means that there are more."""
    unsent: dict[str, list[InteractionId]] = field(default_factory=dict)
    """Messages that expired before the carrier had them, by carrier."""


@dataclass(slots=True)
class SweepDue:
    """End messages whose time ran out: unsubmitted ones expire, unreported ones are given up.

    Only what this node works on, and what nobody has to: no two gateways sweep in each other's way.
    """

    finisher: Finisher
    now: int

    def __call__(self, tx: Connection) -> tuple[Finisher, Swept]:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        table = interactions.c
        rows = tx.execute(
            select(table.resource, table.id, table.state, table.carrier)
            .where(
                table.due <= self.now,
                table.kind == KIND,
                or_(
                    table.node == self.finisher.node,
                    # Accepted and nobody's: it is held back, and due is when that ends (ReleaseHeld).
                    and_(table.node.is_(None), table.state != MessageState.ACCEPTED.value),
                ),
                or_(
                    table.state.in_([MessageState.ACCEPTED.value, MessageState.SUBMITTED.value]),
                    and_(table.state == MessageState.SUBMITTING.value, table.due <= self.now - ANSWER_GRACE),
                ),
            )
            .limit(SLICE)
        ).all()
        changes = [
            Change((row.resource, row.id), _EVENTS[row.state][0], self.now, "sweep", _EVENTS[row.state][1])
            for row in rows
        ]
        ended = set(self.finisher.apply(tx, changes))
        swept = Swept(len(rows))
        for row in rows:
            if row.state != MessageState.SUBMITTED.value and (row.resource, row.id) in ended:
                swept.unsent.setdefault(row.carrier, []).append(row.id)
        return self.finisher, swept


@dataclass(slots=True)
class MatchEarly:
    """Match receipts that crossed their response.

    A response looks for its early receipts itself; with several gateways one may be written down while
    another keeps the receipt, and neither sees the other's.
    """

    finisher: Finisher
    now: int

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        early, part, message = early_receipts.c, parts.c, interactions.c
        rows = tx.execute(
            select(
                early.carrier,
                early.remote_id,
                early.id,
                early.receipt,
                early.expires,
                part.resource,
                part.message,
                part.part,
                part.state,
                message.state.label("message_state"),
                message.own,
                message.peer,
                message.updated,
                message.detail,
            )
            .join_from(
                early_receipts, parts, (early.carrier == part.carrier) & (early.remote_id == part.remote_id)
            )
            .join(interactions, (message.resource == part.resource) & (message.id == part.message))
            .where(early.expires > self.now + EARLY_FOR - CROSSED_FOR)
            .order_by(early.id)
            .limit(SLICE)
        ).all()
        rows = [row for row in rows if not _of_another(row.receipt, row.peer)]
        if rows:
            key = tuple_(early.carrier, early.remote_id, early.id)
            gone = {(row.carrier, row.remote_id, row.id) for row in rows}
            tx.execute(delete(early_receipts).where(key.in_(sorted(gone))))
            settle(
                tx,
                self.finisher,
                [
                    MatchedReceipt(
                        RECEIPT_DECODER.decode(row.receipt),
                        came_at(row.expires),
                        (row.resource, row.message),
                        row.part,
                        row.state,
                        row.message_state,
                        Facts(row.own, row.peer, row.updated, row.detail),
                    )
                    for row in rows
                ],
            )
        return self.finisher


def _of_another(receipt: bytes, peer: str) -> bool:
    """Tell whether a receipt says by its addresses that it is about another message."""
    parties = RECEIPT_DECODER.decode(receipt).parties
    return bool(parties) and same_party(parties, peer) is False
