"""The jobs between the store and a carrier: claim before sending, record every answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from sms.receipt_forms import same_party
from sms.receipts import RECEIPT_DECODER, KeptReceipt
from sms.states import ENDED, OUTBOUND, MessageEvent, MessageState
from sms.store.finish import MAX_SOURCE, Change, Finisher, Key
from sms.store.receipts import EARLY_BY, MatchedReceipt, Part, came_at, match, settle
from sms.store.sql import among, insert_new, insert_rows
from sms.store.tables import early_receipts, parts
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.timeline import Entry, append_many

_CLAIMED: Final = OUTBOUND.fire(MessageState.ACCEPTED, MessageEvent.CLAIM).value
_RELEASED: Final = OUTBOUND.fire(MessageState.SUBMITTING, MessageEvent.RELEASE).value

# One that is claimed already was so by the same claim, whose commit's answer was lost: nobody else claims.
_CLAIM: Final = (
    f"UPDATE interactions SET state = '{_CLAIMED}', version = version + 1, updated = ?"  # noqa: S608 - words of ours
    f" WHERE resource = ? AND id {{ids}} AND state IN ('accepted', '{_CLAIMED}') AND node = ? RETURNING id"
)
_CLAIM_OF: Final = _CLAIM.replace(" RETURNING", " AND carrier = ? RETURNING")
_RELEASE: Final = (
    f"UPDATE interactions SET state = '{_RELEASED}', version = version + 1, updated = ?"  # noqa: S608 - words of ours
    f" WHERE resource = ? AND id {{ids}} AND state = 'submitting' AND node = ? RETURNING id"
)
_EARLY: Final = (
    "SELECT remote_id, id, receipt, expires FROM early_receipts"
    " WHERE carrier = ? AND remote_id {ids} ORDER BY id"
)
_STATES: Final = "SELECT id, state FROM interactions WHERE resource = ? AND id {ids}"
_OVER: Final = frozenset(state.value for state in ENDED)
_DROP_EARLY: Final = "DELETE FROM early_receipts WHERE carrier = ? AND remote_id {ids}"


@dataclass(frozen=True, slots=True)
class ClaimMessages:
    """Mark messages as about to be sent; the result holds those that were still waiting.

    After a crash exactly these may be on the wire without an answer, and no others.
    """

    node: NodeId
    now: int
    keys: Sequence[Key]
    carrier: str | None = None
    """Whose they must be still: they may have moved to another meanwhile. None: anybody's."""

    def __call__(self, tx: Connection) -> set[InteractionId]:
        """See `telephony.kernel.store.jobs.Job`."""
        if self.carrier is not None:
            after = (self.node, self.carrier)
            return _move(tx, _CLAIM_OF, self.node, self.now, self.keys, after)
        return _move(tx, _CLAIM, self.node, self.now, self.keys)


@dataclass(frozen=True, slots=True)
class ReleaseMessages:
    """Give claimed messages back that the carrier certainly has nothing of; the result holds those."""

    node: NodeId
    now: int
    keys: Sequence[Key]

    def __call__(self, tx: Connection) -> set[InteractionId]:
        """See `telephony.kernel.store.jobs.Job`."""
        return _move(tx, _RELEASE, self.node, self.now, self.keys)


def _move(
    tx: Connection,
    statement: str,
    node: NodeId,
    now: int,
    keys: Iterable[Key],
    after: tuple[object, ...] = (),
) -> set[InteractionId]:
    moved: set[InteractionId] = set()
    for resource, identifiers in by_resource(keys).items():
        for (identifier,) in among(
            tx, statement, identifiers, before=(now, resource), after=after or (node,)
        ):
            moved.add(InteractionId(bytes(identifier)))
    return moved


def by_resource(keys: Iterable[Key]) -> Mapping[ResourceId, list[InteractionId]]:
    """Return the ids of each resource, in order."""
    found: dict[ResourceId, list[InteractionId]] = {}
    for resource, identifier in keys:
        found.setdefault(resource, []).append(identifier)
    return found


