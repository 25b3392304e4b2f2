"""From text to parts, as a carrier wants them.

A text goes out in the carrier's default alphabet when every character has a place there; else, with
look-alikes if the carrier allows them; else in a national language's tables, in Latin-1 or in UCS-2, as far
as allowed. Of these the one with the fewest parts is taken, of equals the one that changes no character, then
the first in this order. The same text, policy and reference always give the same parts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from carriers.model.text import TextPolicy
from sms.smpp.constants import Tag
from sms.smpp.pdu import Tlvs
from sms.text import cutting, gsm0338, national, udh
from sms.text.alphabet import DEFAULT, DEFAULTS, LATIN1, OCTETS, UCS2, WITH_CLASS, Alphabet, Default
from sms.text.cutting import GSM_SINGLE, MAX_PARTS, Cut
from sms.text.encoding import PLAIN, Encoded, Form, InvalidHeader, InvalidText, Part, TextTooLong
from sms.text.envelope import CLASSES, Envelope
from sms.text.lookalike import Replaced, substitute
from sms.text.national import Shift
from sms.text.national_tables import LOCKING

_SUBUNITS: Final[tuple[Tlvs, ...]] = tuple(
    ((int(Tag.DEST_ADDR_SUBUNIT), bytes((message_class + 1,))),) for message_class in CLASSES
)
"""dest_addr_subunit by message class: MS display, mobile equipment, smart card, external unit (SMPP 3.4
§5.3.2.2)."""

_CONTROLS: Final = bytes(code for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in b"\n\r\f")
"""Octets that Latin-1 and ASCII under data_coding 0 or 3 are better off without: some SMSCs read 0x80 to 0x9F
as Windows-1252, and the rest moves cursors."""

NO_WISHES: Final = TextPolicy()

_Write = Callable[[str], bytes | None]
"""Turns a text into octets of an alphabet; None when it does not fit."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """How the octets of an alphabet are sent."""

    alphabet: Alphabet
    data_coding: int
    cut: Cut
    elements: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """An alphabet, and how it is sent."""

    shape: _Shape
    write: _Write
    fits: Callable[[str], bool]
    """Whether a character is in the alphabet."""


@dataclass(frozen=True, slots=True, eq=False)
class _Forms:
    """What is tried for a text."""

    plain: _Form
    others: tuple[_Form, ...]
    """When `plain` does not hold it, in the order of preference."""
    tlvs: Tlvs = ()


class TextEncoder:
    """Encodes texts for one carrier."""

    def __init__(self, policy: TextPolicy = NO_WISHES, default: Default = "gsm") -> None:
        """Take a carrier's policy and what it means by data_coding 0."""
        self.policy = policy
        usual = _Forms(_default_form(default), tuple(_other_forms(policy, default)))
        self._usual = usual
        self._write = usual.plain.write
        self._quick = GSM_SINGLE if default == "gsm" else -1  # octets of a text that need no thought
        self._classes = tuple(_with_class(usual, policy, message_class) for message_class in CLASSES)
        wide = policy.concatenation == "udh16"
        self._header = udh.CONCAT_16_LENGTH if wide else udh.CONCAT_8_LENGTH
        # then the SMSC makes the headers: nothing says that it would put elements of ours into each of them
        self._headless = policy.concatenation in ("sar", "payload")

    def encode(
        self,
        text: str,
        *,
        message_class: int | None = None,
        look_alikes: bool = False,
        max_parts: int = MAX_PARTS,
    ) -> Encoded:
        """Return `text` cut into at most `max_parts` segments.

        `message_class` 0 asks for immediate display; `look_alikes` allows what the policy may not.
        Raises InvalidText for half a surrogate pair, TextTooLong beyond `max_parts`. An empty text is one
        empty part.
        """
        substitutes = look_alikes or self.policy.substitute
        if message_class is not None:
            forms = self._classes[message_class]
            return self._finish(text, forms.plain.write(text), forms, substitutes, max_parts)
        body = self._write(text)
        if body is not None and len(body) <= self._quick:  # nearly every text
            return Encoded(Alphabet.GSM, DEFAULT, (body,))
        return self._finish(text, body, self._usual, substitutes, max_parts)

    def enclosed(self, body: str | bytes, envelope: Envelope) -> Encoded:
        """Return a text or octets as their sender wants them. Raises as `encode` and `binary` do."""
        if isinstance(body, str):
            return self.encode(body, message_class=envelope.message_class, look_alikes=envelope.look_alikes)
        return self.binary(
            body,
            header=envelope.header,
            message_class=envelope.message_class,
            data_coding=envelope.data_coding,
        )

    def binary(
        self,
        octets: bytes,
        *,
        header: bytes = b"",
        message_class: int | None = None,
        data_coding: int | None = None,
        max_parts: int = MAX_PARTS,
    ) -> Encoded:
        """Return octets that are no text, cut into at most `max_parts` segments.

        `header` is a user data header with its length octet, such as one with ports; it stands in every part,
        before it the concatenation when there are several. Then a header of ours ties them together whatever
        the policy says, and none is added when `header` has a concatenation: the sender cut it himself.
        `data_coding` goes as it is, else it is that of 8-bit data in the message class.

        Raises InvalidHeader, TextTooLong.
        """
        elements = _elements(header)
        limit = 1 if udh.split(header)[0].concat is not None else min(max_parts, MAX_PARTS)
        tlvs: Tlvs = ()
        coding = OCTETS
        if message_class is not None:
            tlvs = self._classes[message_class].tlvs
            if self.policy.flash != "subunit":
                coding = WITH_CLASS[OCTETS] + message_class
        if data_coding is not None:
            coding = data_coding
        shape = _Shape(Alphabet.BINARY, coding, cutting.cut_octets, elements)
        encoded = self._cut(shape, octets, limit, tlvs)
        if encoded is None:
            raise _too_long(limit)
        return encoded

    def _finish(
        self,
        text: str,
        body: bytes | None,
        forms: _Forms,
        substitutes: bool,
        max_parts: int,
    ) -> Encoded:
        """Return `text`, of which `body` is what the first form makes."""
        plain = forms.plain
        limit = min(max_parts, MAX_PARTS)
        replaced: Replaced = ()
        if body is None and substitutes:
            other, replaced = substitute(text, plain.fits)
            body = plain.write(other)
        if body is not None:
            encoded = self._cut(plain.shape, body, limit, forms.tlvs, replaced)
        else:
            encoded = self._cheapest(text, forms, substitutes, limit)
        if encoded is None:
            raise _too_long(limit)
        return encoded

    def _cheapest(self, text: str, forms: _Forms, substitutes: bool, limit: int) -> Encoded | None:
        best: Encoded | None = None
        for form in forms.others:
            body = form.write(text)
            replaced: Replaced = ()
            if body is None and substitutes:
                other, replaced = substitute(text, form.fits)
                body = form.write(other)
            if body is None or (form.shape.elements and self._headless and _several(form.shape, body)):
                continue
            encoded = self._cut(form.shape, body, limit, forms.tlvs, replaced)
            if encoded is not None and (best is None or _cost(encoded) < _cost(best)):
                best = encoded
        return best

    def _cut(
        self, shape: _Shape, body: bytes, limit: int, tlvs: Tlvs, replaced: Replaced = ()
    ) -> Encoded | None:
        elements = shape.elements
        concatenation = "udh8" if elements and self._headless else self.policy.concatenation
        bodies = shape.cut(body, _alone(elements), self._header + len(elements), limit)
        if bodies is None:
            return None
        segments = len(bodies)
        if segments > 1 and concatenation == "payload":
            bodies = (body,)
        plain = concatenation == "udh8" and not elements and not tlvs
        form = PLAIN if plain else Form(concatenation, elements, tlvs)
        return Encoded(shape.alphabet, shape.data_coding, bodies, segments, form, replaced)


