"""Text of messages: alphabets, parts and their headers. Pure."""

from sms.text.alphabet import Alphabet, alphabet_of
from sms.text.decoding import Decoded, decode, decode_body
from sms.text.encoder import TextEncoder, count, encode, segment
from sms.text.encoding import Encoded, InvalidHeader, InvalidText, Part, TextTooLong
from sms.text.envelope import BARE, Envelope
from sms.text.national import NO_SHIFT, Shift
from sms.text.udh import Concat

__all__ = [
    "BARE",
    "NO_SHIFT",
    "Alphabet",
    "Concat",
    "Decoded",
    "Encoded",
    "Envelope",
    "InvalidHeader",
    "InvalidText",
    "Part",
    "Shift",
    "TextEncoder",
    "TextTooLong",
    "alphabet_of",
    "count",
    "decode",
    "decode_body",
    "encode",
    "segment",
]
