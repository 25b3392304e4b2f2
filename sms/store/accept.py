"""The job that turns a request into messages: after its commit the answer may say 202."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import msgspec
from sqlalchemy import Connection

from sms.message import KIND, SmsDetail
from sms.states import OUTBOUND
from sms.store.rows import interaction_row
from telephony.kernel.http.repeatability import Call, Claim, Pair, Refused, Repeated, claim_many, fingerprint
from telephony.kernel.ids import InteractionId, NodeId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many

OPERATION: Final = "sms.send"


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one."""

    id: InteractionId | None
    """The first one's when the request was a repetition; None when it was refused."""
    repeated: bool = False
    refused: str = ""
    """Why, in words."""


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

    order: ClassVar[int] = 0

    def __call__(self, tx: Connection) -> list[Accepted]:
        """See `telephony.kernel.store.jobs.Job`."""
        return self.together(tx, [self])[0]

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[list[Accepted]]:
        """See `telephony.kernel.store.jobs.BatchJob`."""
        claims = _claims(tx, jobs)
        interaction_rows: list[tuple[object, ...]] = []
        body_rows: list[tuple[object, ...]] = []
        entries: list[Entry] = []
        results: list[list[Accepted]] = []
        for job in jobs:
            answers: list[Accepted] = []
            for message in job.messages:
                claim = claims.get(message.id)
                if isinstance(claim, Repeated):
                    answers.append(Accepted(InteractionId(claim.response), repeated=True))
                elif isinstance(claim, Refused):
                    answers.append(Accepted(None, refused=claim.reason))
                else:
                    interaction_rows.append(_interaction_row(job, message))
                    body_rows.append((message.resource, message.id, message.text, job.body_until))
                    entries.append(_accepted_entry(job, message))
                    answers.append(Accepted(message.id))
            results.append(answers)
        insert_rows(tx, interactions, interaction_rows)
        insert_rows(tx, bodies, body_rows)
        append_many(tx, entries)
        return results


def _claims(tx: Connection, jobs: Sequence[AcceptMessages]) -> Mapping[InteractionId, Claim]:
    """Claim the repeatability ids of a group; the answer to come is the message's id."""
    repeatable: list[InteractionId] = []
    calls: list[Call] = []
    for job in jobs:
        for message in job.messages:
            if message.repeat is not None:
                asked = fingerprint(
                    message.own, message.peer, message.text, msgspec.json.encode(message.detail)
                )
                repeatable.append(message.id)
                calls.append(Call(message.resource, message.repeat, OPERATION, asked, message.id))
    if not calls:
        return {}
    now = max(job.now for job in jobs)
    return dict(zip(repeatable, claim_many(tx, calls, now=now), strict=True))


def _interaction_row(job: AcceptMessages, message: NewMessage) -> tuple[object, ...]:
    return interaction_row(
        resource=message.resource,
        id=message.id,
        kind=KIND,
        direction="outbound",
        state=OUTBOUND.initial.value,
        version=1,
        own=message.own,
        peer=message.peer,
        carrier=message.carrier,
        node=job.node,
        due=job.expires,
        created=job.now,
        updated=job.now,
        detail=msgspec.json.encode(message.detail),
    )


def _accepted_entry(job: AcceptMessages, message: NewMessage) -> Entry:
    data = {
        "segments": message.detail.segments,
        "alphabet": message.detail.alphabet,
        "request": job.request_id,
    }
    return Entry(message.resource, message.id, job.now, job.node, "http", "message.accepted", data)
