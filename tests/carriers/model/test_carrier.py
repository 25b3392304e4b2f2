"""A carrier as data refuses what cannot work."""

import msgspec
import pytest

from carriers.model.carrier import Carrier, SmppLink
from telephony.kernel.secret import Secret, decode_secret

pytestmark = pytest.mark.unit


def test_a_password_longer_than_smpp_takes_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="password: at most 8 octets") as refused:
        SmppLink(host="smsc", system_id="tandem", password=Secret("much-too-long"))
    assert "much-too-long" not in str(refused.value)


def test_the_octets_of_a_password_count_not_its_characters() -> None:
    SmppLink(host="smsc", system_id="tandem", password=Secret("12345678"))
    with pytest.raises(ValueError, match="password"):
        SmppLink(host="smsc", system_id="tandem", password=Secret("éééé1"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 0},
        {"port": 65536},
        {"window": 0},
        {"system_id": ""},
        {"system_id": "sixteen letters!"},
        {"response_seconds": 0},
        {"windwo": 5},
    ],
)
def test_a_value_out_of_range_or_an_unknown_key_is_refused(wrong: dict[str, object]) -> None:
    link = {"host": "smsc", "system_id": "tandem", **wrong}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"smpp": {"one": link}}, Carrier, dec_hook=decode_secret)