def _cost(encoded: Encoded) -> tuple[int, bool]:
    return encoded.segments, bool(encoded.replaced)


def _alone(elements: bytes) -> int:
    """Return the octets of a header that has nothing but `elements`."""
    return len(elements) + 1 if elements else 0


def _several(shape: _Shape, body: bytes) -> bool:
    return shape.cut(body, _alone(shape.elements), _alone(shape.elements), 1) is None


def _default_form(default: Default) -> _Form:
    if default == "gsm":
        shape = _Shape(Alphabet.GSM, DEFAULT, cutting.cut_septets)
        return _Form(shape, gsm0338.encode, gsm0338.TABLE.__contains__)
    shape = _Shape(DEFAULTS[default], DEFAULT, cutting.cut_transcoded)
    return _octet_form(shape, "latin-1" if default == "latin1" else "ascii")


def _other_forms(policy: TextPolicy, default: Default) -> Iterator[_Form]:
    """Return what is tried when the default alphabet does not hold a text, in the order of preference."""
    if default == "gsm":
        languages = [national.IDENTIFIERS[language] for language in policy.languages]
        yield from (_national_form(Shift(0, each)) for each in languages)
        if policy.locking_shift:
            locking = [each for each in languages if each in LOCKING]
            yield from (_national_form(Shift(each, 0)) for each in locking)
            yield from (_national_form(Shift(each, each)) for each in locking)
    if policy.latin1:
        yield _octet_form(_Shape(Alphabet.LATIN1, LATIN1, cutting.cut_octets), "latin-1")
    yield _Form(_Shape(Alphabet.UCS2, UCS2, cutting.cut_units), _write_ucs2, _always)


