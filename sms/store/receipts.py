"""The job that matches receipts to parts and ends messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, select, update

from sms.message import SmsDetail
from sms.receipts import Receipt, verdict
from sms.states import MessageEvent, MessageState
from sms.store.finish import IN_CLAUSE, Change, Finisher, Key, load
from sms.store.tables import early_receipts, parts
from telephony.kernel import ids
from telephony.kernel.clock import HOUR
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.timeline import Entry, append_many

EARLY_FOR: Final = 72 * HOUR
"""How long a receipt that belongs to nothing is kept: as long as carriers try to deliver."""

_EVENTS: Final = {
    "delivered": MessageEvent.DELIVER,
    "failed": MessageEvent.FAIL,
    "expired": MessageEvent.EXPIRE,
}


@dataclass(frozen=True, slots=True)
class CarrierReceipt:
    """A receipt as it came in."""

    carrier: str
    link: str
    at: int
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class MatchedReceipt:
    """A receipt and the part it is about."""

    receipt: Receipt
    key: Key
    part: int
    part_state: str


@dataclass(slots=True)
class RecordReceipts:
    """Match receipts; those that belong to nothing yet are kept for their response to come."""

    finisher: Finisher
    now: int
    receipts: Sequence[CarrierReceipt]

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()
        matched, unknown = _match(tx, self.receipts)
        if unknown:
            insert_rows(
                tx,
                early_receipts,
                [
                    (
                        one.carrier,
                        one.receipt.remote_id,
                        ids.new_id(one.at),
                        msgspec.json.encode(one.receipt),
                        one.at + EARLY_FOR,
                    )
                    for one in unknown
                ],
            )
        if matched:
            settle(tx, self.finisher, matched, at=self.now)
        return self.finisher


def _match(
    tx: Connection, receipts: Sequence[CarrierReceipt]
) -> tuple[list[MatchedReceipt], list[CarrierReceipt]]:
    by_carrier: dict[str, set[str]] = {}
    for one in receipts:
        by_carrier.setdefault(one.carrier, set()).add(one.receipt.remote_id)
    found: dict[tuple[str, str], tuple[ResourceId, InteractionId, int, str]] = {}
    table = parts.c
    for carrier, wanted in by_carrier.items():
        remote_ids = sorted(wanted)
        for start in range(0, len(remote_ids), IN_CLAUSE):
            query = (
                select(table.remote_id, table.resource, table.message, table.part, table.state)
                .where(table.carrier == carrier, table.remote_id.in_(remote_ids[start : start + IN_CLAUSE]))
                .order_by(table.submitted)  # carriers use ids again: the newest part wins
            )
            for remote_id, *part in tx.execute(query):
                found[carrier, remote_id] = (part[0], part[1], part[2], part[3])
    matched: list[MatchedReceipt] = []
    unknown: list[CarrierReceipt] = []
    for one in receipts:
        part_row = found.get((one.carrier, one.receipt.remote_id))
        if part_row is None:
            unknown.append(one)
        else:
            resource, message, number, state = part_row
            matched.append(MatchedReceipt(one.receipt, (resource, message), number, state))
    return matched, unknown


_UPDATE_PART: Final = (
    update(parts)
    .where(
        parts.c.resource == bindparam("b_resource"),
        parts.c.message == bindparam("b_message"),
        parts.c.part == bindparam("b_part"),
        parts.c.state == "submitted",
    )
    .values(state=bindparam("b_state"), reported=bindparam("b_at"))
)


def settle(
    tx: Connection,
    finisher: Finisher,
    matched: Sequence[MatchedReceipt],
    *,
    at: int,
    also: Sequence[Key] = (),
) -> None:
    """Write what receipts say of their parts, then end the messages whose parts are all known.

    `also` names messages to look at though no receipt of this batch is about them. A part's first final
    receipt counts; what comes after it is in the timeline only.
    """
    entries: list[Entry] = []
    part_updates: list[dict[str, object]] = []
    news: dict[Key, Receipt] = {}
    for one in matched:
        receipt = one.receipt
        resource, message = one.key
        data = {"part": one.part, "stat": receipt.stat, "error": receipt.error}
        entries.append(
            Entry(resource, message, at, finisher.node, "carrier", f"receipt.{receipt.state}", data)
        )
        if receipt.state == "pending" or one.part_state != "submitted":
            continue
        part_updates.append(
            {
                "b_resource": resource,
                "b_message": message,
                "b_part": one.part,
                "b_state": receipt.state,
                "b_at": at,
            }
        )
        news[one.key] = receipt
    append_many(tx, entries)
    if part_updates:
        tx.execute(_UPDATE_PART, part_updates)
    rows = load(tx, [*news, *also])
    changes = [change for key, row in rows.items() if (change := _change(tx, key, row, news.get(key), at))]
    finisher.apply(tx, changes, rows)


def _change(tx: Connection, key: Key, row: Row[Any], receipt: Receipt | None, at: int) -> Change | None:
    """Return what the parts' states make of a message, or None while that is open."""
    if row.state != MessageState.SUBMITTED.value:
        return None  # over already, or not all parts are out: looked at again when they are
    segments = msgspec.json.decode(row.detail, type=SmsDetail).segments
    if segments == 1 and receipt is not None:
        states: list[str] = [receipt.state]
    else:
        where = (parts.c.resource == key[0], parts.c.message == key[1])
        states = list(tx.execute(select(parts.c.state).where(*where)).scalars())
    decision = verdict(states, segments)
    if decision is None:
        return None
    return Change(
        key,
        _EVENTS[decision],
        at,
        "carrier",
        f"{receipt.stat} {receipt.error}".strip() if receipt is not None else "",
        succeeded=states.count("delivered"),
        failed=len(states) - states.count("delivered") - states.count("submitted"),
    )
