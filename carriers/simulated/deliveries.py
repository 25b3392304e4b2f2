"""What the carrier sends by itself: receipts (SMPP 3.4 appendix B) and texts from handsets. Pure."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from carriers.simulated.outcomes import End
from sms.smpp.constants import EsmClass, Tag
from sms.smpp.pdu import DeliverSm, SubmitSm, Tlvs, tlv
from sms.text import Part, udh
from telephony.kernel.clock import MINUTE, SECOND

RECEIPT_TEXT: Final = 20
"""Octets of the message that a receipt repeats (appendix B)."""


class Delivery:
    """A deliver_sm on its way to an account."""

    __slots__ = ("kind", "message_id", "note", "pdu", "tries")

    def __init__(
        self, kind: Literal["receipt", "mo"], pdu: DeliverSm, message_id: str = "", note: str = ""
    ) -> None:
        self.kind = kind
        self.pdu = pdu
        self.message_id = message_id
        self.note = note
        self.tries = 0
        """How often it was sent and answered with an error, or not at all."""


def payload_of(pdu: SubmitSm | DeliverSm) -> bytes:
    """Return what a message carries: short_message, or message_payload when that is empty (§5.3.2.32)."""
    if pdu.short_message or not pdu.tlvs:
        return pdu.short_message
    return tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""


def wants_receipt(registered_delivery: int, end: End) -> bool:
    """Tell whether bits 1 and 0 of registered_delivery ask for a receipt of this end (§5.2.17)."""
    asked = registered_delivery & 0x03
    return asked == 1 or (asked == 2 and end is not End.DELIVERED)


def receipt(submitted: SubmitSm, message_id: str, end: End, submitted_at: int, done_at: int) -> Delivery:
    """Return the receipt of a message: text form and optional parameters. Times are microseconds, UTC."""
    dlvrd = "001" if end is End.DELIVERED else "000"
    text = (
        f"id:{message_id} sub:001 dlvrd:{dlvrd} submit date:{_minute(submitted_at // MINUTE)} "
        f"done date:{_minute(done_at // MINUTE)} stat:{end.stat} err:{end.error} text:"
    )
    pdu = DeliverSm(
        service_type=submitted.service_type,
        source_addr_ton=submitted.dest_addr_ton,
        source_addr_npi=submitted.dest_addr_npi,
        source_addr=submitted.destination_addr,
        dest_addr_ton=submitted.source_addr_ton,
        dest_addr_npi=submitted.source_addr_npi,
        destination_addr=submitted.source_addr,
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=text.encode("ascii") + _beginning(submitted),
        tlvs=_tlvs(message_id, end),
    )
    return Delivery("receipt", pdu, message_id, end.stat)


def _tlvs(message_id: str, end: End) -> Tlvs:
    return (
        (Tag.RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
        (Tag.MESSAGE_STATE, bytes((end.state,))),
    )


def _beginning(submitted: SubmitSm) -> bytes:
    """Return the message's first octets; none when they are not of the alphabet that the receipt is in."""
    if submitted.data_coding != 0:
        return b""
    payload = payload_of(submitted)
    if submitted.esm_class & EsmClass.UDHI:
        payload = udh.split(payload)[1]
    return payload[:RECEIPT_TEXT]


@lru_cache(maxsize=16)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * MINUTE // SECOND, UTC).strftime("%y%m%d%H%M")


def from_handset(
    part: Part, source: tuple[int, int, str], destination: tuple[int, int, str], message_id: str = ""
) -> Delivery:
    """Return a part of a text that somebody sent. Addresses are type of number, numbering plan, digits."""
    pdu = DeliverSm(
        source_addr_ton=source[0],
        source_addr_npi=source[1],
        source_addr=source[2],
        dest_addr_ton=destination[0],
        dest_addr_npi=destination[1],
        destination_addr=destination[2],
        esm_class=EsmClass.UDHI if part.udhi else 0,
        data_coding=part.data_coding,
        short_message=part.payload,
    )
    return Delivery("mo", pdu, message_id)
