"""The job that keeps an inbound message; the carrier is answered after its commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec
from sqlalchemy import Connection

from sms.compliance.words import Spoken
from sms.events import RECEIVED, ReceivedSms, received_event
from sms.message import KIND, SmsDetail, wire_id
from sms.optouts import store as optouts
from sms.states import INBOUND
from sms.store.finish import MAX_SOURCE, Finisher
from sms.store.rows import interaction_row
from sms.store.sql import among
from telephony.events.event import Event
from telephony.events.store import Publication
from telephony.kernel import ids
from telephony.kernel.clock import to_iso
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many

_OWNERS: Final = "SELECT number, resource, carrier FROM numbers WHERE number {ids}"

_Owner = tuple[ResourceId, str]
"""The resource that has a number, and the carrier through which the number sends."""


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message as it came in."""

    carrier: str
    link: str
    at: int
    own: str
    """The number it was sent to."""
    peer: str
    """Whoever sent it."""
    text: str
    """What an application is told; empty for octets that are no text."""
    body: bytes
    """What is kept: the text in UTF-8, or octets that are no text."""
    alphabet: str
    segments: int = 1


@dataclass(slots=True)
class RecordInbound:
    """Keep inbound messages of numbers that somebody owns: by default nothing is let in."""

    finisher: Finisher
    body_until: int
    messages: Sequence[InboundSms]

    order: ClassVar[int] = optouts.FIRST

    def __call__(self, tx: Connection) -> tuple[Finisher, list[InteractionId | None]]:
        """Return the finisher and an id for each message, None for a number that nobody owns."""
        self.finisher.deliveries.clear()  # it may run twice
        self.finisher.replies.clear()
        compliance = self.finisher.compliance
        owners = _owners(tx, {message.own for message in self.messages})
        kept: list[InteractionId | None] = []
        rows: list[tuple[object, ...]] = []
        texts: list[tuple[object, ...]] = []
        entries: list[Entry] = []
        events: list[Publication] = []
        spoken: list[Spoken] = []
        for message in self.messages:
            owner = owners.get(message.own)
            if owner is None:
                kept.append(None)
                continue
            resource, carrier = owner
            identifier = InteractionId(ids.new_id(message.at))
            kept.append(identifier)
            detail = SmsDetail(segments=message.segments, alphabet=message.alphabet)
            rows.append(_row(resource, identifier, message, detail))
            texts.append((resource, identifier, message.body, self.body_until))
            data = {"link": message.link, "carrier": message.carrier, "segments": message.segments}
            entries.append(
                Entry(
                    resource,
                    identifier,
                    message.at,
                    self.finisher.node,
                    f"link:{message.link}"[:MAX_SOURCE],
                    "message.received",
                    data,
                )
            )
            if self.finisher.wanted(resource, RECEIVED):
                events.append(Publication(resource, identifier, (_event(identifier, message),)))
            word = None if compliance is None else compliance.words.find(message.text)
            if word is not None:
                spoken.append(
                    Spoken(word, resource, identifier, message.at, message.own, message.peer, carrier)
                )
        insert_rows(tx, interactions, rows)
        insert_rows(tx, bodies, texts)
        append_many(tx, entries)
        if compliance is not None and spoken:
            compliance.obey(tx, self.finisher, spoken)
        if events:
            self.finisher.publish(tx, events, max(message.at for message in self.messages))
        return self.finisher, kept


def _owners(tx: Connection, wanted: set[str]) -> Mapping[str, _Owner]:
    return {
        number: (ResourceId(bytes(resource)), carrier)
        for number, resource, carrier in among(tx, _OWNERS, sorted(wanted))
    }


def _row(
    resource: ResourceId, identifier: InteractionId, message: InboundSms, detail: SmsDetail
) -> tuple[object, ...]:
    return interaction_row(
        resource=resource,
        id=identifier,
        kind=KIND,
        direction="inbound",
        state=INBOUND.initial.value,
        version=1,
        own=message.own,
        peer=message.peer,
        carrier=message.carrier,
        created=message.at,
        updated=message.at,
        ended=message.at,
        detail=msgspec.json.encode(detail),
    )


def _event(identifier: InteractionId, message: InboundSms) -> Event:
    return received_event(
        message.at,
        ReceivedSms(
            message_id=wire_id(identifier, "inbound"),
            from_=message.peer,
            to=message.own,
            message=message.text,
            received_timestamp=to_iso(message.at),
            segment_count=message.segments,
        ),
    )
