"""What Tandem tells of a message beyond ACS's fields: `tandem` in events and look-ups (decision 6).

`sms.request` has the one that a request asks with; the names are the same.
"""

from typing import Annotated

from msgspec import Meta, Struct

from sms.message import Extras
from sms.text import udh
from telephony.kernel.clock import to_iso

Port = Annotated[int, Meta(ge=0, le=65535)]


class Ports(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Application ports (3GPP TS 23.040 §9.2.3.24.3, §9.2.3.24.4)."""

    destination: Port
    source: Port = 0


class TandemMessage(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The object `tandem` of an event, and of a message that is looked up. Octets are base64."""

    message_class: int | None = None
    look_alikes: bool = False
    data: bytes | None = None
    """Of an inbound message that is no text: its octets, joined."""
    udh: bytes | None = None
    """The user data header without concatenation."""
    ports: Ports | None = None
    """What the header says of ports."""
    data_coding: int | None = None
    protocol_id: int = 0
    send_at: str | None = None
    validity_seconds: int | None = None
    priority: int = 0
    missing_parts: tuple[int, ...] = ()
    """Numbers of the parts that did not come."""


def shown(extras: Extras | None, priority: int, data: bytes | None = None) -> TandemMessage | None:
    """Return what there is to tell of a message beyond ACS's fields; None: nothing."""
    if extras is None:
        return TandemMessage(priority=priority) if priority else None
    envelope = extras.envelope
    ports = udh.ports(udh.split(envelope.header)[0]) if envelope.header else None
    return TandemMessage(
        message_class=envelope.message_class,
        look_alikes=envelope.look_alikes,
        data=data,
        udh=envelope.header or None,
        ports=None if ports is None else Ports(*ports),
        data_coding=envelope.data_coding,
        protocol_id=extras.protocol_id,
        send_at=to_iso(extras.send_at) if extras.send_at else None,
        validity_seconds=extras.validity or None,
        priority=priority,
        missing_parts=extras.missing,
    )
