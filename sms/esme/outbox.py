"""What waits for accounts: written in the transaction that makes it, kept until the account took it.

A row belongs to nobody until a gateway that has a bind of its account claims it. It goes when the account
took it, and waits again when that is not known.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy import Connection, select

from sms.esme.directory import AccountDirectory
from sms.esme.notes import ReceiptNote, TextNote, encode_note, text_notes, wants_receipt
from sms.esme.tables import outbox
from sms.message import MAX_TEXT
from sms.states import MessageState
from sms.store.finish import Change, Facts, decode_detail
from sms.store.sql import among
from sms.text import BARE, Alphabet
from telephony.kernel import ids
from telephony.kernel.clock import DAY
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows

if TYPE_CHECKING:
    from sms.store.inbound import InboundSms  # which needs this module's users

log = structlog.get_logger(__name__)

MARK: Final = b'"account":'
"""In the detail of a message of an account's: in JSON only a name can look like this."""

_Row = tuple[object, ...]
OutboxKey = tuple[ResourceId, str, bytes]
"""Resource, system_id, id."""

_DONE = "DELETE FROM smpp_outbox WHERE resource = ? AND system_id = ? AND node = ? AND id {ids}"
_AGAIN = (
    "UPDATE smpp_outbox SET node = NULL, due = ?, attempts = attempts + ?"
    " WHERE resource = ? AND system_id = ? AND node = ? AND id {ids}"
)
_CLAIM = (
    "UPDATE smpp_outbox SET node = ? WHERE resource = ? AND system_id = ? AND node IS NULL AND id {ids}"
    " RETURNING id, attempts, content"
)


class Outbox:
    """Writes what accounts are to be told. The store's writer calls it, on its own thread."""

    def __init__(self, directory: AccountDirectory, keep_days: int) -> None:
        self._directory = directory
        self._keep = keep_days * DAY
        self.wake: Callable[[Set[str]], None] = lambda _: None
        """Told on the loop, after the commit, for which accounts something waits."""

    def ended(
        self,
        tx: Connection,
        resource: ResourceId,
        state: MessageState,
        ended: Iterable[tuple[Change, Facts]],
    ) -> set[str]:
        """Keep the receipts that were asked for; return the accounts."""
        rows: list[_Row] = []
        woken: set[str] = set()
        for change, facts in ended:
            if MARK not in facts.detail:
                continue
            detail = decode_detail(facts.detail)
            if not wants_receipt(detail.receipt, state) or self._directory.get(detail.account) is None:
                continue
            message = change.key[1]
            note = ReceiptNote(
                message,
                facts.own,
                facts.peer,
                state.value,
                _error_of(change.reason),
                ids.time_of(message),
                change.at,
            )
            rows.append(self._row(resource, detail.account, change.at, encode_note(note)))
            woken.add(detail.account)
        insert_rows(tx, outbox, rows)
        return woken

    def wants(self, resource: ResourceId) -> bool:
        """Tell whether an account wants the resource's inbound messages."""
        return bool(self._directory.inbound(resource))

    def received(
        self, tx: Connection, messages: Iterable[tuple[ResourceId, InteractionId, "InboundSms"]]
    ) -> set[str]:
        """Keep inbound messages for the accounts that want them; return the accounts."""
        rows: list[_Row] = []
        woken: set[str] = set()
        for resource, identifier, message in messages:
            wanting = self._directory.inbound(resource)
            if not wanting:
                continue
            try:
                notes = _notes(message, identifier[7])
            except InvalidRequest as error:  # it is kept and told by webhooks; only SMPP cannot say it
                log.warning("esme.text_cannot_be_delivered", error=error.message)
                continue
            for account in wanting:
                woken.add(account.system_id)
                rows += [
                    self._row(resource, account.system_id, message.at, encode_note(note)) for note in notes
                ]
        insert_rows(tx, outbox, rows)
        return woken

    def _row(self, resource: ResourceId, account: str, at: int, content: bytes) -> _Row:
        return (resource, account, ids.new_id(at), None, at, 0, content, at + self._keep)


