"""A text in its alphabet and its parts, as submit_sm carries them."""

from typing import Final

from msgspec import Struct

from carriers.model.text import Concatenation
from sms.smpp.constants import Tag
from sms.smpp.pdu import Tlvs
from sms.text import sar, udh
from sms.text.alphabet import Alphabet
from sms.text.lookalike import Replaced
from telephony.kernel.errors import InvalidRequest

MESSAGE_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)


class InvalidText(InvalidRequest):
    """A text that no alphabet can carry: half a surrogate pair."""


class InvalidHeader(InvalidRequest):
    """A user data header that is none, or leaves no room."""


class TextTooLong(InvalidRequest):
    """A text of more parts than allowed."""


class Part(Struct, frozen=True, gc=False):
    """One submit_sm's worth of a text."""

    number: int
    """1 to `total`."""
    total: int
    data_coding: int
    """SMPP 3.4 §5.2.19."""
    udhi: bool
    """Whether `payload` begins with a header: esm_class bit 6 (0x40), SMPP 3.4 §5.2.12."""
    payload: bytes
    """What short_message holds: at most 160 octets."""
    tlvs: Tlvs = ()
    """Optional parameters: SAR, message_payload, dest_addr_subunit."""


class Form(Struct, frozen=True, gc=False):
    """How an encoded text goes into PDUs."""

    concatenation: Concatenation = "udh8"
    """What ties several bodies together, or several segments of one."""
    elements: bytes = b""
    """Information elements (encoded) that stand in every part's header besides its concatenation."""
    tlvs: Tlvs = ()
    """Optional parameters of every part."""

    def whole(self, data_coding: int, body: bytes, segments: int) -> Part:
        """Return the only part; beyond one segment it is the SMSC that cuts it."""
        if segments > 1:
            return Part(1, 1, data_coding, False, b"", ((MESSAGE_PAYLOAD, body), *self.tlvs))
        if not self.elements:
            return Part(1, 1, data_coding, False, body, self.tlvs)
        header = bytes((len(self.elements),)) + self.elements
        return Part(1, 1, data_coding, True, header + body, self.tlvs)

    def part(self, number: int, total: int, data_coding: int, body: bytes, reference: int) -> Part:
        """Return one part of several."""
        if self.concatenation == "sar":
            tlvs = sar.write(reference, total, number) + self.tlvs
            return Part(number, total, data_coding, False, body, tlvs)
        wide = self.concatenation == "udh16"
        header = udh.header_of(self.elements, reference, total, number, wide=wide)
        return Part(number, total, data_coding, True, header + body, self.tlvs)


PLAIN: Final = Form()
"""One part without a header, or several behind headers with an 8-bit reference: nearly every text."""


class Encoded(Struct, frozen=True, gc=False):
    """A text in its alphabet, already cut, still without a reference."""

    alphabet: Alphabet
    data_coding: int
    bodies: tuple[bytes, ...]
    """Each PDU's octets without a header."""
    segments: int = 1
    """Parts on the air, for which is paid. As many as bodies, except under message_payload, where the one
    body is cut by the SMSC."""
    form: Form = PLAIN
    replaced: Replaced = ()
    """Which characters of the text gave way to look-alikes."""

    def parts(self, reference: int) -> tuple[Part, ...]:
        """Return the parts; `reference` ties several together and is unused for one.

        It is taken modulo 65,536 for a 16-bit header, else modulo 256. The same reference always gives the
        same parts.
        """
        bodies, data_coding, form = self.bodies, self.data_coding, self.form
        total = len(bodies)
        if form is PLAIN:
            if total == 1:
                return (Part(1, 1, data_coding, False, bodies[0]),)
            return tuple(
                Part(number, total, data_coding, True, udh.concat_header(reference, total, number) + body)
                for number, body in enumerate(bodies, 1)
            )
        if total == 1:
            return (form.whole(data_coding, bodies[0], self.segments),)
        return tuple(
            form.part(number, total, data_coding, body, reference) for number, body in enumerate(bodies, 1)
        )
