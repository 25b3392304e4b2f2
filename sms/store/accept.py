"""The job that turns a request into messages: after its commit the answer may say 202.

A message to a recipient that has opted out is refused, and kept as one that failed: who asks later why it
never came finds it.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import msgspec
from msgspec import structs
from sqlalchemy import Connection

from sms.extension import shown
from sms.message import KIND, SmsDetail
from sms.optouts import store as optouts
from sms.states import OUTBOUND, MessageEvent
from sms.store.rows import interaction_row, rank_of
from sms.text import Alphabet
from telephony.kernel.clock import DAY, to_iso
from telephony.kernel.http.repeatability import Call, Claim, Pair, Refused, Repeated, claim_many, fingerprint
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.usage.counters import MESSAGES, Most, add_all, day_of, lock_of
from telephony.usage.record import Charge, Used, record

OPERATION: Final = "sms.send"

_ACCEPTED: Final = OUTBOUND.initial.value
_CLAIMED: Final = OUTBOUND.fire(OUTBOUND.initial, MessageEvent.CLAIM).value

ID_SIZE: Final = 16
_BLOCKED: Final = b"!"
"""Stands behind the id in a remembered answer that was a refusal."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to accept."""

    resource: ResourceId
    id: InteractionId
    own: str
    peer: str
    carrier: str
    text: bytes
    detail: SmsDetail
    repeat: Pair | None = None
    """The recipient's own idempotency id (ACS Sms send, `repeatabilityRequestId`)."""
    not_before: int | None = None
    """When it may be sent at the earliest; until then no node works on it. None: at once."""
    charge: Charge | None = None
    """What it comes to; None: it is not counted."""
    route: str = ""
    """The route that led to the carrier."""
    then: tuple[str, ...] = ()
    """The carriers that stood behind it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one."""

    id: InteractionId | None
    """The first one's when the request was a repetition; None when the repeatability id was refused."""
    repeated: bool = False
    refused: str = ""
    """Why, in words; with an id when the refusal itself is on record."""


@dataclass(slots=True)
class AcceptMessages:
    """Write the messages of one request; one result for each, in order."""

    node: NodeId
    now: int
    request_id: str
    expires: int
    """When an unsubmitted message expires: microseconds UTC."""
    body_until: int
    """When its text may be forgotten."""
    messages: Sequence[NewMessage]
    source: str = "http"
    """Who asked, for the timeline."""
    even_opted_out: bool = False
    """Whether to send also to those who opted out: what confirms just that."""
    claimed: bool = False
    """Whether the messages are claimed at once: a dispatcher has reserved room for them."""
    counters: tuple[Most, ...] = ()
    """What the day's limits are: `MESSAGES` counts messages, any other what they cost. Raises OverLimit."""

    order: ClassVar[int] = 0

    def __call__(self, tx: Connection) -> list[Accepted]:
        """See `telephony.kernel.store.jobs.Job`."""
        return self.together(tx, [self])[0]

    def locks(self) -> set[int]:
        """See `telephony.kernel.store.jobs.LockingJob`."""
        return {lock_of(each) for each in {one.resource for one in self.messages}} if self.counters else set()

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[list[Accepted]]:
        """See `telephony.kernel.store.jobs.BatchJob`."""
        optouts.lock_to_rely(tx)
        blocked = optouts.opted_out(
            tx,
            (
                (message.resource, message.own, message.peer)
                for job in jobs
                if not job.even_opted_out
                for message in job.messages
            ),
        )
        claims = _claims(tx, jobs, blocked)
        interaction_rows: list[tuple[object, ...]] = []
        body_rows: list[tuple[object, ...]] = []
        entries: list[Entry] = []
        results: list[list[Accepted]] = []
        counted = _Counted()
        for job in jobs:
            answers: list[Accepted] = []
            for message in job.messages:
                claim = claims.get(message.id)
                if isinstance(claim, Repeated):
                    answers.append(_again(claim))
                elif isinstance(claim, Refused):
                    answers.append(Accepted(None, refused=claim.reason))
                elif not job.even_opted_out and _pair(message) in blocked:
                    interaction_rows.append(_blocked_row(job, message))
                    entries.append(_blocked_entry(job, message))
                    answers.append(Accepted(message.id, refused=optouts.REFUSED))
                else:
                    interaction_rows.append(_interaction_row(job, message))
                    body_rows.append((message.resource, message.id, message.text, job.body_until))
                    entries.append(_accepted_entry(job, message))
                    answers.append(Accepted(message.id))
                    if message.charge is not None:
                        counted.add(job, message, message.charge)
            results.append(answers)
        counted.write(tx)
        insert_rows(tx, interactions, interaction_rows)
        insert_rows(tx, bodies, body_rows)
        append_many(tx, entries)
        return results


@dataclass(slots=True)
class AcceptTogether:
    """Write the messages of one request that leave by several carriers: all of them, or none."""

    jobs: Sequence[AcceptMessages]

    order: ClassVar[int] = 0

    def __call__(self, tx: Connection) -> list[list[Accepted]]:
        """See `telephony.kernel.store.jobs.Job`."""
        return AcceptMessages.together(tx, self.jobs)


