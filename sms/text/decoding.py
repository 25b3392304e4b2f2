"""What inbound parts say."""

from typing import Final

from msgspec import Struct

from sms.text import gsm0338, national, udh
from sms.text.alphabet import Alphabet, Default, alphabet_of
from sms.text.national import NO_SHIFT, Shift

_CODECS: Final = {
    Alphabet.UCS2: "utf-16-be",
    Alphabet.LATIN1: "latin-1",
    Alphabet.ASCII: "ascii",
    Alphabet.CYRILLIC: "iso8859-5",
    Alphabet.HEBREW: "iso8859-8",
    Alphabet.JIS: "iso2022_jp",
    Alphabet.KOREAN: "euc_kr",
}


class Decoded(Struct, frozen=True, gc=False):
    """What an inbound part says."""

    text: str
    """Empty for Alphabet.BINARY."""
    alphabet: Alphabet
    body: bytes
    """The octets of the text, without the header. Whoever joins parts joins bodies and then calls
    `decode_body`: other senders do cut escape and surrogate pairs."""
    header: udh.Header
    """Every information element, lossless."""

    @property
    def concat(self) -> udh.Concat | None:
        """Which part of which text its header says this is; None for a text in one part."""
        return self.header.concat

    @property
    def shift(self) -> Shift:
        """Which national language tables `body` is in, when it is in septets."""
        return self.header.shift


def decode(payload: bytes, data_coding: int, udhi: bool, default: Default = "gsm") -> Decoded:
    """Return what `payload` (short_message or message_payload) says; every input says something.

    `udhi` is bit 6 of esm_class, `default` what the carrier means by data_coding 0. Malformed headers end as
    `udh.split` documents, malformed text as `decode_body` does.
    """
    header, body = udh.split(payload) if udhi else (udh.NO_HEADER, payload)
    alphabet = alphabet_of(data_coding, default)
    return Decoded(decode_body(body, alphabet, header.shift), alphabet, body, header)


def decode_body(body: bytes, alphabet: Alphabet, shift: Shift = NO_SHIFT) -> str:
    """Return the text of `body`; `shift` matters in the GSM alphabet alone.

    Octets that mean nothing become U+FFFD: half a surrogate pair, an odd last octet of UCS-2, a byte past
    0x7F in GSM or ASCII. What GSM escapes become stands at `SeptetTable.decode`.
    """
    if alphabet is Alphabet.GSM:
        return gsm0338.decode(body) if shift is NO_SHIFT else national.table(shift).decode(body)
    codec = _CODECS.get(alphabet)
    return "" if codec is None else body.decode(codec, "replace")
