"""Texts as carriers want them: alphabets, tables, headers, optional parameters; and nothing cut in two."""

from collections.abc import Sequence
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carriers.model.text import Concatenation, Language, TextPolicy
from sms.smpp.constants import Tag
from sms.smpp.pdu import tlv
from sms.text import (
    BARE,
    Alphabet,
    Envelope,
    InvalidHeader,
    InvalidText,
    Part,
    Shift,
    TextEncoder,
    TextTooLong,
    decode,
    decode_body,
    gsm0338,
    national,
    sar,
    segment,
    udh,
)
from sms.text.alphabet import Default
from sms.text.national_tables import LANGUAGES

pytestmark = [pytest.mark.unit, pytest.mark.promise("R20")]

GRIN = "\N{GRINNING FACE}"
LANGUAGE_NAMES: tuple[Language, ...] = get_args(Language)
CONCATENATIONS: tuple[Concatenation, ...] = get_args(Concatenation)
TURKISH = TextPolicy(languages=("turkish",))


def read(parts: Sequence[Part], default: Default = "gsm") -> str:
    """Return what a receiver who joins before decoding reads, and check that a hasty one reads the same."""
    decoded = []
    for part in parts:
        payload = tlv(part.tlvs, Tag.MESSAGE_PAYLOAD)
        assert payload is None or part.payload == b""
        octets = part.payload if payload is None else payload
        decoded.append(decode(octets, part.data_coding, part.udhi, default))
    assert len({(each.alphabet, each.shift) for each in decoded}) == 1
    body = b"".join(each.body for each in decoded)
    text = decode_body(body, decoded[0].alphabet, decoded[0].shift)
    assert "".join(each.text for each in decoded) == text
    return text


# --- national languages ---


@pytest.mark.parametrize(
    ("policy", "text", "elements", "segments"),
    [
        (TURKISH, "a" * 155, b"", 1),  # the default alphabet whenever it holds the text
        (TURKISH, "ş" + "a" * 153, b"\x24\x01\x01", 1),  # 2 + 153 of 155 septets
        (TURKISH, "ş" + "a" * 154, b"\x25\x01\x01", 1),
        (TURKISH, "ş" * 77, b"\x24\x01\x01", 1),
        (TURKISH, "ş" * 78, b"\x25\x01\x01", 1),
        (TURKISH, "ş" * 155, b"\x25\x01\x01", 1),
        (TURKISH, "ş" * 156, b"\x25\x01\x01", 2),
        (TURKISH, "ş" * 149 * 2, b"\x25\x01\x01", 2),
        (TURKISH, "ş" * 149 * 2 + "ş", b"\x25\x01\x01", 3),
        (TextPolicy(languages=("turkish",), locking_shift=False), "ş" * 78, b"\x24\x01\x01", 2),
        (TextPolicy(languages=("turkish",), locking_shift=False), "ş" * 71, b"\x24\x01\x01", 1),
        (TextPolicy(languages=("spanish",)), "á" * 77, b"\x24\x01\x02", 1),
        (TextPolicy(languages=("hindi",)), "क" * 155, b"\x25\x01\x06", 1),
        (TextPolicy(languages=("hindi",)), "क" * 150 + "१", b"\x24\x01\x06\x25\x01\x06", 1),
        (TextPolicy(languages=("hindi",)), "क" * 150 + "१२", b"\x24\x01\x06\x25\x01\x06", 2),
        (TextPolicy(languages=("spanish", "portuguese")), "ã" * 40, b"\x24\x01\x03", 1),
        (TextPolicy(languages=("spanish",)), "ã" * 40, b"", 1),
    ],
)
def test_a_text_is_sent_in_the_tables_with_the_fewest_parts(
    policy: TextPolicy, text: str, elements: bytes, segments: int
) -> None:
    encoded = TextEncoder(policy).encode(text)
    if encoded.alphabet is Alphabet.UCS2:
        assert elements == b""
    assert encoded.segments == len(encoded.bodies) == segments
    parts = encoded.parts(7)
    for part in parts:
        header = udh.split(part.payload)[0] if part.udhi else udh.NO_HEADER
        named = b"".join(bytes((one, len(data))) + data for one, data in header.elements if one >= 0x24)
        assert named == elements
        assert (header.concat is None) == (segments == 1)
    assert read(parts) == text


