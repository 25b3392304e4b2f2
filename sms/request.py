"""What a request may ask of Sms send beyond ACS: the object `tandem` (decision 6)."""

from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from sms.extension import Ports
from sms.message import MAX_DATA
from sms.send import Options
from sms.text import Envelope, udh
from sms.text.cutting import MAX_PARTS
from sms.timing import MAX_AHEAD, MAX_VALIDITY
from telephony.kernel.clock import MINUTE, Clock, from_iso
from telephony.kernel.errors import InvalidRequest

MIN_VALIDITY: Final = 10
"""Seconds; what is valid for less has hardly a chance to arrive."""

LATE: Final = 10 * MINUTE
"""How far in the past `sendAt` may lie: clocks differ. Beyond, it is a mistake."""

MAX_HEADER: Final = 133
"""Octets of a user data header: 140 without the longest concatenation."""

Octet = Annotated[int, Meta(ge=0, le=255)]


class TandemOptions(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The object `tandem` of a request."""

    message_class: Annotated[int, Meta(ge=0, le=3)] | None = None
    """0: shown at once ("flash"); 1: for the handset; 2: for the SIM; 3: for what is attached to it."""
    look_alikes: bool = False
    """Whether typographic characters may give way to plain ones when that keeps the text out of UCS-2."""
    data: Annotated[bytes, Meta(min_length=1, max_length=MAX_DATA)] | None = None
    """Octets to send instead of a text (base64)."""
    udh: Annotated[bytes, Meta(min_length=1, max_length=MAX_HEADER)] | None = None
    """A user data header before `data`, with its length octet (base64)."""
    ports: Ports | None = None
    """Instead of `udh`: a header with these ports."""
    data_coding: Octet | None = None
    """data_coding of `data` as it goes to the carrier; else that of 8-bit data."""
    protocol_id: Octet = 0
    """protocol_id as it goes to the carrier; one of the operator's `sms.protocol_ids`."""
    send_at: Annotated[datetime, Meta(tz=True)] | None = None
    """When to send; at most 24 days ahead."""
    validity_seconds: Annotated[int, Meta(ge=MIN_VALIDITY, le=MAX_VALIDITY)] | None = None
    """How long it is worth delivering, from when it is sent."""
    priority: Annotated[int, Meta(ge=0, le=3)] = 0
    """The greater leaves first."""
    max_parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)] | None = None
    """Refuse it when it needs more parts."""


def body_and_options(
    message: str, asked: TandemOptions | None, usual: Options, clock: Clock
) -> tuple[str | bytes, Options]:
    """Return what a request sends, and how. Raises InvalidRequest, naming the field."""
    if asked is None:
        if not message:
            raise InvalidRequest("message: It is required.", target="message")
        return message, usual
    _check_together(message, asked)
    options = Options(
        usual.report,
        usual.tag,
        usual.report_seconds,
        validity_seconds=asked.validity_seconds,
        not_before=_send_at(asked.send_at, clock.now()),
        priority=asked.priority,
        envelope=Envelope(asked.message_class, asked.look_alikes, _header(asked), asked.data_coding),
        protocol_id=asked.protocol_id,
        max_parts=asked.max_parts,
    )
    return message if asked.data is None else asked.data, options


def _check_together(message: str, asked: TandemOptions) -> None:
    if asked.data is None and not message:
        raise InvalidRequest("message: It is required without tandem.data.", target="message")
    if asked.data is not None and message:
        raise _wrong("data", "It excludes message.")
    if asked.data is not None and asked.look_alikes:
        raise _wrong("lookAlikes", "It is for texts.")
    if asked.data is None:
        for name, value in (("udh", asked.udh), ("ports", asked.ports), ("dataCoding", asked.data_coding)):
            if value is not None:
                raise _wrong(name, "It needs tandem.data.")
    if asked.udh is not None and asked.ports is not None:
        raise _wrong("ports", "It excludes tandem.udh.")
    if asked.data_coding is not None and asked.message_class is not None:
        raise _wrong("messageClass", "It excludes tandem.dataCoding, which says it.")


def _header(asked: TandemOptions) -> bytes:
    if asked.ports is None:
        return asked.udh or b""
    return udh.port_header(asked.ports.destination, asked.ports.source)


def _send_at(moment: datetime | None, now: int) -> int | None:
    if moment is None:
        return None
    at = from_iso(moment.isoformat())
    if at is None or at < now - LATE:
        raise _wrong("sendAt", "It is in the past.")
    if at > now + MAX_AHEAD:
        raise _wrong("sendAt", "It is more than 24 days ahead.")
    return at


def _wrong(name: str, complaint: str) -> InvalidRequest:
    return InvalidRequest(f"tandem.{name}: {complaint}", target=f"tandem.{name}")
