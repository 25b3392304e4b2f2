"""Opt-outs in the store.

Whether a recipient has opted out is looked up in the transaction that accepts a message for it. SQLite has
one writer, so that is enough there. On PostgreSQL another gateway may be writing an opt-out at that moment:
whoever writes opt-outs holds a lock that excludes those who accept messages, until its commit. Jobs that
write opt-outs stand first in their group (`order`), so that no gateway asks for the lock that excludes while
it holds the other: two would wait for each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from sqlalchemy import Connection, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from sms.message import KIND
from sms.optouts.tables import opt_outs
from sms.states import MessageEvent, MessageState
from sms.store.finish import Change, Finisher
from sms.store.sql import among
from telephony.kernel.ids import ResourceId
from telephony.kernel.store.schema import interactions

Pair = tuple[ResourceId, str, str]
"""Resource, its number, the recipient."""

FIRST: Final = -1
"""The `order` of a job that may write opt-outs."""

REFUSED: Final = "4007: The recipient has opted out of messages from this sender."
"""What an application is told. 4007 is ACS's code for it among those of delivery reports."""

SOURCE: Final = "opt-outs"
"""The source of such a refusal in a message's timeline."""

_LOCK: Final = 0x54_4E_44_4D_4F_50_54_00
"""The key of the advisory lock on PostgreSQL: "TNDMOPT" and a zero."""

_FIND: Final = "SELECT peer FROM opt_outs WHERE resource = ? AND own = ? AND peer {ids}"


def lock_to_change(tx: Connection) -> None:
    """Keep every other gateway from accepting messages until this transaction's end."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def lock_to_rely(tx: Connection) -> None:
    """Keep opt-outs as they are until this transaction's end."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")


def opted_out(tx: Connection, pairs: Iterable[Pair]) -> set[Pair]:
    """Return those of `pairs` that are opted out."""
    by_sender: dict[tuple[ResourceId, str], set[str]] = {}
    for resource, own, peer in pairs:
        by_sender.setdefault((resource, own), set()).add(peer)
    return {
        (*sender, peer)
        for sender, peers in by_sender.items()
        for (peer,) in among(tx, _FIND, sorted(peers), before=sender)
    }


def add(tx: Connection, finisher: Finisher, pairs: Sequence[Pair], *, at: int, source: str) -> set[Pair]:
    """Opt recipients out, and end what waits to be sent to them; return those that were not opted out before.

    Call `lock_to_change` first.
    """
    if not pairs:
        return set()
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    key = (opt_outs.c.resource, opt_outs.c.own, opt_outs.c.peer)
    rows = [
        {"resource": resource, "own": own, "peer": peer, "at": at, "source": source}
        for resource, own, peer in sorted(set(pairs))
    ]
    statement = dialect.insert(opt_outs).on_conflict_do_nothing().returning(*key)
    added = {(ResourceId(bytes(row[0])), row[1], row[2]) for row in tx.execute(statement, rows)}
    _end_waiting(tx, finisher, added, at)
    return added


def remove(tx: Connection, pairs: Sequence[Pair]) -> set[Pair]:
    """Undo opt-outs; return those that there were. Call `lock_to_change` first."""
    removed: set[Pair] = set()
    key = (opt_outs.c.resource, opt_outs.c.own, opt_outs.c.peer)
    by_sender: dict[tuple[ResourceId, str], set[str]] = {}
    for resource, own, peer in pairs:
        by_sender.setdefault((resource, own), set()).add(peer)
    for (resource, own), peers in sorted(by_sender.items()):
        same = and_(opt_outs.c.resource == resource, opt_outs.c.own == own)
        rows = tx.execute(delete(opt_outs).where(same, opt_outs.c.peer.in_(sorted(peers))).returning(*key))
        removed |= {(ResourceId(bytes(row[0])), row[1], row[2]) for row in rows}
    return removed


def _end_waiting(tx: Connection, finisher: Finisher, pairs: Iterable[Pair], at: int) -> None:
    """End messages that nobody has begun to send. One that a gateway is claiming now is being sent."""
    table = interactions.c
    changes: list[Change] = []
    for resource, own, peer in sorted(pairs):
        waiting = (
            select(table.id)
            .where(
                table.resource == resource,
                table.peer == peer,
                table.own == own,
                table.state == MessageState.ACCEPTED.value,
                table.kind == KIND,
            )
            .order_by(table.id)
        )
        if tx.dialect.name == "postgresql":
            waiting = waiting.with_for_update(skip_locked=True)
        changes += [
            Change((resource, identifier), MessageEvent.BLOCK, at, SOURCE, REFUSED)
            for identifier in tx.execute(waiting).scalars()
        ]
    finisher.apply(tx, changes)


@dataclass(slots=True)
class AddOptOuts:
    """Opt recipients out of a number; returns the finisher, whose deliveries are to be handed on."""

    finisher: Finisher
    resource: ResourceId
    own: str
    peers: Sequence[str]
    at: int
    source: str = "api"

    order: ClassVar[int] = FIRST

    def __call__(self, tx: Connection) -> Finisher:
        """See `telephony.kernel.store.jobs.Job`."""
        self.finisher.deliveries.clear()  # it may run twice
        lock_to_change(tx)
        pairs = [(self.resource, self.own, peer) for peer in self.peers]
        add(tx, self.finisher, pairs, at=self.at, source=self.source)
        return self.finisher


@dataclass(frozen=True, slots=True)
class RemoveOptOuts:
    """Undo opt-outs from a number; returns how many there were."""

    resource: ResourceId
    own: str
    peers: Sequence[str]

    order: ClassVar[int] = FIRST

    def __call__(self, tx: Connection) -> int:
        """See `telephony.kernel.store.jobs.Job`."""
        lock_to_change(tx)
        return len(remove(tx, [(self.resource, self.own, peer) for peer in self.peers]))


@dataclass(frozen=True, slots=True)
class CheckOptOuts:
    """A query: which of some recipients have opted out of a number."""

    resource: ResourceId
    own: str
    peers: Sequence[str]

    def __call__(self, tx: Connection) -> set[str]:
        """Return those."""
        found = opted_out(tx, ((self.resource, self.own, peer) for peer in self.peers))
        return {peer for _, _, peer in found}
