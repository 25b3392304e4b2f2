"""What a message is: the details stored with it, and the shape it has on its way out."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

from sms.text.alphabet import Alphabet
from sms.text.envelope import BARE, Envelope
from sms.text.udh import Concat
from telephony.kernel import ids
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, ResourceId

KIND: Final = "sms"
"""The kind of a message's interaction."""

MAX_TEXT: Final = 2048
"""Characters of a text, counted as UTF-16 code units like ACS's clients do."""

_WIRE_ID: Final = re.compile(r"(?:(?:Outgoing|Incoming)_[0-9]{14})?([0-9A-Fa-f-]{36})", re.ASCII)


MAX_DATA: Final = 4096
"""Octets of a message that is no text: as many as the longest text in UCS-2 has, some 30 parts."""


class Extras(Struct, frozen=True, omit_defaults=True):
    """What few messages have: whatever their sender asked for beyond a text."""

    envelope: Envelope = BARE
    protocol_id: int = 0
    """SMPP 3.4 §5.2.13."""
    validity: int = 0
    """Seconds that it is valid from when it may be sent; 0: the operator's setting."""
    send_at: int = 0
    """When it was asked to be sent: microseconds UTC; 0: at once."""
    missing: tuple[int, ...] = ()
    """Numbers of the parts of an inbound message that did not come."""
    coding: int = 0
    """The data_coding in which its SMPP account wrote the text: replace_sm does not say it again."""


class SmsDetail(Struct, frozen=True, omit_defaults=True):
    """What the store keeps of a message beside the columns of its interaction."""

    segments: int = 1
    alphabet: str = "gsm"
    """A value of `sms.text.Alphabet`; binary: the body is octets, not UTF-8."""
    tag: str | None = None
    report: bool = False
    """Whether the application asked for a delivery report."""
    report_seconds: int = 0
    """How long it waits for receipts; 0: the operator's setting."""
    account: str = ""
    """The SMPP account that sent it; empty when none did. `sms.esme.outbox.MARK` is its name."""
    receipt: int = 0
    """The lower two bits of that account's registered_delivery (SMPP 3.4 §5.2.17)."""
    concat: Concat | None = None
    """Which part of a text it is, when the account cut that itself."""
    priority: int = 0
    """0 to 3: the greater leaves first."""
    extras: Extras | None = None
    cost: int = 0
    """What its carrier takes for it, in 10⁻⁶ units: known when it moves to another."""
    cost_currency: str = ""
    """Empty: nobody knows."""
    tried: tuple[str, ...] = ()
    """Carriers that it was moved away from."""
    doubt: str = ""
    """Why one of them may have it all the same; empty: none has."""
    uncounted: bool = False
    """Whether nobody is charged for it: an automatic answer."""

    def valid_seconds(self, most: int) -> int:
        """Return how long it may wait to be sent; `most` is the operator's setting."""
        return most if self.extras is None or not self.extras.validity else min(most, self.extras.validity)


@dataclass(slots=True, eq=False)
class Outbound:
    """A message on its way to a carrier: the dispatcher's unit of work. Lives in memory only."""

    resource: ResourceId
    id: InteractionId
    own: str
    peer: str
    text: str | bytes
    """Octets when it is no text."""
    expires: int
    """When it is not worth sending any more: microseconds UTC."""
    report_seconds: int
    done: set[int] = field(default_factory=set)
    """Parts the carrier took."""
    on_wire: int = 0
    """Parts that wait for their answer."""
    doubt: bool = False
    """Whether the carrier may have parts that nobody saw it take: an answer was lost, or a process."""
    over: bool = False
    """Whether it ended while parts of it were still out: no more of them are sent."""
    concat: Concat | None = None
    """Which part of a text it is, when its sender cut that itself."""
    priority: int = 0
    """0 to 3: the greater leaves first (SMPP 3.4 §5.2.14)."""
    extras: Extras | None = None
    tried: tuple[str, ...] = ()
    """Carriers that it was moved away from."""
    again: str = ""
    """Why one of them may have it all the same; empty: none has."""
    leaving: str = ""
    """Why its carrier is given up: no more of its parts are sent there."""

    @property
    def untouched(self) -> bool:
        """Whether the carrier certainly has nothing of it."""
        return not (self.done or self.on_wire or self.doubt or self.over or self.leaving)

    def reference(self) -> int:
        """Return the concatenation reference: the same after a restart, so that resent parts still join."""
        return self.id[7]  # counts up within a millisecond, so that texts sent together differ


def outbound_of(
    resource: ResourceId,
    identifier: InteractionId,
    own: str,
    peer: str,
    body: bytes,
    expires: int,
    detail: SmsDetail,
    *,
    doubt: bool = False,
) -> Outbound:
    """Return a message as the store has it, ready to be sent."""
    return Outbound(
        resource,
        identifier,
        own,
        peer,
        body if detail.alphabet == Alphabet.BINARY.value else body.decode(),
        expires,
        detail.report_seconds,
        doubt=doubt or bool(detail.doubt),
        concat=detail.concat,
        priority=detail.priority,
        extras=detail.extras,
        tried=detail.tried,
        again=detail.doubt,
    )


def wire_id(identifier: bytes, direction: str) -> str:
    """Return a message's id as ACS spells it: `Outgoing_<yyyyMMddHHmmss><guid>`."""
    prefix = "Outgoing" if direction == "outbound" else "Incoming"
    return f"{prefix}_{_moment(ids.time_of(identifier) // SECOND)}{ids.to_text(identifier)}"


@lru_cache(maxsize=256)  # a busy second brings one text
def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


def from_wire_id(text: str) -> InteractionId | None:
    """Return the id inside ACS's spelling, or inside a bare GUID; None when it is neither."""
    found = _WIRE_ID.fullmatch(text)
    identifier = None if found is None else ids.from_text(found[1])
    return None if identifier is None else InteractionId(identifier)
