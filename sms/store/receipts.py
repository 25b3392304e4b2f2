"""The job that matches receipts to parts and ends messages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection

from sms.receipts import KeptReceipt, Receipt, verdict
from sms.states import MessageEvent, MessageState
from sms.store.finish import Change, Facts, Finisher, Key, decode_detail
from sms.store.sql import among
from sms.store.tables import MAX_REPORT, early_receipts
from telephony.kernel import ids
from telephony.kernel.clock import HOUR
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.timeline import Entry, append_many

EARLY_FOR: Final = 72 * HOUR
"""How long a receipt that belongs to nothing is kept: as long as carriers try to deliver."""


EARLY_BY: Final = 2 * HOUR
"""How much older than its response a receipt may be: carriers use ids again, and one from longer ago was
another message's. A response is awaited for seconds; the rest is for clocks that are set."""


def came_at(expires: int) -> int:
    """Return when an early receipt came, from when it expires."""
    return expires - EARLY_FOR


_EVENTS: Final = {
    "delivered": MessageEvent.DELIVER,
    "failed": MessageEvent.FAIL,
    "expired": MessageEvent.EXPIRE,
}
_SUBMITTED: Final = MessageState.SUBMITTED.value

# Carriers use ids again: the newest part is the one that is meant, so it comes last.
_MATCH: Final = (
    "SELECT p.remote_id, p.resource, p.message, p.part, p.state, i.state, i.own, i.peer, i.updated, i.detail"
    " FROM message_parts p JOIN interactions i ON i.resource = p.resource AND i.id = p.message"
    " WHERE p.carrier = ? AND p.remote_id {ids} ORDER BY p.submitted"
)
_REPORTED: Final = (
    "UPDATE message_parts SET state = ?, report = ?, reported = ?"
    " WHERE resource = ? AND part = ? AND message {ids} AND state = 'submitted'"
)
_LOCKED: Final = (
    "SELECT id, state, own, peer, updated, detail FROM interactions WHERE resource = ? AND id {ids}"
)
_PARTS: Final = "SELECT message, part, state, report FROM message_parts WHERE resource = ? AND message {ids}"


@dataclass(frozen=True, slots=True)
class CarrierReceipt:
    """A receipt as it came in."""

    carrier: str
    link: str
    at: int
    receipt: Receipt
    raw: str = ""
    """Its id before the form (`KeptReceipt.raw`)."""
    parties: tuple[str, ...] = ()
    """Its addresses, when they are compared."""

    def kept(self) -> bytes:
        """Return it as it is kept."""
        said = self.receipt
        return msgspec.json.encode(
            KeptReceipt(said.remote_id, said.state, said.stat, said.error, self.raw, self.link, self.parties)
        )


@dataclass(frozen=True, slots=True)
class MatchedReceipt:
    """A receipt and the part it is about."""

    receipt: Receipt
    at: int
    key: Key
    part: int
    part_state: str
    message_state: str
    facts: Facts


@dataclass(slots=True)
class RecordReceipts:
    """Match receipts; those that belong to nothing yet are kept for their response to come."""

    finisher: Finisher
    receipts: Sequence[CarrierReceipt]

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        found = match(tx, ((one.carrier, one.receipt.remote_id) for one in self.receipts))
        matched: list[MatchedReceipt] = []
        unknown: list[CarrierReceipt] = []
        for one in self.receipts:
            part = found.get((one.carrier, one.receipt.remote_id))
            if part is None:
                unknown.append(one)
            else:
                matched.append(MatchedReceipt(one.receipt, one.at, *part))
        keep_early(tx, unknown)
        settle(tx, self.finisher, matched)
        return self.finisher


def keep_early(tx: Connection, receipts: Iterable[CarrierReceipt]) -> None:
    """Keep receipts of parts that are not known yet, for the response that names them."""
    insert_rows(
        tx,
        early_receipts,
        [
            (one.carrier, one.receipt.remote_id, ids.new_id(one.at), one.kept(), one.at + EARLY_FOR)
            for one in receipts
        ],
    )


Part = tuple[Key, int, str, str, Facts]
"""A part as receipts need it: its message, its number, its state, the message's state and facts."""


def match(tx: Connection, wanted: Iterable[tuple[str, str]]) -> Mapping[tuple[str, str], Part]:
    """Return the parts that carriers know by ids, by (carrier, id)."""
    by_carrier: dict[str, set[str]] = {}
    for carrier, remote_id in wanted:
        by_carrier.setdefault(carrier, set()).add(remote_id)
    found: dict[tuple[str, str], Part] = {}
    for carrier, remote_ids in by_carrier.items():
        for remote_id, resource, message, part, state, message_state, *facts in among(
            tx, _MATCH, sorted(remote_ids), before=(carrier,)
        ):
            key = (ResourceId(bytes(resource)), InteractionId(bytes(message)))
            found[carrier, remote_id] = (key, part, state, message_state, Facts(*facts))
    return found


