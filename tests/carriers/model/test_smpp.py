"""A link as data refuses what cannot work, and says what would."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from carriers.model.carrier import Carrier
from carriers.model.smpp import Outbind, SmppLink, SmppTls
from telephony.kernel.secret import Secret, decode_secret

pytestmark = pytest.mark.unit

LINK: dict[str, Any] = {"host": "smsc", "system_id": "me"}


def carrier(**link: Any) -> Carrier:
    return msgspec.convert({"smpp": {"one": LINK | link}}, Carrier, dec_hook=decode_secret)


def test_a_link_is_a_transceiver_of_3_4_without_tls_unless_it_says_otherwise() -> None:
    link = SmppLink(host="smsc", system_id="me")
    assert (link.bind, link.interface_version, link.tls, link.outbind) == ("transceiver", "3.4", None, None)
    assert (link.per_second, link.on_lost_response, link.tlvs) == (None, "resend", {})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": ""}, "host: expected the name or address of the SMSC, or outbind"),
        ({"bind": "both"}, "Invalid enum value 'both'"),
        ({"interface_version": "5.0"}, "Invalid enum value '5.0'"),
        ({"per_second": 0}, "> 0"),
        ({"throttle_seconds": []}, "length >= 1"),
        ({"throttle_seconds": [0.0]}, "> 0"),
        ({"on_lost_response": "retry"}, "Invalid enum value 'retry'"),
        ({"service_type": "LONGER"}, "length <= 5"),
        ({"address_range": "1" * 41}, "length <= 40"),
        ({"tlvs": {"1400": "00"}}, "tlvs: '1400' is no tag; expected one like 0x1400"),
        ({"tlvs": {"0x14000": "00"}}, "is no tag"),
        ({"tlvs": {"0x1400": "0"}}, "tlvs: 0x1400: expected octets in hex, or text: and ASCII characters"),
        ({"tlvs": {"0x1400": "text:é"}}, "tlvs: 0x1400: expected octets in hex"),
        ({"tlvs": {"0x1400": "00" * 1025}}, "tlvs: 0x1400: 1025 octets, at most 1024"),
        ({"tlvs": {"0x0424": "00"}}, "tlvs: 0x0424 is set by each message itself"),
        ({"tlvs": {"0x1400": "00"}, "interface_version": "3.3"}, "tlvs: SMPP 3.3 has no optional parameters"),
        ({"outbind": {"system_id": "smsc"}}, "missing required field `password`"),
    ],
)
def test_what_cannot_work_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        carrier(**wrong)
    assert words in str(refused.value)


def test_files_of_tls_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="certificate and key: expected both or neither"):
        SmppTls(certificate=Path("x"))
    with pytest.raises(ValueError, match="certificate and key: expected both or neither"):
        Outbind(system_id="smsc", password=Secret("x"), key=Path("x"))
    with pytest.raises(ValueError, match="client_ca: needs certificate and key"):
        Outbind(system_id="smsc", password=Secret("x"), client_ca=Path("x"))


def test_outbind_checks_its_addresses_and_excludes_tls_of_our_own_connections() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1/8' is no address and no network"):
        Outbind(system_id="smsc", password=Secret("x"), addresses=("10.0.0.1/8",))
    with pytest.raises(ValueError, match="password: at most 8 octets"):
        Outbind(system_id="smsc", password=Secret("123456789"))
    called = Outbind(system_id="smsc", password=Secret("x"), addresses=("10.0.0.1",))
    assert SmppLink(system_id="me", outbind=called).host == ""
    with pytest.raises(ValueError, match="tls: is of connections that we make"):
        SmppLink(system_id="me", outbind=called, tls=SmppTls())