class _Counted:
    """What a group's messages add up to: of each counter and of the day's usage, a few rows."""

    def __init__(self) -> None:
        self._amounts: dict[tuple[ResourceId, int, Most], int] = {}
        self._used: dict[tuple[NodeId, ResourceId, int, str, Charge], int] = {}

    def add(self, job: AcceptMessages, message: NewMessage, charge: Charge) -> None:
        """Count a message that is accepted."""
        day = day_of(job.now)
        for counter in job.counters:
            key = (message.resource, day, counter)
            amount = 1 if counter.name == MESSAGES else charge.price
            self._amounts[key] = self._amounts.get(key, 0) + amount
        used = (job.node, message.resource, day, message.carrier, charge)
        self._used[used] = self._used.get(used, 0) + 1

    def write(self, tx: Connection) -> None:
        """Add it to what is in the store. Raises OverLimit."""
        add_all(tx, self._amounts)
        by_node: dict[NodeId, list[Used]] = {}
        for (node, resource, day, carrier, charge), times in self._used.items():
            entry = Used(resource, day * DAY, carrier, KIND, "outbound", charge, times)
            by_node.setdefault(node, []).append(entry)
        for node, entries in by_node.items():
            record(tx, node, entries)


def _pair(message: NewMessage) -> optouts.Pair:
    return message.resource, message.own, message.peer


def _again(claim: Repeated) -> Accepted:
    """Return the first answer again: what was refused then is refused now."""
    refused = optouts.REFUSED if claim.response[ID_SIZE:] == _BLOCKED else ""
    return Accepted(InteractionId(claim.response[:ID_SIZE]), repeated=True, refused=refused)


def _claims(
    tx: Connection, jobs: Sequence[AcceptMessages], blocked: Set[optouts.Pair]
) -> Mapping[InteractionId, Claim]:
    """Claim the repeatability ids of a group; the answer to come is the message's id, marked if blocked."""
    repeatable: list[InteractionId] = []
    calls: list[Call] = []
    for job in jobs:
        for message in job.messages:
            if message.repeat is not None:
                asked = fingerprint(message.own, message.peer, message.text, _wishes(message.detail))
                repeatable.append(message.id)
                answer = message.id + _BLOCKED if _pair(message) in blocked else message.id
                calls.append(Call(message.resource, message.repeat, OPERATION, asked, answer))
    if not calls:
        return {}
    now = max(job.now for job in jobs)
    return dict(zip(repeatable, claim_many(tx, calls, now=now), strict=True))


def _wishes(detail: SmsDetail) -> bytes:
    """Return what was asked for, without what follows from the carrier: a repetition may get another."""
    octets = detail.alphabet == Alphabet.BINARY.value
    return msgspec.json.encode(
        structs.replace(
            detail, segments=1, alphabet=detail.alphabet if octets else "", cost=0, cost_currency=""
        )
    )


def _interaction_row(job: AcceptMessages, message: NewMessage) -> tuple[object, ...]:
    return interaction_row(
        resource=message.resource,
        id=message.id,
        kind=KIND,
        direction="outbound",
        state=_CLAIMED if job.claimed else _ACCEPTED,
        version=1,
        own=message.own,
        peer=message.peer,
        carrier=message.carrier,
        node=job.node if message.not_before is None else None,
        rank=rank_of(message.detail.priority),
        due=job.expires if message.not_before is None else message.not_before,
        created=job.now,
        updated=job.now,
        detail=msgspec.json.encode(message.detail),
        **_priced(message.charge),
    )


def _priced(charge: Charge | None) -> dict[str, object]:
    if charge is None or not charge.currency:
        return {}
    return {"price": charge.price, "currency": charge.currency}


def _accepted_entry(job: AcceptMessages, message: NewMessage) -> Entry:
    data: dict[str, object] = {
        "segments": message.detail.segments,
        "alphabet": message.detail.alphabet,
        "request": job.request_id,
    }
    if message.route:
        data["carrier"], data["route"] = message.carrier, message.route
    if message.then:
        data["then"] = message.then
    if message.charge is not None and message.charge.currency:
        data["price"], data["currency"] = message.charge.price, message.charge.currency
    if message.not_before is not None:
        data["not_before"] = to_iso(message.not_before)
    if message.detail.extras is not None or message.detail.priority:
        data |= msgspec.to_builtins(shown(message.detail.extras, message.detail.priority)) or {}
    return Entry(message.resource, message.id, job.now, job.node, job.source, "message.accepted", data)


def _blocked_row(job: AcceptMessages, message: NewMessage) -> tuple[object, ...]:
    return interaction_row(
        resource=message.resource,
        id=message.id,
        kind=KIND,
        direction="outbound",
        state=OUTBOUND.fire(OUTBOUND.initial, MessageEvent.BLOCK).value,
        version=1,
        own=message.own,
        peer=message.peer,
        carrier=message.carrier,
        created=job.now,
        updated=job.now,
        ended=job.now,
        detail=msgspec.json.encode(structs.replace(message.detail, uncounted=True)),
    )


def _blocked_entry(job: AcceptMessages, message: NewMessage) -> Entry:
    data = {"reason": optouts.REFUSED, "request": job.request_id}
    return Entry(message.resource, message.id, job.now, job.node, optouts.SOURCE, "message.failed", data)