@dataclass(frozen=True, slots=True)
class Submitted:
    """A part that a carrier took."""

    key: Key
    part: int
    total: int
    carrier: str
    link: str
    remote_id: str
    """As receipts are compared with it (see `sms.receipts.match_id`)."""
    at: int
    last: bool
    """Whether every part of the message is taken now."""
    wait: int
    """Seconds to wait for receipts; used with `last`."""
    late: bool = False
    """Whether the message was over by then: it may have been sent anew since, with other ids."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A message that ends without the carrier having taken it."""

    key: Key
    event: MessageEvent
    at: int
    source: str
    reason: str
    succeeded: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth an entry in the timeline that changes no state."""

    key: Key
    at: int
    source: str
    kind: str
    data: Any


Outcome = Submitted | Ended | Noted


@dataclass(slots=True)
class RecordOutcomes:
    """Write down what carriers answered; returns the finisher, whose deliveries are to be handed on."""

    finisher: Finisher
    outcomes: Sequence[Outcome]

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        node = self.finisher.node
        taken = [outcome for outcome in self.outcomes if isinstance(outcome, Submitted)]
        late = [one for one in taken if one.late]
        if late:
            taken = [one for one in taken if not one.late]
        _insert_parts(tx, taken)
        append_many(
            tx, [_entry(node, outcome) for outcome in self.outcomes if not isinstance(outcome, Ended)]
        )
        at = max((one.at for one in taken), default=0)
        changes = [
            # Microseconds do not matter for when to give up, and one value is one statement.
            Change(one.key, MessageEvent.SUBMIT, one.at, one.link, due=at + one.wait * SECOND)
            for one in taken
            if one.last
        ]
        changes += [
            Change(one.key, one.event, one.at, one.source, one.reason, succeeded=one.succeeded)
            for one in self.outcomes
            if isinstance(one, Ended)
        ]
        self.finisher.apply(tx, changes)
        if late:  # after the changes, which may hold the very end of such a message
            late = _still_over(tx, late)
            _insert_parts(tx, late)
            taken += late
        # Receipts may have overtaken the response, or have come for the first parts of a long text already.
        early = take_early(tx, taken)
        long_ones = [one.key for one in taken if one.last and one.total > 1]
        if early or long_ones:
            settle(tx, self.finisher, early, also=long_ones)
        return self.finisher


def _insert_parts(tx: Connection, taken: Sequence[Submitted]) -> None:
    insert_new(
        tx,
        parts,
        [
            (*one.key, one.part, one.carrier, one.remote_id, one.link, "submitted", one.at, None, None)
            for one in taken
        ],
    )


def _still_over(tx: Connection, late: Sequence[Submitted]) -> list[Submitted]:
    """Return those whose message nobody has sent again since it was over.

    An answer to the old sending must not stand for a part of the new one: its receipt would decide about a
    message it does not belong to.
    """
    lock = " ORDER BY id FOR UPDATE" if tx.dialect.name == "postgresql" else ""
    over: set[Key] = set()
    for resource, identifiers in by_resource(one.key for one in late).items():
        for identifier, state in among(tx, _STATES + lock, sorted(set(identifiers)), before=(resource,)):
            if state in _OVER:
                over.add((resource, InteractionId(bytes(identifier))))
    return [one for one in late if one.key in over]


def _entry(node: NodeId, outcome: Submitted | Noted) -> Entry:
    if isinstance(outcome, Noted):
        return Entry(*outcome.key, outcome.at, node, outcome.source[:MAX_SOURCE], outcome.kind, outcome.data)
    data: dict[str, object] = {
        "part": outcome.part,
        "carrier": outcome.carrier,
        "remote_id": outcome.remote_id,
    }
    if outcome.late:
        data["late"] = True
    return Entry(*outcome.key, outcome.at, node, f"link:{outcome.link}"[:MAX_SOURCE], "part.submitted", data)


def take_early(tx: Connection, taken: Sequence[Submitted]) -> list[MatchedReceipt]:
    """Return and delete the receipts that were waiting for these parts, in the order in which they came.

    Those that are not of these parts after all, by their age or recipient, wait on.
    """
    remote_ids: dict[str, dict[str, int]] = {}
    for one in taken:
        if one.remote_id:
            remote_ids.setdefault(one.carrier, {})[one.remote_id] = one.at
    matched: list[MatchedReceipt] = []
    for carrier, wanted in remote_ids.items():
        rows = among(tx, _EARLY, sorted(wanted), before=(carrier,))
        if not rows:
            continue
        waiting = sorted({row[0] for row in rows})
        among(tx, _DROP_EARLY, waiting, before=(carrier,))
        known = match(tx, ((carrier, remote_id) for remote_id in waiting))
        others: list[tuple[object, ...]] = []
        for remote_id, identifier, body, expires in rows:
            part = known.get((carrier, remote_id))
            kept = RECEIPT_DECODER.decode(body)
            at = came_at(expires)
            if part is None or at < wanted[remote_id] - EARLY_BY or _of_another(kept, part):
                others.append((carrier, remote_id, identifier, body, expires))
            else:
                matched.append(MatchedReceipt(kept, at, *part))
        insert_rows(tx, early_receipts, others)
    return matched


def _of_another(kept: KeptReceipt, part: Part) -> bool:
    return bool(kept.parties) and same_party(kept.parties, part[4].peer) is False
