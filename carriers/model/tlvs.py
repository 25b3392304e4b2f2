"""Optional parameters as an operator writes them: a carrier's registration fields and the like."""

import re
from collections.abc import Mapping
from typing import Final

Tlvs = tuple[tuple[int, bytes], ...]
"""As (tag, value)."""

OWN_TAGS: Final = frozenset({0x020C, 0x020E, 0x020F, 0x0424})
"""sar_msg_ref_num, sar_total_segments, sar_segment_seqnum and message_payload: they belong to the message
(SMPP 3.4 §5.3.2), a constant one would spoil it."""

MAX_TLV: Final = 1024
"""Octets of a configured value: ids and names are a few dozen."""

_TAG: Final = re.compile(r"0[xX][0-9a-fA-F]{1,4}", re.ASCII)
_TEXT: Final = "text:"


def parse_tlvs(listed: Mapping[str, str]) -> Tlvs:
    """Return parameters written as `0x1400 = "48656c6c6f"` (octets in hex) or `0x1400 = "text:Hello"`.

    Text is ASCII and gets no NUL at its end: write hex where a carrier wants one. Raises ValueError, naming
    the tag.
    """
    return tuple((_tag(tag), _value(tag, value)) for tag, value in listed.items())


def _tag(text: str) -> int:
    if not _TAG.fullmatch(text):
        raise ValueError(f"tlvs: {text!r} is no tag; expected one like 0x1400")
    tag = int(text, 16)
    if tag in OWN_TAGS:
        raise ValueError(f"tlvs: {text} is set by each message itself")
    return tag


def _value(tag: str, text: str) -> bytes:
    try:
        said = text.removeprefix(_TEXT)
        value = bytes.fromhex(text) if said == text else said.encode("ascii")
    except ValueError:
        raise ValueError(f"tlvs: {tag}: expected octets in hex, or {_TEXT} and ASCII characters") from None
    if len(value) > MAX_TLV:
        raise ValueError(f"tlvs: {tag}: {len(value)} octets, at most {MAX_TLV}")
    return value
