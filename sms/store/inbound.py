"""The jobs that keep inbound messages; the carrier is answered after their commit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeAlias

import msgspec
from sqlalchemy import Connection

from sms.compliance.words import Spoken
from sms.inward.placing import Placer
from sms.message import KIND, Extras, SmsDetail
from sms.optouts import store as optouts
from sms.reassembly import PartKey, PartRow, ReassemblySettings, Repetition
from sms.states import MessageState
from sms.store.finish import MAX_SOURCE, Finisher, Key
from sms.store.inbound_parts import (
    SLICE,
    Arrival,
    Joined,
    Parts,
    any_parts,
    drop_delivered,
    due_texts,
    lock_free,
    lock_senders,
    too_many,
)
from sms.store.repeats import Candidate, Seen
from sms.store.rows import interaction_row
from sms.store.sql import among
from telephony.kernel import ids
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.bulk import insert_rows
from telephony.kernel.store.schema import bodies, interactions
from telephony.kernel.store.timeline import Entry, append_many
from telephony.numbers.kinds import SMS_INBOUND
from telephony.usage.record import Charge, priced

_OWNERS: Final = (
    f"SELECT number, resource, carrier FROM numbers WHERE capabilities & {SMS_INBOUND} <> 0"  # noqa: S608
    " AND number {ids}"
)

_Owner = tuple[ResourceId, str]
"""The resource that has a number, and the carrier through which the number sends."""


WAITING: Final = InteractionId(b"")
"""Stands for a part whose text is not complete yet: kept, and no message so far."""


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message as it came in, or a part of one."""

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
    part: PartRow | None = None
    """Set when this is a part; `text` and `body` do not matter then."""
    repetition: Repetition | None = None
    """By what a whole message is known again; None: it is not."""
    named: bool = False
    """Whether the carrier gave it an id."""
    suspect: bool = False
    """Whether an answer to such a message was late, or asked for another try."""
    arrivals: tuple[Arrival, ...] = ()
    """The parts it was made of."""
    missing: tuple[int, ...] = ()
    """Numbers of the parts that did not come."""
    extras: Extras | None = None
    """What it has beyond a text."""
    written: tuple[str, str] | None = None
    """Both numbers as the carrier wrote them, own first, where it has a format of its own."""

    @property
    def candidate(self) -> Candidate | None:
        """What is looked up to know it again."""
        if self.repetition is None or self.part is not None:
            return None
        return Candidate(self.repetition, self.carrier, self.link, self.at, self.named, self.suspect)


Recorded: TypeAlias = tuple[Finisher, list[InteractionId | None]]
"""The finisher and an id for each message: None for a number that nobody owns, the first message's for a
repetition, WAITING for a part that does not complete its text."""


@dataclass(slots=True)
class RecordInbound:
    """Keep inbound messages of numbers that somebody owns: by default nothing is let in.

    Parts are joined. A message that the carrier repeats because it did not get our answer is kept once.
    """

    finisher: Finisher
    body_until: int
    messages: Sequence[InboundSms]
    part_seconds: int = 600
    """How long the next part of a text is waited for."""

    order: ClassVar[int] = optouts.FIRST - 1  # the locks of parts come before those of opt-outs

    def __call__(self, tx: Connection) -> Recorded:
        """See `telephony.kernel.store.jobs.Job`."""
        return self.together(tx, [self])[0]

    @classmethod
    def together(cls, tx: Connection, jobs: Sequence[Self]) -> list[Recorded]:
        """See `telephony.kernel.store.jobs.BatchJob`."""
        lock_senders(tx, (one.part.key for job in jobs for one in job.messages if one.part is not None))
        return [job.record(tx) for job in jobs]

    def record(self, tx: Connection) -> Recorded:
        """Keep the messages of one job, whose senders are locked."""
        inbox = _Inbox(tx, self.finisher, self.body_until, {message.own for message in self.messages})
        seen = Seen(tx, self.finisher.node, filter(None, (message.candidate for message in self.messages)))
        parts = Parts(tx, self.part_seconds)
        kept: list[InteractionId | None] = []
        for message in self.messages:
            candidate = message.candidate
            if message.own not in inbox.owners:
                kept.append(None)
            elif message.part is not None:
                identifiers = [
                    inbox.take(_whole(joined, message.link, message.at))
                    for joined in parts.take(message.part, message.link)
                ]
                kept.append(identifiers[-1] if identifiers else WAITING)
            elif candidate is not None and (first := seen.first(candidate)) is not None:
                inbox.repeated(first, message)
                kept.append(first[1])
            else:
                identifier = inbox.take(message)
                kept.append(identifier)
                if candidate is not None and identifier is not None:
                    seen.add(candidate, (inbox.owners[message.own][0], identifier))
        parts.write()
        seen.write()
        inbox.write()
        return self.finisher, kept


