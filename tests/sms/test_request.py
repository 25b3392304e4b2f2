"""The object `tandem` of Sms send: what it takes, what it refuses and where."""

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.api import SendMessageRequest
from sms.message import MAX_DATA
from sms.outgoing import encoded
from sms.request import TandemOptions, body_and_options
from sms.send import Options
from sms.text import BARE, Envelope, InvalidHeader
from telephony.kernel.clock import DAY, HOUR, MINUTE, SECOND, to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.bodies import BodyDecoder
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.unit

DECODER = BodyDecoder(SendMessageRequest, ("application/json",))
OCTETS = base64.b64encode(b"\1\2").decode()
HEADER = base64.b64encode(bytes.fromhex("0605040b8423f0")).decode()


def asked(tandem: Any, message: str | None = "Hello") -> tuple[str | bytes, Options]:
    body: dict[str, Any] = {"from": "+1", "smsRecipients": [{"to": "+2"}]}
    body |= {} if message is None else {"message": message}
    body |= {} if tandem is ... else {"tandem": tandem}
    decoded = DECODER.decode("application/json", None, msgspec.json.encode(body))
    usual = Options(True, "tag", 120)
    return body_and_options(decoded.message, decoded.tandem, usual, ManualClock())


def refused(tandem: Any, message: str | None = "Hello") -> str | None:
    with pytest.raises(InvalidRequest) as error:
        asked(tandem, message)
    assert error.value.target is not None
    assert error.value.message.startswith(error.value.target)
    return error.value.target


@pytest.mark.parametrize("tandem", [..., None, {}])
def test_without_it_or_with_an_empty_one_a_text_goes_as_ever(tandem: Any) -> None:
    body, options = asked(tandem)
    assert body == "Hello"
    assert options == Options(True, "tag", 120)
    assert options.envelope == BARE
    assert options.extras() is None


def test_a_text_may_be_a_flash_in_look_alikes_planned_urgent_and_valid_for_a_while() -> None:
    at = datetime.fromtimestamp((START + DAY) // SECOND, UTC).isoformat()
    body, options = asked(
        {
            "messageClass": 0,
            "lookAlikes": True,
            "sendAt": at,
            "validitySeconds": 600,
            "priority": 3,
            "protocolId": 127,
            "maxParts": 2,
        }
    )
    assert body == "Hello"
    assert options == Options(
        True,
        "tag",
        120,
        validity_seconds=600,
        not_before=START + DAY,
        priority=3,
        envelope=Envelope(0, True),
        protocol_id=127,
        max_parts=2,
    )


def test_octets_go_behind_a_header_or_ports_under_a_data_coding() -> None:
    body, options = asked({"data": OCTETS, "udh": HEADER, "dataCoding": 245}, None)
    assert (body, options.envelope) == (
        b"\1\2",
        Envelope(header=bytes.fromhex("0605040b8423f0"), data_coding=245),
    )
    ports = {"destination": 2948, "source": 9200}
    assert asked({"data": OCTETS, "ports": ports}, "")[1].envelope.header == options.envelope.header


def test_a_time_is_in_whatever_zone_it_is_said() -> None:
    _, options = asked({"sendAt": "2026-01-01T03:00:00+02:00"})
    assert options.not_before == START + HOUR
    assert asked({"sendAt": to_iso(START - MINUTE)})[1].not_before == START - MINUTE


@pytest.mark.parametrize(
    ("tandem", "message", "target"),
    [
        (..., None, "message"),
        ({}, "", "message"),
        ({"messageClass": 0}, None, "message"),
        ("text", "Hello", "tandem"),
        ({"flash": True}, "Hello", "tandem.flash"),
        ({"messageClass": 4}, "Hello", "tandem.messageClass"),
        ({"messageClass": -1}, "Hello", "tandem.messageClass"),
        ({"messageClass": "0"}, "Hello", "tandem.messageClass"),
        ({"data": OCTETS}, "Hello", "tandem.data"),
        ({"data": ""}, None, "tandem.data"),
        ({"data": "no base64"}, None, "tandem.data"),
        ({"data": base64.b64encode(bytes(MAX_DATA + 1)).decode()}, None, "tandem.data"),
        ({"data": OCTETS, "lookAlikes": True}, None, "tandem.lookAlikes"),
        ({"udh": HEADER}, "Hello", "tandem.udh"),
        ({"data": OCTETS, "udh": base64.b64encode(bytes(134)).decode()}, None, "tandem.udh"),
        ({"ports": {"destination": 1}}, "Hello", "tandem.ports"),
        ({"data": OCTETS, "udh": HEADER, "ports": {"destination": 1}}, None, "tandem.ports"),
        ({"data": OCTETS, "ports": {"destination": 65536}}, None, "tandem.ports.destination"),
        ({"data": OCTETS, "ports": {"source": 1}}, None, "tandem.ports.destination"),
        ({"dataCoding": 4}, "Hello", "tandem.dataCoding"),
        ({"data": OCTETS, "dataCoding": 256}, None, "tandem.dataCoding"),
        ({"data": OCTETS, "dataCoding": 4, "messageClass": 1}, None, "tandem.messageClass"),
        ({"protocolId": 256}, "Hello", "tandem.protocolId"),
        ({"sendAt": "tomorrow"}, "Hello", "tandem.sendAt"),
        ({"sendAt": "2026-01-01T03:00:00"}, "Hello", "tandem.sendAt"),
        ({"sendAt": to_iso(START - 11 * MINUTE)}, "Hello", "tandem.sendAt"),
        ({"sendAt": to_iso(START + 24 * DAY + SECOND)}, "Hello", "tandem.sendAt"),
        ({"sendAt": "9999-12-31T23:59:59-12:00"}, "Hello", "tandem.sendAt"),
        ({"sendAt": "0001-01-01T00:00:00+12:00"}, "Hello", "tandem.sendAt"),
        ({"validitySeconds": 9}, "Hello", "tandem.validitySeconds"),
        ({"validitySeconds": 7 * 86400 + 1}, "Hello", "tandem.validitySeconds"),
        ({"priority": 4}, "Hello", "tandem.priority"),
        ({"maxParts": 0}, "Hello", "tandem.maxParts"),
        ({"maxParts": 256}, "Hello", "tandem.maxParts"),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(tandem: Any, message: str | None, target: str) -> None:
    assert refused(tandem, message) == target


NAMES = [field.encode_name for field in msgspec.structs.fields(TandemOptions)]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70_000)
    | st.text(max_size=12)
    | st.sampled_from([OCTETS, HEADER, "2026-01-02T00:00:00Z"])
)


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        SCALARS | st.dictionaries(st.sampled_from(["destination", "source"]), SCALARS, max_size=2),
        max_size=4,
    ),
    st.sampled_from(["", "Hello"]),
)
def test_whatever_is_asked_is_something_to_send_or_refused_at_its_place(
    tandem: dict[str, Any], message: str
) -> None:
    try:
        body, options = asked(tandem, message)
    except InvalidRequest as error:
        target = error.target or "nowhere"
    else:
        target = ""
    if target:
        assert target == "message" or target.startswith("tandem.")
        return
    assert body
    assert isinstance(body, bytes) == ("data" in tandem and tandem["data"] is not None)
    try:
        parts = encoded(body, options.envelope).parts(7)
    except InvalidHeader:
        return  # what a header is, the encoder knows
    assert parts