def test_a_language_that_is_not_named_is_not_used() -> None:
    assert TextEncoder().encode("ş").alphabet is Alphabet.UCS2
    assert TextEncoder(TextPolicy(languages=("spanish",))).encode("ş").alphabet is Alphabet.UCS2


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_character_of_every_language_can_be_sent_and_read(language: Language) -> None:
    identifier = national.IDENTIFIERS[language]
    encoder = TextEncoder(TextPolicy(languages=(language,)))
    for shift in (Shift(0, identifier), Shift(identifier, identifier)):
        table = national.table(shift)
        for character in {c for at in range(128) for c in table.decode(bytes((at,))) if c != "\ufffd"}:
            assert read(encoder.encode(character).parts(1)) == character


def test_septets_behind_a_header_leave_the_room_that_fill_bits_take() -> None:
    """3GPP TS 23.040 §9.2.3.24: 6, 7, 9, 10, 12 and 13 octets take 7, 8, 11, 12, 14 and 15 septets."""
    for concatenation, languages, text, room in [
        ("udh8", (), "a" * 400, 153),
        ("udh16", (), "a" * 400, 152),
        ("udh8", ("turkish",), "ş" * 400, 149),
        ("udh16", ("turkish",), "ş" * 400, 148),
        ("udh8", ("hindi",), "क" * 2 + "१" + "क" * 397, 146),
        ("udh16", ("hindi",), "क" * 2 + "१" + "क" * 397, 145),
    ]:
        encoded = TextEncoder(TextPolicy(concatenation=concatenation, languages=languages)).encode(text)  # type: ignore[arg-type]
        assert len(encoded.bodies[0]) == room, (concatenation, languages)


# --- what data_coding 0 means ---


@pytest.mark.parametrize(
    ("default", "text", "data_coding", "first"),
    [
        ("gsm", "@é", 0, b"\x00\x05"),
        ("latin1", "@é", 0, b"@\xe9"),
        ("latin1", "[á]", 0, b"[\xe1]"),
        ("latin1", "5€", 8, b"\x005\x20\xac"),
        ("latin1", "Ω", 8, b"\x03\xa9"),
        ("latin1", "a\x80", 8, b"\x00a\x00\x80"),  # some read 0x80 as the Euro sign
        ("ascii", "@_$", 0, b"@_$"),
        ("ascii", "é", 8, b"\x00\xe9"),
        ("ascii", "a\x07", 8, b"\x00a\x00\x07"),
    ],
)
def test_a_text_arrives_right_whatever_data_coding_0_means(
    default: Default, text: str, data_coding: int, first: bytes
) -> None:
    (part,) = TextEncoder(default=default).encode(text).parts(1)
    assert (part.data_coding, part.payload) == (data_coding, first)
    assert read([part], default) == text


@pytest.mark.parametrize(
    ("default", "text", "sizes"),
    [
        ("latin1", "a" * 160, [160]),  # the SMSC makes septets of it
        ("latin1", "a" * 161, [153, 8]),
        ("latin1", "[" * 80, [80]),
        ("latin1", "[" * 81, [76, 5]),
        ("latin1", "a" * 152 + "[" + "a" * 10, [152, 11]),
        ("latin1", "á" * 140, [140]),  # outside GSM: octets, if the SMSC is careful
        ("latin1", "á" * 141, [134, 7]),
        ("ascii", "a" * 160, [160]),
        ("ascii", "`" * 141, [134, 7]),
    ],
)
def test_octets_under_data_coding_0_have_the_room_of_what_the_smsc_makes_of_them(
    default: Default, text: str, sizes: list[int]
) -> None:
    encoded = TextEncoder(default=default).encode(text)
    assert [len(body) for body in encoded.bodies] == sizes
    assert read(encoded.parts(1), default) == text


@pytest.mark.parametrize(
    ("text", "data_coding", "segments"),
    [("é", 0, 1), ("á", 3, 1), ("á" * 140, 3, 1), ("á" * 141, 3, 2), ("á€", 8, 1), ("a\x1bá", 8, 1)],
)
def test_latin1_is_used_under_data_coding_3_when_allowed(text: str, data_coding: int, segments: int) -> None:
    encoded = TextEncoder(TextPolicy(latin1=True)).encode(text)
    assert (encoded.data_coding, encoded.segments) == (data_coding, segments)
    assert read(encoded.parts(1)) == text


# --- concatenation ---


def test_a_16_bit_reference_stands_in_the_header() -> None:
    first, second = TextEncoder(TextPolicy(concatenation="udh16")).encode("a" * 160 + "b").parts(0x1A7B1)
    assert first.payload == bytes.fromhex("060804a7b10201") + b"a" * 152
    assert second.payload == bytes.fromhex("060804a7b10202") + b"a" * 8 + b"b"
    assert first.udhi
    assert first.tlvs == ()


