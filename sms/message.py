"""What a message is: the details stored with it, and the shape it has on its way out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from telephony.kernel import ids
from telephony.kernel.clock import SECOND
from telephony.kernel.ids import InteractionId, ResourceId

KIND: Final = "sms"
"""The kind of a message's interaction."""

MAX_TEXT: Final = 2048
"""Characters of a text, counted as UTF-16 code units like ACS's clients do."""


class SmsDetail(Struct, frozen=True, omit_defaults=True):
    """What the store keeps of a message beside the columns of its interaction."""

    segments: int = 1
    alphabet: str = "gsm7"
    tag: str | None = None
    report: bool = False
    """Whether the application asked for a delivery report."""
    report_seconds: int = 0
    """How long it waits for receipts; 0: the operator's setting."""


@dataclass(slots=True)
class Outbound:
    """A message on its way to a carrier: the dispatcher's unit of work. Lives in memory only."""

    resource: ResourceId
    id: InteractionId
    own: str
    peer: str
    text: str
    carrier: str
    created: int
    report_seconds: int
    resent: bool = False
    """Whether parts of it may have been sent before by a process that did not live to see the answer."""
    done: set[int] = field(default_factory=set)
    """Parts the carrier took."""
    attempts: int = 0
    """Temporary refusals so far."""
    over: bool = False
    """Whether it ended while parts of it were still out: no more of them are sent."""

    def reference(self) -> int:
        """Return the concatenation reference: the same after a restart, so that resent parts still join."""
        return self.id[15]


def wire_id(identifier: bytes, direction: str) -> str:
    """Return a message's id as ACS spells it: `Outgoing_<yyyyMMddHHmmss><guid>`."""
    moment = datetime.fromtimestamp(ids.time_of(identifier) // SECOND, UTC)
    prefix = "Outgoing" if direction == "outbound" else "Incoming"
    return f"{prefix}_{moment:%Y%m%d%H%M%S}{ids.to_text(identifier)}"


def from_wire_id(text: str) -> InteractionId | None:
    """Return the id inside ACS's spelling, or inside a bare GUID; None when it is neither."""
    guid = text[-36:] if text.startswith(("Outgoing_", "Incoming_")) else text
    identifier = ids.from_text(guid)
    return None if identifier is None else InteractionId(identifier)
