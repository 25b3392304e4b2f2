"""Delivery receipts as carriers send them, made one thing: whose, which state, when.

SMPP 3.4 puts a receipt into a deliver_sm whose esm_class says so (§5.2.12); the state stands in TLVs
(§5.3.2.12, §5.3.2.35), in the text of Appendix B, or in both. TLVs win: the text is by agreement only.
"""

import re
from typing import Final, Literal

import msgspec
from msgspec import Struct

ReceiptState = Literal["delivered", "failed", "expired", "pending"]
"""What a receipt says of its part; `pending` changes nothing."""

_BY_WORD: Final[dict[str, ReceiptState]] = {
    "DELIVRD": "delivered",
    "EXPIRED": "expired",
    "DELETED": "failed",
    "UNDELIV": "failed",
    "REJECTD": "failed",
    "UNKNOWN": "failed",
    "ACCEPTD": "pending",
    "ENROUTE": "pending",
}
"""SMPP 3.4 Appendix B, `stat`."""

_BY_CODE: Final[dict[int, str]] = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
"""SMPP 3.4 §5.2.28, message_state."""

_TEXT_ID: Final = re.compile(rb"id:\s*(\S{1,64})", re.IGNORECASE)
_TEXT_STAT: Final = re.compile(rb"stat:\s*([A-Za-z]{1,10})", re.IGNORECASE)
_TEXT_ERROR: Final = re.compile(rb"err:\s*([0-9A-Za-z]{1,8})", re.IGNORECASE)

MAX_ID: Final = 64
"""Octets of a message_id without its NUL (SMPP 3.4 §5.2.23)."""

IdForm = Literal["same", "hex-to-decimal", "decimal-to-hex"]

RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_STATE: Final = 0x0427


class Receipt(Struct, frozen=True, gc=False):
    """One receipt."""

    remote_id: str
    """The carrier's id of the part, spelled for matching."""
    state: ReceiptState
    stat: str
    """The carrier's own word: DELIVRD, UNDELIV, …"""
    error: str = ""
    """The carrier's own error code."""


RECEIPT_DECODER: Final = msgspec.json.Decoder(Receipt)


def match_id(remote_id: str, form: IdForm) -> str:
    """Return a receipt's id as the submit_sm_resp spelled it, by the form the carrier is known for.

    Ids that do not have the form stay as they are. Zeros in front and case never distinguish two ids.
    """
    text = remote_id.strip().lower()
    try:
        if form == "hex-to-decimal":
            text = str(int(text, 16))
        elif form == "decimal-to-hex":
            text = f"{int(text, 10):x}"
    except ValueError:
        pass
    return (text.lstrip("0") or "0")[:MAX_ID]


def parse_receipt(text: bytes, tlvs: tuple[tuple[int, bytes], ...], form: IdForm) -> Receipt | None:
    """Return the receipt in a deliver_sm's text and TLVs, or None when it names no message or no state."""
    remote_id = stat = ""
    for tag, value in tlvs:
        if tag == RECEIPTED_MESSAGE_ID:
            remote_id = value.rstrip(b"\0").decode("latin-1")
        elif tag == MESSAGE_STATE and len(value) == 1:
            stat = _BY_CODE.get(value[0], "")
    if not remote_id and (found := _TEXT_ID.search(text)):
        remote_id = found[1].decode("latin-1")
    if not stat and (found := _TEXT_STAT.search(text)):
        stat = found[1].decode("ascii").upper()
    state = _BY_WORD.get(stat[:7])
    if not remote_id or state is None:
        return None
    error = found[1].decode("ascii") if (found := _TEXT_ERROR.search(text)) else ""
    return Receipt(match_id(remote_id, form), state, stat[:7], error)


def verdict(states: list[str], segments: int) -> Literal["delivered", "failed", "expired"] | None:
    """Return what the parts' states make of the whole message; None while some may still come.

    One failed part fails the text: nobody can read the rest.
    """
    if "failed" in states:
        return "failed"
    if "expired" in states:
        return "expired"
    if len(states) == segments and all(state == "delivered" for state in states):
        return "delivered"
    return None
