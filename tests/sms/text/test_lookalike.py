"""Look-alikes: what stands for what, and what never does."""

import unicodedata

import pytest

from sms.text import gsm0338
from sms.text.lookalike import LOOK_ALIKES, substitute

pytestmark = pytest.mark.unit

FITS = gsm0338.TABLE.__contains__


def test_every_look_alike_is_in_the_gsm_alphabet() -> None:
    for character, other in LOOK_ALIKES.items():
        assert len(character) == 1
        assert gsm0338.encode(other) is not None, hex(ord(character))
        assert character not in other


def test_a_letter_gives_way_to_its_own_base_or_twin_only() -> None:
    for character, other in LOOK_ALIKES.items():
        if not character.isalpha() or unicodedata.normalize("NFKC", character) == other:
            continue  # signs, and ligatures
        base = unicodedata.normalize("NFD", character)[0]
        if "GREEK" in unicodedata.name(character):
            assert other in "ABEZHIKMNOPTYXΩ"
            assert len(other) == 1
        elif character in "őŐűŰ":
            assert unicodedata.normalize("NFD", other)[0] == base
        else:
            assert other == base or character == "\u02bc"


@pytest.mark.parametrize("text", ["ışğİ", "łŁđøØß", "½ 10² m³", "a\u200db\u200cc", "ж", "ñ", "ş"])
def test_what_would_change_meaning_stays(text: str) -> None:
    assert substitute(text, FITS) == (text, ())


def test_what_fits_stays() -> None:
    assert substitute("àéÉÄö'\"-", FITS) == ("àéÉÄö'\"-", ())


def test_separate_accents_are_composed() -> None:
    assert substitute("cafe\u0301, a\u0303", FITS) == (
        "café, a",
        (("e\u0301", "é"), ("a\u0303", "ã"), ("ã", "a")),
    )


def test_accents_that_compose_with_nothing_stay() -> None:
    assert substitute("q\u0301", FITS) == ("q\u0301", ())


def test_invisible_signs_go() -> None:
    assert substitute("soft\u00adhy\ufeffphen", FITS) == (
        "softhyphen",
        (("\u00ad", ""), ("\ufeff", "")),
    )
