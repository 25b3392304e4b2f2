"""What the carrier sends by itself: receipts (SMPP 3.4 appendix B) and texts from handsets. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

from msgspec.structs import replace

from carriers.simulated.outcomes import End
from carriers.simulated.profiles import Profile, TextForm
from sms.smpp.constants import EsmClass, MessageState, Tag
from sms.smpp.pdu import DataSm, DeliverSm, SubmitSm, Tlvs, tlv
from sms.text import Concat, Part, sar, udh
from telephony.kernel.clock import MINUTE, SECOND

RECEIPT_TEXT: Final = 20
"""Octets of the message that a receipt repeats (appendix B)."""

VENDOR: Final[Tlvs] = ((0x1400, b"campaign-1"), (0x1400, b""), (0x3FFF, b"\x00\xff\x00"))
"""Parameters of the carrier's own: tags that SMPP leaves to vendors (§5.3.2), one of them twice."""

_UDHI: Final = int(EsmClass.UDHI)
_RECEIPT: Final = int(EsmClass.DELIVERY_RECEIPT)
_INTERMEDIATE: Final = int(EsmClass.INTERMEDIATE_NOTIFICATION)


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

    def again(self) -> "Delivery":
        """Return the same once more."""
        return Delivery(self.kind, self.pdu, self.message_id, self.note)


def payload_of(pdu: SubmitSm | DeliverSm) -> bytes:
    """Return what a message carries: short_message, or message_payload when that is empty (§5.3.2.32)."""
    if pdu.short_message or not pdu.tlvs:
        return pdu.short_message
    return tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""


def concat_of(pdu: SubmitSm) -> Concat | None:
    """Return which part of which text a submit_sm is, by its parameters or its header."""
    if pdu.tlvs and (said := sar.read(pdu.tlvs)) is not None:
        return said
    return udh.split(payload_of(pdu))[0].concat if pdu.esm_class & _UDHI else None


def wants_receipt(registered_delivery: int, end: End) -> bool:
    """Tell whether bits 1 and 0 of registered_delivery ask for a receipt of this end (§5.2.17)."""
    asked = registered_delivery & 0x03
    return asked == 1 or (asked == 2 and end is not End.DELIVERED)


class ReceiptWriter:
    """Writes receipts as a profile wants them: ids are spelled by it. Times are microseconds, UTC."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._esm_class = 0 if profile.receipt_unflagged else _RECEIPT

    def final(self, submitted: SubmitSm, number: int, end: End, submitted_at: int, done_at: int) -> Delivery:
        """Return the receipt of a message that ended."""
        dlvrd = "001" if end is End.DELIVERED else "000"
        text = _text(
            self._profile.receipt_id.spell(number), dlvrd, submitted_at, done_at, end.stat, end.error
        )
        return self._receipt(submitted, number, text, end.state, end.stat, self._esm_class)

    def intermediate(self, submitted: SubmitSm, number: int, at: int) -> Delivery:
        """Return the notification that a message is on its way (esm_class 0x20, §5.2.12)."""
        text = _text(self._profile.receipt_id.spell(number), "000", at, at, "ENROUTE", "000")
        return self._receipt(submitted, number, text, MessageState.ENROUTE, "ENROUTE", _INTERMEDIATE)

    def _receipt(
        self, submitted: SubmitSm, number: int, text: str, state: int, stat: str, esm_class: int
    ) -> Delivery:
        profile = self._profile
        body = text.encode("ascii") + _beginning(submitted) if profile.receipt_text else b""
        tlvs: Tlvs = ()
        if profile.receipt_tlvs:
            spelled = (profile.receipt_tlv_id or profile.receipt_id).spell(number)
            tlvs = (
                (Tag.RECEIPTED_MESSAGE_ID, spelled.encode("ascii") + b"\0"),
                (Tag.MESSAGE_STATE, bytes((state,))),
            )
        if profile.receipt_in_payload:
            tlvs, body = (*tlvs, (Tag.MESSAGE_PAYLOAD, body)), b""
        pdu = DeliverSm(
            service_type=submitted.service_type,
            source_addr_ton=submitted.dest_addr_ton,
            source_addr_npi=submitted.dest_addr_npi,
            source_addr=submitted.destination_addr,
            dest_addr_ton=submitted.source_addr_ton,
            dest_addr_npi=submitted.source_addr_npi,
            destination_addr=submitted.source_addr,
            esm_class=esm_class,
            short_message=body,
            tlvs=tlvs + VENDOR if profile.vendor_tlvs else tlvs,
        )
        return Delivery("receipt", pdu, profile.response_id.spell(number), stat)


def _text(spelled: str, dlvrd: str, submitted_at: int, done_at: int, stat: str, error: str) -> str:
    return (
        f"id:{spelled} sub:001 dlvrd:{dlvrd} submit date:{_minute(submitted_at // MINUTE)} "
        f"done date:{_minute(done_at // MINUTE)} stat:{stat} err:{error} text:"
    )


def _beginning(submitted: SubmitSm) -> bytes:
    """Return the message's first octets; none when they are not of the alphabet that the receipt is in."""
    if submitted.data_coding != 0:
        return b""
    payload = payload_of(submitted)
    if submitted.esm_class & _UDHI:
        payload = udh.split(payload)[1]
    return payload[:RECEIPT_TEXT]


