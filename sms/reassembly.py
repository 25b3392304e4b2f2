"""Inbound parts become texts, in whatever order they come; repeated messages are known again. Pure.

Parts wait in the store, so that a restart loses none; what to do is decided here, on rows:

- `part_of` tells whether a message is a part, and of what;
- `receive` takes a part and the rows that share its key: what to keep, what to deliver;
- `decide` tells of rows that wait whether they are due: the sweep's question;
- `overflow` names what must go when too much waits;
- `repetition` makes the key by which a whole message is known again.

A text that is not complete in time is delivered as far as it came, with GAP where parts are missing, and
`Assembled.missing` names them. Parts are joined before they are decoded: senders cut inside characters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from sms.message import Extras
from sms.smpp.pdu import Tlvs
from sms.text import Alphabet, Concat, Decoded, Shift, decode_body, sar
from telephony.kernel.clock import DAY, SECOND

GAP: Final = "[\N{HORIZONTAL ELLIPSIS}]"
"""Stands in a text where one or more parts in a row did not come, or were no text."""

ID_WINDOW: Final = DAY
"""Microseconds for which a carrier's message id is taken to name one message."""


class ReassemblySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Long inbound texts, and inbound messages that come twice."""

    seconds: Annotated[int, Meta(ge=10, le=86400)] = 600
    """How long the next missing part is waited for; then what came is delivered, with a mark at each gap."""
    parts_per_sender: Annotated[int, Meta(ge=255)] = 1_020
    """Parts of one sender that may wait (four of the longest texts); beyond, his oldest text is delivered."""
    parts: Annotated[int, Meta(ge=255)] = 100_000
    """Parts that may wait in all (some 30 MB); beyond, the oldest text is delivered."""
    repeat_seconds: Annotated[int, Meta(ge=0, le=86400)] = 300
    """For how long the same text from the same sender is taken for a repetition by the carrier, which may not
    have got our answer to the first; 0: never. With no answer in doubt the same text is another message."""


Kind: TypeAlias = Literal["udh8", "udh16", "sar"]
"""What tied the parts together: references of different kinds never meet."""


class PartKey(NamedTuple):
    """What the parts of a text have in common."""

    carrier: str
    own: str
    """The number it was sent to."""
    peer: str
    """Whoever sent it."""
    kind: Kind
    reference: int
    total: int

    @property
    def sender(self) -> tuple[str, str]:
        """Return who sent it: limits are his."""
        return self.carrier, self.peer


class PartRow(NamedTuple):
    """A part as it is kept."""

    key: PartKey
    number: int
    body: bytes
    """Without its header."""
    alphabet: Alphabet
    shift: Shift
    at: int
    """When it came: microseconds UTC."""
    delivered: bool = False
    """Whether its text is out. Such rows stay for `seconds`, so that a part that is repeated is known."""
    extras: Extras | None = None
    """What it has beyond a text."""

    def repeats(self, other: "PartRow") -> bool:
        """Tell whether this is the same part of the same text."""
        return (self.number, self.body, self.alphabet, self.shift) == (
            other.number,
            other.body,
            other.alphabet,
            other.shift,
        )


@dataclass(frozen=True, slots=True)
class Assembled:
    """A text, or what there is of it."""

    key: PartKey
    text: str
    """What an application is told; empty for octets that are no text, with GAP for such parts of a text."""
    body: bytes
    """What is kept: the text in UTF-8; of parts of which any is no text, the octets of all, joined."""
    alphabet: Alphabet
    """The first part's; BINARY when any part is no text."""
    parts: int
    """How many came."""
    missing: tuple[int, ...]
    """The numbers of those that did not."""
    at: int
    """When the first of them came: microseconds UTC."""
    extras: Extras | None = None
    """The first part's that has any."""


@dataclass(frozen=True, slots=True)
class Complete:
    """All parts are there."""

    text: Assembled


@dataclass(frozen=True, slots=True)
class Waiting:
    """Parts are missing."""

    until: int
    """When to stop waiting: microseconds UTC."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Parts are missing and have been waited for."""

    text: Assembled


Decision: TypeAlias = Complete | Waiting | TimedOut


@dataclass(frozen=True, slots=True)
class Step:
    """What a part changes, in this order; the part is answered ESME_ROK in every case."""

    forget: bool = False
    """Delete the rows of this key: they belong to an earlier text that had the same reference."""
    keep: bool = True
    """Add the part to the rows; not when it is there already."""
    delivered: bool = False
    """Mark the rows of this key, this part's too, as delivered."""
    texts: tuple[Assembled, ...] = ()
    """Deliver these: what there is of the earlier text, then this one if it is complete."""


REPEATED: Final = Step(keep=False)


def concatenation(decoded: Decoded, tlvs: Tlvs) -> Concat | None:
    """Return which part of which text a message is, by its header or, without one, its SAR parameters."""
    return decoded.concat or sar.read(tlvs)


def part_of(
    carrier: str,
    own: str,
    peer: str,
    decoded: Decoded,
    tlvs: Tlvs,
    at: int,
    extras: Extras | None = None,
) -> PartRow | None:
    """Return a message as a part; None when it is whole, which a text of one part is, too."""
    concat = concatenation(decoded, tlvs)
    if concat is None or concat.total == 1:
        return None
    kind: Kind = "sar" if concat.sar else "udh16" if concat.wide else "udh8"
    key = PartKey(carrier, own, peer, kind, concat.reference, concat.total)
    return PartRow(key, concat.number, decoded.body, decoded.alphabet, decoded.shift, at, extras=extras)


