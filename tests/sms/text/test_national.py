"""National language tables: exact, whole, and read back as they were written."""

import hashlib
import unicodedata

import pytest

from carriers.model.text import Language
from sms.text import Alphabet, Shift, decode, decode_body, gsm0338, national, udh
from sms.text.national_tables import LANGUAGES, LOCKING, single
from sms.text.septets import ESCAPE, REPLACEMENT
from tests.support.promises import Report

pytestmark = [pytest.mark.unit, pytest.mark.promise("R20")]

# Every pair of tables that a sender of one language can choose
SHIFTS = [
    shift
    for identifier in range(14)
    for shift in (Shift(0, identifier), Shift(identifier, 0), Shift(identifier, identifier))
]

# First code point of the script's block; the blocks of ISCII's scripts are laid out alike
BLOCKS = {4: 0x980, 5: 0xA80, 6: 0x900, 7: 0xC80, 8: 0xD00, 9: 0xB00, 10: 0xA00, 11: 0xB80, 12: 0xC00}
HINDI = 6

# sha256 of all tables as they were when they were compared with independent implementations of TS 23.038
# (releases 9 to 18), at least two for every place. A change here wants the same care.
DIGEST = "d56406e113f11d5da7575090b4a33b466e0fe2870b5a68c5f9194415b9b35f3b"


def test_the_tables_are_those_that_were_compared() -> None:
    every = [(identifier, sorted(single(identifier).items())) for identifier in LANGUAGES]
    text = repr((sorted(LOCKING.items()), every))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST


def test_all_languages_have_a_single_shift_table_and_all_but_spanish_a_locking_one() -> None:
    assert list(LANGUAGES) == list(range(1, 14)) == sorted(national.IDENTIFIERS.values())
    assert sorted(LOCKING) == [identifier for identifier in range(1, 14) if identifier != 2]


@pytest.mark.parametrize("identifier", sorted(LOCKING))
def test_a_locking_table_has_128_places_and_what_all_share(identifier: int) -> None:
    table = LOCKING[identifier]
    assert len(table) == 128
    assert [table[septet] for septet in (0x0A, 0x0D, ESCAPE, 0x20)] == ["\n", "\r", "\x1b", " "]
    assert table[0x30:0x3C] == "0123456789:;"
    assert table[0x61:0x7B] == "abcdefghijklmnopqrstuvwxyz"
    present = [character for character in table if character != REPLACEMENT]
    assert len(present) == len(set(present))
    assert all(unicodedata.category(c) not in ("Cn", "Co", "Cs") for c in present)


@pytest.mark.parametrize("identifier", LANGUAGES)
def test_a_single_shift_table_has_the_extension_and_no_place_for_escape(identifier: int) -> None:
    table = {**gsm0338.EXTENSION, **single(identifier)}
    assert all(table[septet] == character for septet, character in gsm0338.EXTENSION.items())
    assert all(0 <= septet < 128 for septet in table)
    assert not {ESCAPE, 0x0D} & set(table)
    twice = {c for c in table.values() if list(table.values()).count(c) > 1}
    assert twice == ({"¡", "*"} if identifier >= 4 else set())  # the standard has these two twice


@pytest.mark.parametrize("identifier", sorted(set(BLOCKS) - {HINDI}))
def test_an_indic_letter_stands_where_its_counterpart_in_devanagari_stands(identifier: int) -> None:
    for septet in range(0x60):
        character, hindi = LOCKING[identifier][septet], LOCKING[HINDI][septet]
        if ord(hindi) < 0x900:
            assert character == hindi
        elif character != REPLACEMENT:
            assert ord(character) - BLOCKS[identifier] == ord(hindi) - 0x900, hex(septet)
        else:  # a letter that this script does not have, or a place that the standard leaves empty
            assert septet not in (0x03, 0x04, 0x15, 0x22, 0x2F, 0x3D, 0x42, 0x43, 0x44, 0x50, 0x5F)


@pytest.mark.parametrize(("identifier", "zero"), [
    (4, 0x9E6), (5, 0xAE6), (6, 0x966), (7, 0xCE6), (8, 0xD66), (9, 0xB66), (10, 0xA66), (11, 0xBE6),
    (12, 0xC66), (13, 0x6F0),
])  # fmt: skip
def test_a_scripts_digits_stand_in_order(identifier: int, zero: int) -> None:
    places = {character: septet for septet, character in single(identifier).items()}
    digits = [places[chr(zero + digit)] for digit in range(10)]
    assert digits == sorted(digits)
    assert [unicodedata.digit(chr(zero + digit)) for digit in range(10)] == list(range(10))
    assert digits[-1] == (0x23 if identifier == 4 else 0x25)


