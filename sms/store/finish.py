"""Moving messages to the state that follows, with everything that hangs on it, inside one transaction.

Whatever ends a message passes here: the state by its table and by compare-and-set, the timeline entry, and
the delivery report to the application, committed together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from sms.events import DELIVERY_REPORT, DeliveryAttempt, DeliveryReport, delivery_report_event
from sms.message import Outbound, SmsDetail, wire_id
from sms.states import ENDED, OUTBOUND, MessageEvent, MessageState
from sms.store.sql import among
from telephony.events.event import Event
from telephony.events.store import Delivery, Matching, Publication, publish_many
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.timeline import Entry, append_many

if TYPE_CHECKING:
    from sms.compliance.store import Compliance  # which needs this module
    from sms.esme.outbox import Outbox  # likewise
    from sms.inward.placing import Inward  # likewise

Key = tuple[ResourceId, InteractionId]
"""What a message is found by."""

MAX_SOURCE: Final = 32
"""Characters of a timeline entry's source: the width of its column."""

decode_detail: Final = msgspec.json.Decoder(SmsDetail).decode


class Facts(NamedTuple):
    """What a report tells of a message beyond its end."""

    own: str
    peer: str
    updated: int
    detail: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a message, and why."""

    key: Key
    event: MessageEvent
    at: int
    source: str
    reason: str = ""
    """In words, for the application's `deliveryStatusDetails` and the timeline."""
    succeeded: int = 0
    """Segments delivered so far."""
    failed: int = 0
    """Segments that failed."""
    due: int | None = None
    """When to look at it again; only for a message that goes on. One value for many messages is cheap."""


class _Step(NamedTuple):
    """What an event does, whatever the state before."""

    new: MessageState
    over: bool
    statement: str


def _step(event: MessageEvent) -> _Step:
    (new,) = {new for (_, happened), new in OUTBOUND.table.items() if happened is event}
    olds = ", ".join(f"'{old.value}'" for old, happened in OUTBOUND.table if happened is event)
    over = new in ENDED
    times = "due = NULL, ended = ?" if over else "due = COALESCE(?, due)"
    return _Step(
        new,
        over,
        f"UPDATE interactions SET state = '{new.value}', version = version + 1, node = NULL, updated = ?, "  # noqa: S608 - words of ours
        f"{times} WHERE resource = ? AND id {{ids}} AND state IN ({olds}) RETURNING id",
    )


_GIVE_WORK: Final = frozenset(
    {MessageEvent.CLAIM, MessageEvent.RELEASE, MessageEvent.REROUTE, MessageEvent.REQUEUE}
)
"""Events whose jobs say who works on the message then."""

_STEPS: Final[dict[MessageEvent, _Step]] = {
    event: _step(event) for event in MessageEvent if event not in _GIVE_WORK
}
_FACTS: Final = "SELECT id, own, peer, updated, detail FROM interactions WHERE resource = ? AND id {ids}"