def _national_form(shift: Shift) -> _Form:
    table = national.table(shift)
    shape = _Shape(Alphabet.GSM, DEFAULT, cutting.cut_septets, udh.shift_elements(shift))
    return _Form(shape, table.encode, table.__contains__)


def _octet_form(shape: _Shape, codec: str) -> _Form:
    write = _writer(codec)

    def fits(character: str) -> bool:
        return write(character) is not None

    return _Form(shape, write, fits)


def _with_class(usual: _Forms, policy: TextPolicy, message_class: int) -> _Forms:
    """Return the forms of a message class, said as the carrier wants it."""
    tlvs = () if policy.flash == "data-coding" else _SUBUNITS[message_class]
    if policy.flash == "subunit":
        return _Forms(usual.plain, usual.others, tlvs)

    def of_class(form: _Form) -> _Form:
        shape = form.shape
        coding = WITH_CLASS[shape.data_coding] + message_class
        return _Form(_Shape(shape.alphabet, coding, shape.cut, shape.elements), form.write, form.fits)

    others = tuple(of_class(form) for form in usual.others if form.shape.data_coding in WITH_CLASS)
    return _Forms(of_class(_default_form("gsm")), others, tlvs)  # GSM, whatever the default is


def _writer(codec: str) -> _Write:
    def write(text: str) -> bytes | None:
        try:
            octets = text.encode(codec)
        except UnicodeEncodeError:
            return None
        return octets if octets == octets.translate(None, _CONTROLS) else None

    return write


def _write_ucs2(text: str) -> bytes:
    try:
        return text.encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise InvalidText(f"Character {error.start + 1} of the message is half a surrogate pair.") from None


def _always(character: str) -> bool:
    return True


def _elements(header: bytes) -> bytes:
    if not header:
        return b""
    split, rest = udh.split(header)
    if rest or not split.elements:
        raise InvalidHeader("The user data header is not well-formed.")
    if len(header) + udh.CONCAT_16_LENGTH >= cutting.OCTETS:
        raise InvalidHeader("The user data header leaves no room.")
    return header[1:]


def _too_long(limit: int) -> TextTooLong:
    return TextTooLong(f"The message is longer than {limit} part{'s' if limit > 1 else ''}.")


encode: Final = TextEncoder().encode
"""`TextEncoder.encode` for a carrier that wants nothing special."""


def segment(text: str, reference: int, *, max_parts: int = MAX_PARTS) -> tuple[Part, ...]:
    """Return the parts of `text`; raises as `encode` does."""
    return encode(text, max_parts=max_parts).parts(reference)


def count(text: str, *, max_parts: int = MAX_PARTS) -> tuple[Alphabet, int]:
    """Return the alphabet of `text` and its number of parts; raises as `encode` does."""
    encoded = encode(text, max_parts=max_parts)
    return encoded.alphabet, encoded.segments