def _notes(message: "InboundSms", reference: int) -> Sequence[TextNote]:
    """Return the parts of an inbound message. Raises InvalidRequest."""
    if message.alphabet != Alphabet.BINARY.value:
        return text_notes(message.text[:MAX_TEXT], message.own, message.peer, reference)
    envelope = BARE if message.extras is None else message.extras.envelope
    return text_notes(message.body, message.own, message.peer, reference, envelope)


def _error_of(reason: str) -> str:
    """Return the carrier's error code in what its receipt said (`UNDELIV 001`), or nothing."""
    _, _, code = reason.partition(" ")
    return code if 1 <= len(code) <= 3 and code.isascii() and code.isalnum() else ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that this node sends."""

    key: OutboxKey
    attempts: int
    content: bytes


@dataclass(frozen=True, slots=True)
class ClaimOutbox:
    """Make the oldest rows of an account this node's; returns them in order."""

    node: NodeId
    resource: ResourceId
    system_id: str
    now: int
    limit: int

    def __call__(self, tx: Connection) -> list[Claimed]:
        """See `telephony.kernel.store.jobs.Job`."""
        column = outbox.c
        waiting = (
            select(column.id)
            .where(
                column.resource == self.resource,
                column.system_id == self.system_id,
                column.node.is_(None),
                column.due <= self.now,
                column.expires > self.now,
            )
            .order_by(column.id)
            .limit(self.limit)
        )
        if tx.dialect.name == "postgresql":
            waiting = waiting.with_for_update(skip_locked=True)  # another gateway takes those
        found = [bytes(each) for each in tx.execute(waiting).scalars()]
        rows = among(tx, _CLAIM, found, before=(self.node, self.resource, self.system_id))
        claimed = [
            Claimed((self.resource, self.system_id, bytes(row[0])), row[1], bytes(row[2])) for row in rows
        ]
        return sorted(claimed, key=lambda each: each.key[2])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row that was sent, or could not be."""

    key: OutboxKey
    again: int | None = None
    """When it is sent again; None: it is done."""
    failed: int = 0
    """1 when this counts as a try."""


@dataclass(frozen=True, slots=True)
class SettleOutbox:
    """Write down what became of rows."""

    node: NodeId
    outcomes: Sequence[Outcome]

    def __call__(self, tx: Connection) -> None:
        """See `telephony.kernel.store.jobs.Job`."""
        groups: dict[tuple[ResourceId, str, int | None, int], list[bytes]] = {}
        for outcome in self.outcomes:
            resource, system_id, identifier = outcome.key
            groups.setdefault((resource, system_id, outcome.again, outcome.failed), []).append(identifier)
        for (resource, system_id, again, failed), identifiers in groups.items():
            where = (resource, system_id, self.node)
            if again is None:
                among(tx, _DONE, sorted(identifiers), before=where)
            else:
                among(tx, _AGAIN, sorted(identifiers), before=(again, failed, *where))


@dataclass(frozen=True, slots=True)
class WaitingAccounts:
    """A query: which of some accounts have rows that nobody sends and that are due."""

    accounts: Sequence[tuple[ResourceId, str]]
    now: int

    def __call__(self, tx: Connection) -> set[str]:
        """Return their system_ids."""
        column = outbox.c
        found: set[str] = set()
        for resource, system_id in self.accounts:  # one step in the index each, however many rows wait
            mine = (column.resource == resource, column.system_id == system_id)
            first = select(column.id).where(*mine, column.node.is_(None), column.due <= self.now).limit(1)
            if tx.execute(first).first() is not None:
                found.add(system_id)
        return found


@dataclass(frozen=True, slots=True)
class ClaimedBy:
    """A query: which rows are a node's."""

    node: NodeId

    def __call__(self, tx: Connection) -> list[OutboxKey]:
        """Return their keys."""
        column = outbox.c
        rows = tx.execute(
            select(column.resource, column.system_id, column.id).where(column.node == self.node)
        )
        return [(ResourceId(bytes(row.resource)), row.system_id, bytes(row.id)) for row in rows]