def receive(part: PartRow, rows: Sequence[PartRow], seconds: int) -> Step:
    """Return what `part` changes; `rows` are those kept under its key, in any order.

    - A part that is there, be its text delivered or not, is a repetition.
    - Another text began when its number is there with another body, when the text of that key is delivered,
      or when nothing of it came for `seconds`: senders use references again. What there is of the earlier
      text is delivered at once.
    """
    spent = bool(rows) and max(row.at for row in rows) + seconds * SECOND <= part.at
    if not spent and any(part.repeats(row) for row in rows):
        return REPEATED
    earlier = bool(rows) and (spent or rows[0].delivered or any(row.number == part.number for row in rows))
    texts: tuple[Assembled, ...] = ()
    if earlier:
        texts = () if rows[0].delivered else (assemble(rows),)
        rows = ()
    decision = decide([*rows, part], part.at, seconds)
    if isinstance(decision, Complete):
        return Step(earlier, keep=True, delivered=True, texts=(*texts, decision.text))
    return Step(earlier, keep=True, texts=texts)


def decide(rows: Sequence[PartRow], now: int, seconds: int) -> Decision:
    """Tell what to do about the rows of one key, of which none is delivered and no two have one number.

    There must be at least one. `now` is microseconds UTC.
    """
    if len(rows) >= rows[0].key.total:
        return Complete(assemble(rows))
    until = max(row.at for row in rows) + seconds * SECOND
    return TimedOut(assemble(rows)) if until <= now else Waiting(until)


def assemble(rows: Iterable[PartRow]) -> Assembled:
    """Return the text of at least one row of one key."""
    parts = sorted(rows, key=lambda row: row.number)
    key = parts[0].key
    came = {row.number for row in parts}
    missing = tuple(number for number in range(1, key.total + 1) if number not in came)
    at = min(row.at for row in parts)
    extras = next((row.extras for row in parts if row.extras is not None), None)
    textual = [row for row in parts if row.alphabet is not Alphabet.BINARY]
    text = _joined(textual, key.total) if textual else ""
    if len(textual) < len(parts):  # only octets can keep all of it
        body = b"".join(row.body for row in parts)
        if missing:  # octets have no place for a mark
            extras = replace(extras or Extras(), missing=missing)
        return Assembled(key, text, body, Alphabet.BINARY, len(parts), missing, at, extras)
    return Assembled(key, text, text.encode(), textual[0].alphabet, len(parts), missing, at, extras)


def _joined(parts: Sequence[PartRow], total: int) -> str:
    """Return the text of parts in order: neighbours in one alphabet are joined, then decoded."""
    pieces: list[str] = []
    expected = 1
    # number minus index is the same for neighbours without a gap between them
    for _, run in groupby(enumerate(parts), lambda each: each[1].number - each[0]):
        rows = [row for _, row in run]
        if rows[0].number != expected:
            pieces.append(GAP)
        expected = rows[-1].number + 1
        for (alphabet, shift), same in groupby(rows, lambda row: (row.alphabet, row.shift)):
            pieces.append(decode_body(b"".join(row.body for row in same), alphabet, shift))
    if expected <= total:
        pieces.append(GAP)
    return "".join(pieces)


class Group(NamedTuple):
    """The parts of one text that wait."""

    key: PartKey
    parts: int
    newest: int
    """When the last of them came: microseconds UTC."""


def overflow(groups: Iterable[Group], *, per_sender: int, overall: int) -> list[PartKey]:
    """Return the texts to deliver as they are so that no more parts wait than allowed: the oldest first."""
    oldest_first = sorted(groups, key=lambda group: group.newest)
    waiting: dict[tuple[str, str], int] = {}
    total = 0
    for group in oldest_first:
        waiting[group.key.sender] = waiting.get(group.key.sender, 0) + group.parts
        total += group.parts
    gone: list[PartKey] = []
    for group in oldest_first:
        sender = group.key.sender
        if total > overall or waiting[sender] > per_sender:
            gone.append(group.key)
            waiting[sender] -= group.parts
            total -= group.parts
    return gone


class Repetition(NamedTuple):
    """How a message is known again."""

    digest: bytes
    """16 octets, the same for the same message."""
    since: int
    """A message with this digest that came at this time or later (microseconds UTC) is this one."""


def repetition(
    carrier: str,
    own: str,
    peer: str,
    body: bytes,
    alphabet: Alphabet,
    at: int,
    *,
    seconds: int,
    remote_id: str = "",
) -> Repetition | None:
    """Return by what a whole message is known again; None when `seconds` is 0 and it has no id.

    `remote_id` is the carrier's id of it, where the carrier sends one. With it, two messages of the same
    words are two, and one is known for ID_WINDOW; the words count too, as carriers use ids again. Without
    it, the same words between the same two within `seconds` may be one message that the carrier repeated:
    whether its answer is in doubt decides (`sms.store.repeats`).
    """
    if not remote_id and not seconds:
        return None
    digest = blake2b(digest_size=16)
    for field in (
        carrier.encode(),
        own.encode(),
        peer.encode(),
        remote_id.encode(),
        alphabet.value.encode(),
        body,
    ):
        digest.update(len(field).to_bytes(4, "big") + field)
    return Repetition(digest.digest(), at - (ID_WINDOW if remote_id else seconds * SECOND))