@dataclass(slots=True)
class SweepParts:
    """Deliver what came of texts whose other parts did not, in time or within the limits.

    Returns the finisher, and how many texts that were: as many as SLICE means that there may be more.
    """

    finisher: Finisher
    now: int
    body_until: int
    settings: ReassemblySettings

    order: ClassVar[int] = optouts.FIRST

    def __call__(self, tx: Connection) -> tuple[Finisher, int]:
        """See `telephony.kernel.store.jobs.Job`."""
        inbox = _Inbox(tx, self.finisher, self.body_until, ())
        if not any_parts(tx):
            return self.finisher, 0
        drop_delivered(tx, self.now)
        keys = lock_free(tx, self._ripe(tx))
        if keys:  # a part may have come until they were locked
            still = set(self._ripe(tx))
            keys = [key for key in keys if key in still]
        inbox.learn({key.own for key in keys})
        parts = Parts(tx, self.settings.seconds)
        for key in keys:
            joined = parts.give_up(key)
            inbox.take(_whole(joined, joined.arrivals[-1].link, self.now))
        parts.write()
        inbox.write()
        return self.finisher, len(keys)

    def _ripe(self, tx: Connection) -> list[PartKey]:
        return list(dict.fromkeys([*due_texts(tx, self.now), *too_many(tx, self.settings)]))[:SLICE]


class _Inbox:
    """The messages of one job, and what hangs on them."""

    def __init__(self, tx: Connection, finisher: Finisher, body_until: int, numbers: Iterable[str]) -> None:
        finisher.deliveries.clear()  # the job may run twice
        finisher.replies.clear()
        self._tx = tx
        self._finisher = finisher
        self._body_until = body_until
        self._rows: list[tuple[object, ...]] = []
        self._texts: list[tuple[object, ...]] = []
        self._entries: list[Entry] = []
        self._spoken: list[Spoken] = []
        self._placer = Placer(tx, finisher)
        self.owners: Mapping[str, _Owner] = {}
        self.learn(numbers)

    def learn(self, numbers: Iterable[str]) -> None:
        """Find out whose the numbers are."""
        self.owners = {**self.owners, **_owners(self._tx, set(numbers))}

    def take(self, message: InboundSms) -> InteractionId | None:
        """Take a whole message; return its id, or None when nobody owns its number any more."""
        owner = self.owners.get(message.own)
        if owner is None:
            return None
        resource, carrier = owner
        finisher = self._finisher
        identifier = InteractionId(ids.new_id(message.at))
        key = (resource, identifier)
        detail = SmsDetail(segments=message.segments, alphabet=message.alphabet, extras=message.extras)
        self._texts.append((resource, identifier, message.body, self._body_until))
        for number, link, at in message.arrivals:
            self._note(key, at, link, "part.received", {"part": number, "of": message.segments})
        data: dict[str, object] = {
            "link": message.link,
            "carrier": message.carrier,
            "segments": message.segments,
        }
        if message.missing:
            data["missing"] = message.missing
        if message.written is not None:
            data["written"] = message.written
        self._note(key, message.at, message.link, "message.received", data)
        state = self._placer.place(key, message)
        charge = self._placer.charge(resource, message)
        self._rows.append(_row(key, message, detail, state, charge))
        compliance = finisher.compliance
        word = None if compliance is None else compliance.words.find(message.text)
        if word is not None:
            self._spoken.append(
                Spoken(word, resource, identifier, message.at, message.own, message.peer, carrier)
            )
        return identifier

    def repeated(self, first: Key, message: InboundSms) -> None:
        """Note on a message that it came again."""
        data = {"link": message.link, "carrier": message.carrier}
        self._note(first, message.at, message.link, "message.repeated", data)

    def write(self) -> None:
        """Write them, and do what their words ask for."""
        tx, finisher = self._tx, self._finisher
        insert_rows(tx, interactions, self._rows)
        insert_rows(tx, bodies, self._texts)
        append_many(tx, self._entries)
        self._placer.write()
        if finisher.compliance is not None and self._spoken:
            finisher.compliance.obey(tx, finisher, self._spoken)

    def _note(self, key: Key, at: int, link: str, kind: str, data: Mapping[str, object]) -> None:
        source = f"link:{link}"[:MAX_SOURCE]
        self._entries.append(Entry(*key, at, self._finisher.node, source, kind, data))


def _whole(joined: Joined, link: str, at: int) -> InboundSms:
    """Return a text that was made of parts as a message; it counts as come when its last part did."""
    text = joined.text
    return InboundSms(
        text.key.carrier,
        link,
        at,
        text.key.own,
        text.key.peer,
        text.text,
        text.body,
        text.alphabet.value,
        text.key.total,
        arrivals=joined.arrivals,
        missing=text.missing,
        extras=text.extras,
    )


def _owners(tx: Connection, wanted: set[str]) -> Mapping[str, _Owner]:
    return {
        number: (ResourceId(bytes(resource)), carrier)
        for number, resource, carrier in among(tx, _OWNERS, sorted(wanted))
    }


def _row(
    key: Key, message: InboundSms, detail: SmsDetail, state: MessageState, charge: Charge | None
) -> tuple[object, ...]:
    return interaction_row(
        resource=key[0],
        id=key[1],
        kind=KIND,
        direction="inbound",
        state=state.value,
        version=1,
        own=message.own,
        peer=message.peer,
        carrier=message.carrier,
        created=message.at,
        updated=message.at,
        ended=message.at,
        detail=msgspec.json.encode(detail),
        **priced(charge),
    )
