"""Inbound messages that come again because the carrier did not get our answer.

The same words from the same sender are no repetition by themselves: people do say "OK" twice. They are one
only while the first one's answer is in doubt: its link was lost soon after it, the process that answered it
died, or the answer was late or refused (`InboundSms.suspect`). Each message is repeated once for each doubt.
A message with the carrier's own id is known by that, doubt or not. See decision 5.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from sqlalchemy import Connection, delete, func, select, tuple_, update

from sms.reassembly import Repetition
from sms.store.finish import Key
from sms.store.inbound_tables import inbound_seen
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import nodes

DOUBT_SECONDS: Final = 10
"""An answer that went out this long before its connection was lost has certainly reached the carrier."""

BEFORE_INBOUND: Final = -3
"""The `order` of what must be written before the messages of its group are."""

SENT, DOUBTFUL, CERTAIN = 0, 1, 2
"""What is known of an answer: it went out; the carrier may not have got it; it certainly has."""

_T = inbound_seen.c


@dataclass(slots=True)
class _Row:
    digest: bytes
    key: Key
    carrier: str
    link: str
    node: NodeId
    at: int
    answer: int
    expires: int
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that may have been here before."""

    repetition: Repetition
    carrier: str
    link: str
    at: int
    named: bool
    """Whether the carrier gave it an id."""
    suspect: bool
    """Whether this node knows that an answer to such a message was late, or asked for another try."""


class Seen:
    """The messages of the last minutes, as far as a job's own may repeat them."""

    def __init__(self, tx: Connection, node: NodeId, candidates: Iterable[Candidate]) -> None:
        self._tx = tx
        self._node = node
        self._rows: dict[bytes, list[_Row]] = {}
        digests = sorted({candidate.repetition.digest for candidate in candidates})
        if digests:
            found = tx.execute(select(inbound_seen).where(_T.digest.in_(digests)).order_by(_T.at, _T.message))
            for row in found:
                key = (ResourceId(row.resource), InteractionId(row.message))
                self._rows.setdefault(row.digest, []).append(
                    _Row(
                        row.digest,
                        key,
                        row.carrier,
                        row.link,
                        NodeId(row.node),
                        row.at,
                        row.answer,
                        row.expires,
                    )
                )

    def first(self, candidate: Candidate) -> Key | None:
        """Return the message that a candidate repeats, and hold it for answered now; None when it is new."""
        for row in self._rows.get(candidate.repetition.digest, ()):
            if row.at < candidate.repetition.since:
                continue
            if candidate.named or candidate.suspect or self._in_doubt(row, candidate.at):
                self._answered_again(row, candidate)
                return row.key
        return None

    def add(self, candidate: Candidate, key: Key) -> None:
        """Remember a new message."""
        digest, since = candidate.repetition
        expires = 2 * candidate.at - since  # as long as it counts
        self._rows.setdefault(digest, []).append(
            _Row(
                digest,
                key,
                candidate.carrier,
                candidate.link,
                self._node,
                candidate.at,
                SENT,
                expires,
                True,
            )
        )

    def write(self) -> None:
        """Write what changed."""
        changed = [row for rows in self._rows.values() for row in rows if row.changed]
        if not changed:
            return
        keys = [(row.digest, row.key[1], row.node) for row in changed]
        self._tx.execute(delete(inbound_seen).where(tuple_(_T.digest, _T.message, _T.node).in_(keys)))
        insert_rows(
            self._tx,
            inbound_seen,
            [
                (
                    row.digest,
                    row.key[1],
                    row.node,
                    row.key[0],
                    row.carrier,
                    row.link,
                    row.at,
                    row.answer,
                    row.expires,
                )
                for row in changed
            ],
        )

    def _answered_again(self, row: _Row, candidate: Candidate) -> None:
        rows = self._rows[row.digest]
        row.answer, row.changed = CERTAIN, True
        ours = next((each for each in rows if each.key == row.key and each.node == self._node), None)
        if ours is None:  # another node's row stays: when that node died is told by its last one
            ours = replace(row, node=self._node)
            rows.append(ours)
        ours.link, ours.answer, ours.changed = candidate.link, SENT, True

    def _in_doubt(self, row: _Row, now: int) -> bool:
        """Tell whether the carrier may not have got an answer: also of a node that died soon after it."""
        if row.answer != SENT or row.node == self._node:
            return row.answer == DOUBTFUL
        lease = self._tx.execute(select(nodes.c.lease_until).where(nodes.c.id == row.node)).scalar()
        if lease is not None and lease > now:
            return False
        last = self._tx.execute(select(func.max(_T.at)).where(_T.node == row.node)).scalar()
        return last is not None and row.at >= last - DOUBT_SECONDS * SECOND


@dataclass(frozen=True, slots=True)
class DoubtAnswers:
    """Put the answers in doubt that went out on links shortly before these were lost."""

    node: NodeId
    carrier: str
    links: Sequence[str]
    now: int

    order: ClassVar[int] = BEFORE_INBOUND

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        tx.execute(
            update(inbound_seen)
            .where(
                _T.node == self.node,
                _T.at >= self.now - DOUBT_SECONDS * SECOND,
                _T.carrier == self.carrier,
                _T.link.in_(sorted(set(self.links))),
            )
            .values(answer=DOUBTFUL)
        )


@dataclass(frozen=True, slots=True)
class TrustAnswers:
    """Hold the answers that are in no doubt for certain: the node stops in order, and its end casts none."""

    node: NodeId
    carrier: str

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        tx.execute(
            update(inbound_seen)
            .where(_T.node == self.node, _T.carrier == self.carrier, _T.answer == SENT)
            .values(answer=CERTAIN)
        )