def test_sar_parameters_stand_instead_of_a_header() -> None:
    first, second = TextEncoder(TextPolicy(concatenation="sar")).encode("ж" * 71).parts(0x1A7)
    assert not first.udhi
    assert first.payload == "ж".encode("utf-16-be") * 67
    assert second.tlvs == ((0x020C, b"\x00\xa7"), (0x020E, b"\x02"), (0x020F, b"\x02"))
    assert sar.read(first.tlvs) == udh.Concat(0xA7, 2, 1, wide=True, sar=True)


def test_a_text_that_fits_one_part_has_neither_header_nor_parameters() -> None:
    for concatenation in CONCATENATIONS:
        (part,) = TextEncoder(TextPolicy(concatenation=concatenation)).encode("a" * 160).parts(9)
        assert part == Part(1, 1, 0, False, b"a" * 160)


def test_a_long_text_goes_whole_in_message_payload_and_costs_its_segments() -> None:
    encoded = TextEncoder(TextPolicy(concatenation="payload")).encode("a" * 2000)
    assert encoded.segments == 14
    assert encoded.parts(9) == (Part(1, 1, 0, False, b"", ((0x0424, b"a" * 2000),)),)
    with pytest.raises(TextTooLong, match="13 parts"):
        TextEncoder(TextPolicy(concatenation="payload")).encode("a" * 2000, max_parts=13)


@pytest.mark.parametrize("concatenation", ["sar", "payload"])
def test_languages_serve_texts_of_one_part_where_the_smsc_makes_the_headers(
    concatenation: Concatenation,
) -> None:
    encoder = TextEncoder(TextPolicy(concatenation=concatenation, languages=("turkish",)))
    assert encoder.encode("ş" * 155).alphabet is Alphabet.GSM
    assert encoder.encode("ş" * 155).segments == 1
    assert encoder.encode("ş" * 156).alphabet is Alphabet.UCS2
    assert read(encoder.encode("ş" * 156).parts(1)) == "ş" * 156


@pytest.mark.parametrize(
    "tlvs",
    [
        (),
        ((0x020C, b"\0\1"), (0x020E, b"\2")),
        ((0x020C, b"\1"), (0x020E, b"\2"), (0x020F, b"\1")),
        ((0x020C, b"\0\1"), (0x020E, b"\0"), (0x020F, b"\0")),
        ((0x020C, b"\0\1"), (0x020E, b"\2"), (0x020F, b"\3")),
        ((0x020C, b"\0\1"), (0x020E, b"\2"), (0x020F, b"\0")),
        ((0x020C, b"\0\1"), (0x020E, b""), (0x020F, b"\1")),
    ],
)
def test_sar_parameters_that_do_not_add_up_say_nothing(tlvs: tuple[tuple[int, bytes], ...]) -> None:
    assert sar.read(tlvs) is None


# --- flash ---


@pytest.mark.parametrize(
    ("policy", "text", "data_coding", "tlvs"),
    [
        (TextPolicy(), "now", 0x10, ()),
        (TextPolicy(), "сейчас", 0x18, ()),
        (TextPolicy(latin1=True), "á", 0x18, ()),  # no class has Latin-1
        (TextPolicy(flash="subunit"), "now", 0, ((0x0005, b"\x01"),)),
        (TextPolicy(flash="subunit", latin1=True), "á", 3, ((0x0005, b"\x01"),)),
        (TextPolicy(flash="both"), "сейчас", 0x18, ((0x0005, b"\x01"),)),
        (TURKISH, "ş", 0x10, ()),
    ],
)
def test_flash_is_marked_as_the_carrier_wants(
    policy: TextPolicy, text: str, data_coding: int, tlvs: tuple[tuple[int, bytes], ...]
) -> None:
    (part,) = TextEncoder(policy).encode(text, message_class=0).parts(1)
    assert (part.data_coding, part.tlvs) == (data_coding, tlvs)
    assert read([part]) == text


def test_flash_by_class_is_in_septets_whatever_data_coding_0_means() -> None:
    (part,) = TextEncoder(default="latin1").encode("@", message_class=0).parts(1)
    assert (part.data_coding, part.payload) == (0x10, b"\0")
    (part,) = TextEncoder(TextPolicy(flash="subunit"), "latin1").encode("@", message_class=0).parts(1)
    assert (part.data_coding, part.payload) == (0, b"@")


