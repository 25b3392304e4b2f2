"""What texts a carrier takes, and in which form. Units stand in the names or the comments."""

from typing import Literal, TypeAlias

from msgspec import Struct

DefaultAlphabet: TypeAlias = Literal["gsm", "latin1", "ascii"]
"""What an SMSC means by data_coding 0 (SMPP 3.4 §5.2.19: "SMSC Default Alphabet")."""

Concatenation: TypeAlias = Literal["udh8", "udh16", "sar", "payload"]
"""How the parts of a long text are tied together:

- `udh8`, `udh16`: a header of ours in every part, with a reference of 8 or 16 bits (3GPP TS 23.040
  §9.2.3.24.1, §9.2.3.24.8);
- `sar`: optional parameters sar_msg_ref_num, sar_total_segments, sar_segment_seqnum (SMPP 3.4 §5.3.2.22-24);
  the SMSC makes the headers;
- `payload`: the whole text in message_payload (§5.3.2.32); the SMSC cuts it.
"""

Language: TypeAlias = Literal[
    "turkish",
    "spanish",
    "portuguese",
    "bengali",
    "gujarati",
    "hindi",
    "kannada",
    "malayalam",
    "oriya",
    "punjabi",
    "tamil",
    "telugu",
    "urdu",
]
"""Languages with national tables (3GPP TS 23.038 §6.2.1.2.4, annex A)."""


class TextPolicy(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How texts are put into submit_sm for a carrier."""

    concatenation: Concatenation = "udh8"
    """How the parts of a long text are tied together: udh8, udh16, sar or payload."""
    languages: tuple[Language, ...] = ()
    """Languages whose national tables the carrier and its handsets know. A text outside the GSM alphabet that
    such a table holds is sent in it, unless UCS-2 takes fewer parts. Only with data_coding_default "gsm"."""
    locking_shift: bool = True
    """Whether these languages' locking shift tables may be used too, not only the single shift ones."""
    latin1: bool = False
    """Whether data_coding 3 may be used for a text outside the default alphabet that Latin-1 holds."""
    substitute: bool = False
    """Whether characters outside the default alphabet may be replaced by harmless look-alikes (typographic
    quotes, dashes, spaces, accents) when that keeps the text out of UCS-2."""
    flash: Literal["data-coding", "subunit", "both"] = "data-coding"
    """How a message class is marked, 0 being immediate display: in data_coding (0x10, 0x18 and on), by
    dest_addr_subunit (1 and on, SMPP 3.4 §5.3.2.2), or both."""