@lru_cache(maxsize=16)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * MINUTE // SECOND, UTC).strftime("%y%m%d%H%M")


def from_handset(
    parts: Sequence[Part],
    source: tuple[int, int, str],
    destination: tuple[int, int, str],
    message_id: str,
    profile: Profile,
    reference: int,
    form: TextForm | None = None,
) -> tuple[Delivery, ...]:
    """Return what somebody sent, as the profile's carrier delivers it: tied together as `form` says,
    or the profile.

    `parts` are those of `sms.text`; addresses are type of number, numbering plan, digits.
    """
    base = DeliverSm(
        source_addr_ton=source[0],
        source_addr_npi=source[1],
        source_addr=source[2],
        dest_addr_ton=destination[0],
        dest_addr_npi=destination[1],
        destination_addr=destination[2],
        data_coding=parts[0].data_coding,
        tlvs=VENDOR if profile.vendor_tlvs else (),
    )
    pdus = list(_formed(parts, base, form or profile.text_form, reference))
    if profile.parts_reversed:
        pdus.reverse()
    return tuple(Delivery("mo", pdu, message_id) for pdu in pdus for _ in range(profile.texts))


def _formed(parts: Sequence[Part], base: DeliverSm, form: TextForm, reference: int) -> Iterable[DeliverSm]:
    bodies = [udh.split(part.payload)[1] if part.udhi else part.payload for part in parts]
    total = len(parts)
    if form is TextForm.PAYLOAD:
        yield replace(base, tlvs=((Tag.MESSAGE_PAYLOAD, b"".join(bodies)), *base.tlvs))
        return
    for part, body in zip(parts, bodies, strict=True):
        if total == 1 or form is TextForm.UDH:
            yield replace(base, esm_class=_UDHI if part.udhi else 0, short_message=part.payload)
        elif form is TextForm.SAR:
            yield replace(base, short_message=body, tlvs=(*_sar(reference, total, part.number), *base.tlvs))
        else:
            header = bytes((6, udh.CONCAT_16, 4, reference >> 8 & 0xFF, reference & 0xFF, total, part.number))
            yield replace(base, esm_class=_UDHI, short_message=header + body)


def _sar(reference: int, total: int, number: int) -> Tlvs:
    return (
        (Tag.SAR_MSG_REF_NUM, (reference & 0xFFFF).to_bytes(2, "big")),
        (Tag.SAR_TOTAL_SEGMENTS, bytes((total,))),
        (Tag.SAR_SEGMENT_SEQNUM, bytes((number,))),
    )


def as_data_sm(pdu: DeliverSm) -> DataSm:
    """Return the same as data_sm (§4.7), which has no short_message."""
    tlvs = pdu.tlvs
    if pdu.short_message:
        tlvs = ((Tag.MESSAGE_PAYLOAD, pdu.short_message), *tlvs)
    return DataSm(
        service_type=pdu.service_type,
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        data_coding=pdu.data_coding,
        tlvs=tlvs,
    )