# Where the tables of Latin languages differ from the default ones: 3GPP TS 23.038 A.2.1-3, A.3.1, A.3.3
TURKISH_LOCKING = {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"}
PORTUGUESE_LOCKING = {
    0x04: "ê", 0x06: "ú", 0x07: "í", 0x08: "ó", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á",
    0x12: "ª", 0x13: "Ç", 0x14: "À", 0x15: "∞", 0x16: "^", 0x17: "\\", 0x18: "€", 0x19: "Ó", 0x1A: "|",
    0x1C: "Â", 0x1D: "â", 0x1E: "Ê", 0x24: "º", 0x40: "Í", 0x5B: "Ã", 0x5C: "Õ", 0x5D: "Ú", 0x60: "~",
    0x7B: "ã", 0x7C: "õ", 0x7D: "`",
}  # fmt: skip
TURKISH_SINGLE = {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
SPANISH_SINGLE = {
    0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú",
}  # fmt: skip
PORTUGUESE_SINGLE = {
    0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á", 0x12: "Φ", 0x13: "Γ", 0x15: "Ω",
    0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê", 0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú",
    0x5B: "Ã", 0x5C: "Õ", 0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â",
}  # fmt: skip


@pytest.mark.parametrize(("identifier", "others"), [(1, TURKISH_LOCKING), (3, PORTUGUESE_LOCKING)])
def test_a_latin_locking_table_differs_where_the_standard_says(
    identifier: int, others: dict[int, str]
) -> None:
    pairs = enumerate(zip(LOCKING[identifier], gsm0338.DEFAULT, strict=True))
    assert {septet: ours for septet, (ours, default) in pairs if ours != default} == others


@pytest.mark.parametrize(
    ("identifier", "others"), [(1, TURKISH_SINGLE), (2, SPANISH_SINGLE), (3, PORTUGUESE_SINGLE)]
)
def test_a_latin_single_shift_table_adds_what_the_standard_says(
    identifier: int, others: dict[int, str]
) -> None:
    assert single(identifier) == others


def test_every_code_point_of_every_table_goes_there_and_back(promise: Report) -> None:
    characters = 0
    for shift in SHIFTS:
        table = national.table(shift)
        extension = {**gsm0338.EXTENSION, **(single(shift.single) if shift.single else {})}
        main = [c for at, c in enumerate(table.main) if at != ESCAPE and c != REPLACEMENT]
        for character in {*main, *extension.values()}:
            septets = table.encode(character)
            assert septets is not None
            assert len(septets) == (1 if character in main else 2)
            assert decode_body(septets, Alphabet.GSM, shift) == character
            characters += 1
        for septet, character in enumerate(table.main):
            if septet != ESCAPE:
                assert table.decode(bytes((septet,))) == character
                escaped = table.decode(bytes((ESCAPE, septet)))
                assert escaped == extension.get(septet, character)
    promise(tables=len(SHIFTS), characters=characters, lost=0)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("turkish", "İyi günler, şu ağaçların altında ılık çay içtik."),
        ("spanish", "¿Dónde está el autobús? Aquí, en la próxima estación."),
        ("portuguese", "Não há informação: amanhã às três, João põe as mãos à obra."),
        ("bengali", "আমার সোনার বাংলা, আমি তোমায় ভালোবাসি। ১২৩".replace("।", ".")),
        ("gujarati", "નમસ્તે, તમે કેમ છો? ૧૨૩।"),
        ("hindi", "नमस्ते, आप कैसे हैं? १२३।"),
        ("kannada", "ನಮಸ್ಕಾರ, ನೀವು ಹೇಗಿದ್ದೀರಿ? ಕಾಡು ೧೨೩"),
        ("malayalam", "നമസ്കാരം, സുഖമാണോ? ൧൨൩"),
        ("oriya", "ନମସ୍କାର, ଆପଣ କେମିତି ଅଛନ୍ତି? ୧୨୩"),
        ("punjabi", "ਤੁਸੀਂ ਕਿਵੇਂ ਹੋ? ੧੨੩"),
        ("tamil", "வணக்கம், எப்படி இருக்கிறீர்கள்? ௧௨௩௮"),
        ("telugu", "నమస్కారం, మీరు ఎలా ఉన్నారు? ౧౨౩౬౭ €"),
        ("urdu", "السلام علیکم".replace("ا", "\u0627") + "، آپ کیسے ہیں؟ ۱۲۳"),
    ],
)
def test_a_sentence_of_the_language_fits_its_tables(language: Language, text: str) -> None:
    identifier = national.IDENTIFIERS[language]
    shift = Shift(identifier if identifier in LOCKING else 0, identifier)
    septets = national.table(shift).encode(text)
    assert septets is not None
    elements = udh.shift_elements(shift)
    payload = bytes((len(elements),)) + elements + septets
    decoded = decode(payload, 0, True)
    assert decoded.text == text
    assert decoded.shift == shift


@pytest.mark.parametrize("shift", [Shift(14, 14), Shift(255, 200), Shift(2, 0), Shift(0, 0)])
def test_an_identifier_without_a_table_means_the_default_one(shift: Shift) -> None:
    assert decode_body(b"\x00\x1b\x65", Alphabet.GSM, shift) == "@€"


def test_the_header_names_the_tables_of_what_follows() -> None:
    assert decode(bytes.fromhex("03240101") + b"\x1b\x73", 0, True).text == "ş"
    assert decode(bytes.fromhex("03250101") + b"\x1d", 0, True).text == "ş"
    assert decode(bytes.fromhex("06250101240101") + b"\x1d\x1b\x73", 0x10, True).text == "şş"
    assert decode(bytes.fromhex("03250101") + b"\x01\x5f", 8, True).text == "ş"  # not in septets: no tables
    assert decode(bytes.fromhex("0424020101") + b"\x1b\x73", 0, True).text == "s"  # of a wrong length