@dataclass(slots=True)
class Finisher:
    """The collaborators of a change, and what it leaves behind."""

    node: NodeId
    subscriptions: Matching
    compliance: "Compliance | None" = None
    """What is done about words in inbound texts; None: nothing."""
    deliveries: list[Delivery] = field(default_factory=list)
    """Webhook deliveries made; the caller hands them on after the commit."""
    replies: list[tuple[str, Outbound]] = field(default_factory=list)
    """Automatic answers accepted, each with its carrier: likewise."""
    esmes: "Outbox | None" = None
    """What SMPP accounts are told; None: nothing."""
    woken: set[str] = field(default_factory=set)
    """SMPP accounts for which something waits since: likewise."""
    inward: "Inward | None" = None
    """Decides where inbound texts go; None: to whoever of their resource asked for them."""
    placed: dict[str, int] = field(default_factory=dict)
    """Texts by where they went (`sms.inward.metrics`): likewise."""
    forwards: int = 0
    """Texts that are to be sent on: likewise."""

    def apply(
        self, tx: Connection, changes: Iterable[Change], known: Mapping[Key, Facts] | None = None
    ) -> list[Key]:
        """Apply changes that their messages' states allow; return the keys of those applied.

        A change that the state does not allow any more is dropped: somebody was faster. `known` are facts
        that the caller has read already.
        """
        groups: dict[tuple[ResourceId, MessageEvent, int | None], dict[InteractionId, Change]] = {}
        for change in changes:
            resource, identifier = change.key
            groups.setdefault((resource, change.event, change.due), {}).setdefault(identifier, change)
        applied: list[Key] = []
        for (resource, event, due), group in groups.items():
            step = _STEPS[event]
            identifiers = sorted(group)  # one order of locking: no two nodes wait for each other
            facts = self._facts(tx, resource, identifiers, known) if step.over else {}
            at = max(change.at for change in group.values())
            before = (at, at if step.over else due, resource)
            won = [
                InteractionId(bytes(row[0])) for row in among(tx, step.statement, identifiers, before=before)
            ]
            if step.over:
                self._tell(
                    tx, resource, step.new, [(group[identifier], facts[identifier]) for identifier in won]
                )
            applied += [(resource, identifier) for identifier in won]
        return applied

    def wanted(self, resource: ResourceId, event_type: str) -> bool:
        """Tell whether anybody wants such events: most messages' nobody does, and they cost."""
        return bool(self.subscriptions.matching(resource, event_type))

    def publish(self, tx: Connection, publications: Sequence[Publication], now: int) -> None:
        """Write deliveries of events for whoever subscribed to them."""
        self.deliveries += publish_many(
            tx, publications, subscriptions=self.subscriptions, node=self.node, now=now
        )

    def _facts(
        self,
        tx: Connection,
        resource: ResourceId,
        identifiers: Sequence[InteractionId],
        known: Mapping[Key, Facts] | None,
    ) -> Mapping[InteractionId, Facts]:
        facts: dict[InteractionId, Facts] = {}
        missing: list[InteractionId] = []
        for identifier in identifiers:
            one = known.get((resource, identifier)) if known else None
            if one is None:
                missing.append(identifier)
            else:
                facts[identifier] = one
        for identifier, *rest in among(tx, _FACTS, missing, before=(resource,)):
            facts[InteractionId(bytes(identifier))] = Facts(*rest)
        return facts

    def _tell(
        self,
        tx: Connection,
        resource: ResourceId,
        new: MessageState,
        ended: Sequence[tuple[Change, Facts]],
    ) -> None:
        entries: list[Entry] = []
        reports: list[Publication] = []
        kind = f"message.{new.value}"
        wanted = self.wanted(resource, DELIVERY_REPORT)
        for change, facts in ended:
            identifier = change.key[1]
            data = {"reason": change.reason} if change.reason else None
            entries.append(
                Entry(resource, identifier, change.at, self.node, change.source[:MAX_SOURCE], kind, data)
            )
            report = _report(facts, change, new) if wanted else None
            if report is not None:
                reports.append(Publication(resource, identifier, (report,)))
        append_many(tx, entries)
        if self.esmes is not None:
            self.woken |= self.esmes.ended(tx, resource, new, ended)
        if reports:
            self.publish(tx, reports, max(change.at for change, _ in ended))


def _report(facts: Facts, change: Change, new: MessageState) -> Event | None:
    """Return the delivery report the application asked for, or None."""
    detail = decode_detail(facts.detail)
    if not detail.report:
        return None
    delivered = new is MessageState.DELIVERED
    return delivery_report_event(
        change.at,
        DeliveryReport(
            message_id=wire_id(change.key[1], "outbound"),
            from_=facts.own,
            to=facts.peer,
            delivery_status="Delivered" if delivered else "Failed",
            delivery_status_details="No error." if delivered else change.reason,
            received_timestamp=to_iso(change.at),
            delivery_attempts=(
                DeliveryAttempt(
                    timestamp=to_iso(facts.updated),
                    segments_succeeded=detail.segments if delivered else change.succeeded,
                    segments_failed=0 if delivered else change.failed or detail.segments - change.succeeded,
                ),
            ),
            tag=detail.tag,
        ),
    )