def test_every_part_of_a_long_flash_is_marked() -> None:
    policy = TextPolicy(flash="both", concatenation="sar")
    for part in TextEncoder(policy).encode("a" * 300, message_class=0).parts(1):
        assert (part.data_coding, len(part.tlvs), part.tlvs[-1]) == (0x10, 4, (0x0005, b"\x01"))


@pytest.mark.parametrize(("message_class", "subunit"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_every_message_class_is_marked_as_the_carrier_wants(message_class: int, subunit: int) -> None:
    (text,) = TextEncoder().encode("now", message_class=message_class).parts(1)
    (octets,) = TextEncoder().binary(b"\1", message_class=message_class).parts(1)
    assert (text.data_coding, octets.data_coding) == (0x10 + message_class, 0x14 + message_class)
    by_subunit = TextEncoder(TextPolicy(flash="subunit"))
    for encoded in (
        by_subunit.encode("now", message_class=message_class),
        by_subunit.binary(b"\1", message_class=message_class),
    ):
        (part,) = encoded.parts(1)
        assert part.data_coding in (0, 4)
        assert part.tlvs == ((0x0005, bytes((subunit,))),)


# --- octets that are no text ---

PORTS = bytes.fromhex("06050423f40000")  # WAP push: destination 9204, source 0


def test_octets_go_under_data_coding_4_behind_the_callers_header() -> None:
    (part,) = TextEncoder().binary(b"\x01\x02", header=PORTS).parts(9)
    assert part == Part(1, 1, 4, True, PORTS + b"\x01\x02")
    (part,) = TextEncoder().binary(b"\x01" * 140).parts(9)
    assert part == Part(1, 1, 4, False, b"\x01" * 140)
    (part,) = TextEncoder().binary(b"\x01", message_class=0).parts(9)
    assert part.data_coding == 0x14


def test_the_callers_header_stands_in_every_part() -> None:
    for policy, room in [
        (TextPolicy(), 128),
        (TextPolicy(concatenation="udh16"), 127),
        (TextPolicy(concatenation="sar"), 128),
        (TextPolicy(concatenation="payload"), 128),
    ]:
        octets = bytes(range(250))
        encoded = TextEncoder(policy).binary(octets, header=PORTS)
        assert [len(body) for body in encoded.bodies] == [room, 250 - room]
        bodies = b""
        for number, part in enumerate(encoded.parts(9), 1):
            decoded = decode(part.payload, part.data_coding, part.udhi)
            assert decoded.header.elements[1] == (5, bytes.fromhex("23f40000"))
            assert decoded.concat is not None
            assert (decoded.concat.total, decoded.concat.number) == (2, number)
            assert len(part.payload) == 140 or number == 2
            bodies += decoded.body
        assert bodies == octets


def test_long_octets_without_a_header_follow_the_policy() -> None:
    (part,) = TextEncoder(TextPolicy(concatenation="payload")).binary(b"\x01" * 141).parts(9)
    assert part.tlvs == ((0x0424, b"\x01" * 141),)
    parts = TextEncoder(TextPolicy(concatenation="sar")).binary(b"\x01" * 141).parts(9)
    assert [len(part.payload) for part in parts] == [134, 7]


def test_a_text_that_the_caller_cut_himself_is_not_cut_again() -> None:
    header = bytes.fromhex("050003010201")
    (part,) = TextEncoder().binary(b"\x01" * 134, header=header).parts(9)
    assert part.payload == header + b"\x01" * 134
    with pytest.raises(TextTooLong):
        TextEncoder().binary(b"\x01" * 135, header=header)


@pytest.mark.parametrize("header", ["00", "05", "0500030102", "050004010201", "05000301020101"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(InvalidHeader, match="well-formed"):
        TextEncoder().binary(b"x", header=bytes.fromhex(header))


def test_a_header_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(InvalidHeader, match="no room"):
        TextEncoder().binary(b"x", header=bytes((133, 0x70, 131)) + bytes(131))
    TextEncoder().binary(b"x" * 200, header=bytes((131, 0x70, 129)) + bytes(129))


def test_octets_go_under_the_data_coding_that_their_sender_names() -> None:
    for part in TextEncoder().binary(b"\1" * 200, data_coding=0xF5).parts(1):
        assert part.data_coding == 0xF5


def test_an_envelope_says_how_a_text_or_octets_go() -> None:
    encoder = TextEncoder()
    flash = encoder.enclosed("\u201cnow\u201d", Envelope(message_class=0, look_alikes=True))
    assert (flash.data_coding, flash.bodies) == (0x10, (b'"now"',))
    octets = encoder.enclosed(b"\1", Envelope(header=PORTS, data_coding=0xF6))
    assert octets.parts(1) == (Part(1, 1, 0xF6, True, PORTS + b"\1"),)
    assert encoder.enclosed("now", BARE) == encoder.encode("now")
    assert encoder.enclosed(b"\1", BARE) == encoder.binary(b"\1")


# --- look-alikes ---


def test_look_alikes_are_used_for_one_text_whatever_the_policy_is() -> None:
    text = "\u201cHello\u201d"
    assert TextEncoder().encode(text).alphabet is Alphabet.UCS2
    asked = TextEncoder().encode(text, look_alikes=True)
    assert (asked.alphabet, asked.bodies) == (Alphabet.GSM, (b'"Hello"',))


def test_look_alikes_keep_a_text_in_the_default_alphabet_when_asked() -> None:
    text = "\u201cTão\u201d \u2013 5\u00a0€\u2026"
    assert TextEncoder().encode(text).alphabet is Alphabet.UCS2
    encoded = TextEncoder(TextPolicy(substitute=True)).encode(text)
    assert encoded.alphabet is Alphabet.GSM
    assert read(encoded.parts(1)) == '"Tao" - 5 €...'
    assert encoded.replaced == (
        ("\u201c", '"'), ("ã", "a"), ("\u201d", '"'), ("\u2013", "-"), ("\u00a0", " "), ("\u2026", "..."),
    )  # fmt: skip


def test_a_text_that_look_alikes_cannot_save_stays_as_it_is() -> None:
    encoded = TextEncoder(TextPolicy(substitute=True)).encode("\u201cж\u201d")
    assert read(encoded.parts(1)) == "\u201cж\u201d"
    assert encoded.replaced == ()


def test_nothing_is_replaced_in_a_text_that_fits() -> None:
    encoded = TextEncoder(TextPolicy(substitute=True)).encode("Ça va à Zürich?")
    assert encoded.replaced == ()
    assert read(encoded.parts(1)) == "Ça va à Zürich?"


def test_look_alikes_help_a_language_and_only_where_they_save_parts() -> None:
    encoder = TextEncoder(TextPolicy(substitute=True, languages=("turkish",)))
    short = encoder.encode("\u201cşç\u201d")
    assert (short.alphabet, short.replaced) == (Alphabet.UCS2, ())  # one part either way
    long = encoder.encode("\u201c" + "şç" * 70 + "\u201d")
    assert (long.alphabet, long.segments) == (Alphabet.GSM, 1)
    assert read(long.parts(1)) == '"' + "şç" * 70 + '"'  # the language's own letters stay


def test_ascii_carriers_get_plain_letters_when_asked() -> None:
    encoded = TextEncoder(TextPolicy(substitute=True), "ascii").encode("déjà vu")
    assert encoded.bodies == (b"deja vu",)


# --- all policies ---

POLICIES = [
    (TextPolicy(concatenation=concatenation, languages=languages, latin1=latin1, substitute=False), default)
    for concatenation, (default, languages), latin1 in product(
        CONCATENATIONS,
        [
            ("gsm", ()),
            ("gsm", ("turkish", "portuguese")),
            ("gsm", LANGUAGE_NAMES),
            ("latin1", ()),
            ("ascii", ()),
        ],
        [False, True],
    )
]
ENCODERS = [(TextEncoder(policy, default), policy, default) for policy, default in POLICIES]  # type: ignore[arg-type]


def alphabets() -> list[str]:
    """Return sets of characters from which texts are made."""
    every = ["a€", "[á]", "şğıç€a", "aж" + GRIN, "a" + GRIN + "\N{MUSICAL SYMBOL G CLEF}", "`a~\n"]
    for identifier in LANGUAGES:
        table = national.table(Shift(identifier, identifier))
        both = bytes(range(128)), b"".join(bytes((27, at)) for at in range(128))
        every.append("".join(sorted({c for octets in both for c in table.decode(octets)} - {"\ufffd"})))
    return every


TEXTS = st.one_of(
    st.sampled_from(alphabets()).flatmap(lambda characters: st.text(characters, max_size=500)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)


def room_of(part: Part, policy: TextPolicy, default: Default) -> None:
    """Check that a part fits 140 octets on the air."""
    octets = part.payload
    header = b""
    if part.udhi:
        split, octets = udh.split(part.payload)
        header = split.raw
        assert split.elements
    elif sar.read(part.tlvs) is not None:
        header = bytes(6)  # which the SMSC makes
    alphabet = decode(part.payload, part.data_coding, part.udhi, default).alphabet
    if part.data_coding == 0 and alphabet is not Alphabet.GSM:
        septets = gsm0338.encode(octets.decode("latin-1"))
        if septets is not None:
            octets, alphabet = septets, Alphabet.GSM
    bits = (7 if alphabet is Alphabet.GSM else 8) * len(octets)
    assert bits <= (140 - len(header)) * 8
    if alphabet is Alphabet.GSM:
        assert not octets.endswith(b"\x1b")


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(ENCODERS), st.integers(0, 70_000), st.booleans())
def test_whatever_the_policy_the_parts_fit_and_joined_are_the_text(
    text: str, carrier: tuple[TextEncoder, TextPolicy, Default], reference: int, flash: bool
) -> None:
    encoder, policy, default = carrier
    encoded = encoder.encode(text, message_class=0 if flash else None)
    parts = encoded.parts(reference)
    assert parts == encoder.encode(text, message_class=0 if flash else None).parts(reference)
    assert read(parts, default) == text  # also part by part: no character, escape or surrogate pair is cut
    assert encoded.replaced == ()
    whole = policy.concatenation == "payload" and encoded.segments > 1
    assert len(parts) == (1 if whole else encoded.segments)
    wide = policy.concatenation == "udh16"
    for number, part in enumerate(parts, 1):
        assert (part.number, part.total) == (number, len(parts))
        if not whole:
            room_of(part, policy, default)
        if len(parts) > 1:
            concat = decode(part.payload, part.data_coding, part.udhi).concat or sar.read(part.tlvs)
            assert concat is not None
            assert (concat.total, concat.number) == (len(parts), number)
            assert concat.reference == reference % (65_536 if wide else 256)
            assert concat.sar == (policy.concatenation == "sar")
    plain = TextEncoder(TextPolicy(concatenation=policy.concatenation), default).encode(
        text, message_class=0 if flash else None
    )
    assert encoded.segments <= plain.segments  # a wish never costs


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(ENCODERS))
def test_with_look_alikes_no_text_costs_more_and_what_changed_is_told(
    text: str, carrier: tuple[TextEncoder, TextPolicy, Default]
) -> None:
    encoder, policy, default = carrier
    lenient = TextEncoder(
        TextPolicy(
            concatenation=policy.concatenation,
            languages=policy.languages,
            latin1=policy.latin1,
            substitute=True,
        ),
        default,
    )
    encoded = lenient.encode(text)
    got = read(encoded.parts(3), default)
    assert encoded.segments <= encoder.encode(text).segments
    for original, other in encoded.replaced:
        assert original in text
        text = text.replace(original, other)
    assert got == text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=700), st.sampled_from(ENCODERS), st.sampled_from([b"", PORTS]))
def test_octets_joined_are_the_octets(
    octets: bytes, carrier: tuple[TextEncoder, TextPolicy, Default], header: bytes
) -> None:
    encoder, policy, default = carrier
    joined = b""
    for part in encoder.binary(octets, header=header).parts(77):
        payload = tlv(part.tlvs, Tag.MESSAGE_PAYLOAD)
        if payload is None:
            room_of(part, policy, default)
        joined += decode(part.payload if payload is None else payload, 4, part.udhi).body
    assert joined == octets


@pytest.mark.parametrize("text", ["\ud83d", "\u201c\ud83d", "ş\ude00" + "a" * 200])
def test_half_a_surrogate_pair_is_refused_under_every_policy(text: str) -> None:
    for encoder, _, _ in ENCODERS:
        with pytest.raises(InvalidText):
            encoder.encode(text)
    with pytest.raises(InvalidText):
        TextEncoder(TextPolicy(substitute=True)).encode(text, message_class=0)


def test_more_parts_than_allowed_are_refused_under_every_policy() -> None:
    for encoder, _, _ in ENCODERS:
        for text in ("a" * 700, "ж" * 300, "[" * 400):
            with pytest.raises(TextTooLong, match="2 parts"):
                encoder.encode(text, max_parts=2)
        assert encoder.encode("a" * 306, max_parts=3).segments <= 3


def test_no_wishes_are_what_segment_does() -> None:
    for text in ("", "a" * 161, "ж" * 71, "5€"):
        assert TextEncoder().encode(text).parts(5) == segment(text, 5)
