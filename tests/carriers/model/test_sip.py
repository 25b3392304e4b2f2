"""SIP trunks as data: what they take, and what they refuse in words."""

from typing import Any

import msgspec
import pytest

from carriers.model.sip import USUAL_RETRIES, SipTrunk
from telephony.kernel.secret import decode_secret

pytestmark = pytest.mark.unit

DIGEST = {"username": "me", "password": "hush"}


def trunk(**fields: Any) -> SipTrunk:
    return msgspec.convert({"host": "sip.example", **fields}, SipTrunk, dec_hook=decode_secret)


def test_a_trunk_that_says_only_where_it_leads_lets_nobody_in_and_sends_in_the_clear() -> None:
    usual = trunk()
    assert (usual.transport, usual.srtp, usual.addresses, usual.emergency) == ("udp", "off", (), False)
    assert (usual.retry_on, usual.options_seconds) == (USUAL_RETRIES, 30)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"addresses": ["192.0.2.1/8"]}, "addresses: '192.0.2.1/8' is no address and no network"),
        ({"retry_on": ["486"]}, "retry_on: after 486 no other trunk may be tried"),
        ({"retry_on": ["busy"]}, "retry_on"),
        ({"options_seconds": 5}, "options_seconds: expected 0, or 10 to 60"),
        ({"options_seconds": 61}, "options_seconds"),
        ({"tls": {}}, 'tls: only with transport = "tls"'),
        ({"srtp": "required"}, 'srtp: "required" needs transport = "tls"'),
        ({"register": {"aor": "sip:me@sip.example"}}, "register: needs digest"),
        ({"digest": DIGEST, "register": {"aor": "me"}}, "register.aor"),
        ({"digest": {"username": "me", "password": ""}}, "password: expected one"),
        ({"digest": {"username": 'm"e', "password": "x"}}, "digest.username"),
        ({"host": "sip.example;maddr=evil"}, "host"),
        ({"channels": -1}, "channels"),
        ({"dtmf": "tones"}, "dtmf"),
    ],
)
def test_what_cannot_work_is_refused_in_words(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises((msgspec.ValidationError, ValueError)) as told:
        trunk(**fields)
    assert complaint in str(told.value)
