"""Delivery receipts as carriers send them, made one thing: whose, which state, when.

SMPP 3.4 puts a receipt into a deliver_sm whose esm_class says so (§5.2.12); the state stands in TLVs
(§5.3.2.12, §5.3.2.35), in the text of Appendix B, or in both. TLVs win: the text is by agreement only.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import Struct

from carriers.model.smpp import IdForm
from sms.smpp.constants import EsmClass, MessageState, Tag
from sms.smpp.pdu import DeliverSm, tlv

ReceiptState = Literal["delivered", "failed", "expired", "pending"]
"""What a receipt says of its part; `pending` changes nothing."""

_WORDS: Final[tuple[tuple[str, ReceiptState], ...]] = (
    ("DELIVRD", "delivered"),
    ("DELIVERED", "delivered"),
    ("EXPIRED", "expired"),
    ("DELETED", "failed"),
    ("UNDELIV", "failed"),
    ("REJECTD", "failed"),
    ("REJECTED", "failed"),
    ("UNKNOWN", "failed"),
    ("ACCEPTD", "pending"),
    ("ENROUTE", "pending"),
)
_BY_WORD: Final = {word[:6].encode(): (word, state) for word, state in _WORDS}
"""SMPP 3.4 Appendix B, `stat`, by its first six letters: some carriers spell the words out."""

_BY_CODE: Final[dict[int, tuple[str, ReceiptState]]] = {
    MessageState.ENROUTE: ("ENROUTE", "pending"),
    MessageState.DELIVERED: ("DELIVRD", "delivered"),
    MessageState.EXPIRED: ("EXPIRED", "expired"),
    MessageState.DELETED: ("DELETED", "failed"),
    MessageState.UNDELIVERABLE: ("UNDELIV", "failed"),
    MessageState.ACCEPTED: ("ACCEPTD", "pending"),
    MessageState.UNKNOWN: ("UNKNOWN", "failed"),
    MessageState.REJECTED: ("REJECTD", "failed"),
}
"""SMPP 3.4 §5.2.28, message_state."""

_TEXT_ID: Final = re.compile(rb"\bid:[ ]*(?!sub:|stat:)([^\s\0]{1,64})", re.IGNORECASE)
_TEXT_STAT: Final = re.compile(rb"\bstat:[ ]*([A-Z]{6,10})", re.IGNORECASE)
_TEXT_ERROR: Final = re.compile(rb"\berr:[ ]*([0-9A-Z]{1,8})", re.IGNORECASE)
_HEX: Final = re.compile(r"[0-9a-f]+")
_DECIMAL: Final = re.compile(r"[0-9]+")

MAX_ID: Final = 64
"""Octets of a message_id without its NUL (SMPP 3.4 §5.2.23)."""

# Plain integers: an IntFlag takes microseconds for each `&`.
_INTERMEDIATE: Final = int(EsmClass.INTERMEDIATE_NOTIFICATION)
_RECEIPT_TYPES: Final = frozenset({int(EsmClass.DELIVERY_RECEIPT), _INTERMEDIATE})
_TYPE_MASK: Final = int(EsmClass.TYPE_MASK)
_NAMED: Final = int(Tag.RECEIPTED_MESSAGE_ID)
_STATE: Final = int(Tag.MESSAGE_STATE)


class Receipt(Struct, frozen=True, gc=False):
    """One receipt."""

    remote_id: str
    """The carrier's id of the part, spelled for matching."""
    state: ReceiptState
    stat: str
    """The carrier's own word: DELIVRD, UNDELIV, …"""
    error: str = ""
    """The carrier's own error code."""

    @property
    def words(self) -> str:
        """What the carrier said, for people: `UNDELIV 001`."""
        return f"{self.stat} {self.error}".strip()


class KeptReceipt(Receipt, frozen=True, gc=False, omit_defaults=True):
    """A receipt that waits in the store, with what reading its id in another form takes."""

    raw: str = ""
    """The id as the carrier sent it, zeros in front and case aside. Empty: as `remote_id`."""
    link: str = ""
    """Where it came in."""
    parties: tuple[str, ...] = ()
    """The addresses in it; empty when nobody compares them."""

    def spelled(self, form: IdForm) -> str:
        """Return its id as a response's would be spelled."""
        return match_id(self.raw or self.remote_id, form)


RECEIPT_DECODER: Final = msgspec.json.Decoder(KeptReceipt)


def is_receipt(pdu: DeliverSm) -> bool:
    """Tell whether a deliver_sm is about a message of ours rather than a message to us.

    Its type says so (§5.2.12), or that it names a message; a handset's acknowledgements are its user's texts.
    """
    return is_receipt_by_type(pdu) or any(tag == _NAMED for tag, _ in pdu.tlvs)


def is_receipt_by_type(pdu: DeliverSm) -> bool:
    """Tell whether the type of a deliver_sm alone makes it a receipt (§5.2.12)."""
    return pdu.esm_class & _TYPE_MASK in _RECEIPT_TYPES


def match_id(remote_id: str, form: IdForm = "same") -> str:
    """Return an id as it is compared: a receipt's by the carrier's form, a response's as it is.

    Ids that do not have the form stay as they are. Zeros in front and case never distinguish two ids.
    """
    text = remote_id.strip().lower()[:MAX_ID]
    if form == "hex-to-decimal" and _HEX.fullmatch(text):
        text = str(int(text, 16))[:MAX_ID]
    elif form == "decimal-to-hex" and _DECIMAL.fullmatch(text):
        text = f"{int(text, 10):x}"
    return text.lstrip("0") or text[:1]


def read_receipt(pdu: DeliverSm, text: bytes, form: IdForm = "same") -> Receipt | None:
    """Return the receipt in a deliver_sm whose text is `text`; None when it names no message or no state."""
    remote_id = (tlv(pdu.tlvs, _NAMED) or b"").partition(b"\0")[0]
    if not remote_id and (found := _TEXT_ID.search(text)):
        remote_id = found[1]
    code = tlv(pdu.tlvs, _STATE)
    said = _BY_CODE.get(code[0]) if code else None
    if said is None and (found := _TEXT_STAT.search(text)):
        said = _BY_WORD.get(found[1].upper()[:6])
    spelled = match_id(remote_id.decode("latin-1"), form)
    if not spelled or said is None:
        return None
    stat, state = said
    if pdu.esm_class & _TYPE_MASK == _INTERMEDIATE:
        state = "pending"  # an attempt's outcome, not the message's (§2.11)
    found = _TEXT_ERROR.search(text)
    return Receipt(spelled, state, stat, found[1].decode("ascii") if found else "")


def verdict(states: Iterable[str], segments: int) -> Literal["delivered", "failed", "expired"] | None:
    """Return what the parts' states make of the whole message; None while some may still come.

    One failed part fails the text: nobody can read the rest.
    """
    known = list(states)
    if "failed" in known:
        return "failed"
    if "expired" in known:
        return "expired"
    if known.count("delivered") >= segments:
        return "delivered"
    return None