def settle(
    tx: Connection, finisher: Finisher, matched: Sequence[MatchedReceipt], also: Iterable[Key] = ()
) -> None:
    """Write what receipts say of their parts, then end the messages whose parts are all known.

    `also` names messages to look at though no receipt of this batch is about them. A part's first final
    receipt counts; what comes after it is in the timeline only.
    """
    _note(tx, finisher, matched)
    changes: list[Change] = []
    known: dict[Key, Facts] = {}
    longer = dict.fromkeys(also, 0)
    for one in _report(tx, matched):
        if one.message_state != _SUBMITTED:
            continue  # over already, or not all parts are out: looked at again when they are
        if decode_detail(one.facts.detail).segments > 1:
            longer[one.key] = one.at
            continue
        known[one.key] = one.facts
        state = one.receipt.state
        changes.append(
            Change(
                one.key,
                _EVENTS[state],
                one.at,
                "carrier",
                one.receipt.words,
                succeeded=int(state == "delivered"),
                failed=int(state != "delivered"),
            )
        )
    changes += _decide(tx, longer, known)
    finisher.apply(tx, changes, known)


def _note(tx: Connection, finisher: Finisher, matched: Sequence[MatchedReceipt]) -> None:
    append_many(
        tx,
        [
            Entry(
                *one.key,
                one.at,
                finisher.node,
                "carrier",
                f"receipt.{one.receipt.state}",
                {"part": one.part, "stat": one.receipt.stat, "error": one.receipt.error},
            )
            for one in matched
        ],
    )


def _report(tx: Connection, matched: Sequence[MatchedReceipt]) -> list[MatchedReceipt]:
    """Give parts the state their first final receipt says; return those receipts."""
    final: dict[tuple[Key, int], MatchedReceipt] = {}
    for one in matched:
        if one.receipt.state != "pending" and one.part_state == "submitted":
            final.setdefault((one.key, one.part), one)
    alike: dict[tuple[ResourceId, int, str, str], list[MatchedReceipt]] = {}
    for one in final.values():
        alike.setdefault((one.key[0], one.part, one.receipt.state, one.receipt.words), []).append(one)
    for (resource, part, state, words), group in alike.items():
        at = max(one.at for one in group)
        before = (state, words[:MAX_REPORT], at, resource, part)
        among(tx, _REPORTED, sorted(one.key[1] for one in group), before=before)
    return list(final.values())


def _decide(tx: Connection, wanted: Mapping[Key, int], known: dict[Key, Facts]) -> list[Change]:
    """Return what the parts' states make of messages of several parts; nothing while that is open.

    `wanted` has the time of each message's last news, 0 for the time of its last change. `known` gets facts.
    """
    by_resource: dict[ResourceId, list[InteractionId]] = {}
    for resource, identifier in wanted:
        by_resource.setdefault(resource, []).append(identifier)
    changes: list[Change] = []
    for resource, identifiers in sorted(by_resource.items()):
        identifiers.sort()
        # Locked before the parts are read, where the database can: of two nodes that each wrote another
        # part's receipt, the second one sees both.
        lock = " ORDER BY id FOR UPDATE" if tx.dialect.name == "postgresql" else ""
        rows = among(tx, _LOCKED + lock, identifiers, before=(resource,))
        parts: dict[bytes, list[tuple[int, str, str | None]]] = {}
        for message, *part in among(tx, _PARTS, identifiers, before=(resource,)):
            parts.setdefault(bytes(message), []).append((part[0], part[1], part[2]))
        for identifier, state, *rest in rows:
            if state != _SUBMITTED:
                continue
            key = (resource, InteractionId(bytes(identifier)))
            facts = known[key] = Facts(*rest)
            change = _verdict(key, facts, parts.get(key[1], []), wanted[key])
            if change is not None:
                changes.append(change)
    return changes


def _verdict(key: Key, facts: Facts, parts: Sequence[tuple[int, str, str | None]], at: int) -> Change | None:
    states = [state for _, state, _ in parts]
    decision = verdict(states, decode_detail(facts.detail).segments)
    if decision is None:
        return None
    reason = next((report or "" for _, state, report in sorted(parts) if state == decision), "")
    delivered = states.count("delivered")
    return Change(
        key,
        _EVENTS[decision],
        at or facts.updated,
        "carrier",
        reason,
        succeeded=delivered,
        failed=len(states) - delivered - states.count("submitted"),
    )
