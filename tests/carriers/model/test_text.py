"""What a carrier's configuration says about texts."""

import msgspec
import pytest

from carriers.model.carrier import Carrier
from carriers.model.text import TextPolicy

pytestmark = pytest.mark.unit


def test_a_carrier_without_wishes_gets_the_gsm_alphabet_ucs2_and_8_bit_headers() -> None:
    assert Carrier().text == TextPolicy()
    assert TextPolicy().concatenation == "udh8"
    assert TextPolicy().languages == ()
    assert not TextPolicy().substitute


def test_a_policy_is_read_from_the_configuration() -> None:
    carrier = msgspec.toml.decode(
        b"[text]\nconcatenation = 'sar'\nlanguages = ['turkish', 'urdu']\nsubstitute = true\nflash = 'both'",
        type=Carrier,
    )
    assert carrier.text == TextPolicy(
        concatenation="sar", languages=("turkish", "urdu"), substitute=True, flash="both"
    )


@pytest.mark.parametrize(
    "text",
    ['concatenation = "udh"', 'languages = ["klingon"]', "languages = 3", "quotes = true", 'flash = "yes"'],
)
def test_what_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.toml.decode(f"text = {{ {text} }}".encode(), type=Carrier)


def test_languages_need_a_default_alphabet_of_septets() -> None:
    document = 'data_coding_default = "latin1"\ntext = { languages = ["turkish"] }'
    with pytest.raises(msgspec.ValidationError, match=r"text\.languages"):
        msgspec.toml.decode(document.encode(), type=Carrier)
