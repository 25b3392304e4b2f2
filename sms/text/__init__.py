"""Text of messages: alphabets, parts and their headers. Pure."""

from sms.text.encoding import (
    Alphabet,
    Decoded,
    Encoded,
    InvalidText,
    Part,
    TextTooLong,
    alphabet_of,
    count,
    decode,
    decode_body,
    encode,
    segment,
)
from sms.text.udh import Concat

__all__ = [
    "Alphabet",
    "Concat",
    "Decoded",
    "Encoded",
    "InvalidText",
    "Part",
    "TextTooLong",
    "alphabet_of",
    "count",
    "decode",
    "decode_body",
    "encode",
    "segment",
]
