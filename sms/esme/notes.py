"""What an account is told by deliver_sm: how it is kept, and how it looks on the wire. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from sms.address import address
from sms.esme.account import AccountSettings, spell_id
from sms.outgoing import encoded
from sms.smpp.constants import EsmClass, MessageState, Tag
from sms.smpp.pdu import DeliverSm, Tlvs
from sms.states import MessageState as State
from sms.text import BARE, Envelope
from telephony.kernel.clock import MINUTE, SECOND

_RECEIPT: Final = int(EsmClass.DELIVERY_RECEIPT)
_UDHI: Final = int(EsmClass.UDHI)

ON_EVERY_END: Final = 1
ON_FAILURE: Final = 2
"""Values of the lower two bits of registered_delivery (SMPP 3.4 §5.2.17)."""

_WORDS: Final = {
    State.DELIVERED: ("DELIVRD", MessageState.DELIVERED),
    State.FAILED: ("UNDELIV", MessageState.UNDELIVERABLE),
    State.EXPIRED: ("EXPIRED", MessageState.EXPIRED),
    State.UNREPORTED: ("UNKNOWN", MessageState.UNKNOWN),
    State.CANCELLED: ("DELETED", MessageState.DELETED),
}
"""Final states in the words of Appendix B and the numbers of §5.2.28."""


class ReceiptNote(Struct, frozen=True, tag="receipt", gc=False):
    """A message of the account's ended."""

    message: bytes
    own: str
    peer: str
    state: str
    """A value of `sms.states.MessageState`."""
    error: str
    submitted: int
    done: int


class TextNote(Struct, frozen=True, tag="text", gc=False):
    """A part of a message that came to a number of its resource's."""

    own: str
    peer: str
    data_coding: int
    udhi: bool
    payload: bytes


Note = ReceiptNote | TextNote
_decoder: Final[msgspec.json.Decoder[ReceiptNote | TextNote]] = msgspec.json.Decoder(Note)


def encode_note(note: Note) -> bytes:
    """Return what is kept of a note."""
    return msgspec.json.encode(note)


def decode_note(content: bytes) -> Note:
    """Return a note that was kept."""
    return _decoder.decode(content)


def wants_receipt(asked: int, state: State) -> bool:
    """Tell whether somebody who asked by these two bits wants to know of this end (§5.2.17)."""
    return asked == ON_EVERY_END or (asked == ON_FAILURE and state is not State.DELIVERED)


def text_notes(
    body: str | bytes, own: str, peer: str, reference: int, envelope: Envelope = BARE
) -> Sequence[TextNote]:
    """Return the parts of an inbound text, or of octets. Raises InvalidText, InvalidHeader or TextTooLong."""
    parts = encoded(body, envelope).parts(reference)
    return [TextNote(own, peer, part.data_coding, part.udhi, part.payload) for part in parts]


def deliver_sm(note: Note, settings: AccountSettings) -> DeliverSm:
    """Return a note as the account wants it; it comes from the far end (§4.6, Appendix B)."""
    source, destination = address(note.peer), address(note.own)
    tlvs: Tlvs = ()
    if isinstance(note, TextNote):
        esm_class, data_coding, body = _UDHI if note.udhi else 0, note.data_coding, note.payload
    else:
        esm_class, data_coding = _RECEIPT, 0
        body, tlvs = _receipt(note, settings)
    return DeliverSm(
        source_addr_ton=source.ton,
        source_addr_npi=source.npi,
        source_addr=source.digits,
        dest_addr_ton=destination.ton,
        dest_addr_npi=destination.npi,
        destination_addr=destination.digits,
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=body,
        tlvs=tlvs,
    )


def _receipt(note: ReceiptNote, settings: AccountSettings) -> tuple[bytes, Tlvs]:
    stat, code = _WORDS[State(note.state)]
    spelled = spell_id(note.message, settings.ids)
    body = b""
    if settings.receipt_text:
        delivered = int(code is MessageState.DELIVERED)
        submitted, done = _minute(note.submitted // MINUTE), _minute(note.done // MINUTE)
        body = (
            f"id:{spelled} sub:001 dlvrd:{delivered:03} submit date:{submitted} done date:{done} "
            f"stat:{stat} err:{note.error or '000'} text:"
        ).encode("ascii", "replace")
    if not settings.receipt_tlvs:
        return body, ()
    return body, (
        (int(Tag.RECEIPTED_MESSAGE_ID), spelled.encode() + b"\0"),
        (int(Tag.MESSAGE_STATE), bytes((code,))),
    )


@lru_cache(maxsize=64)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * MINUTE // SECOND, UTC).strftime("%y%m%d%H%M")
