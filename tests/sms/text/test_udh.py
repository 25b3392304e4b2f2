"""User data headers: what is there, what is broken, and that nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sms.text import udh

pytestmark = pytest.mark.unit


def test_an_8_bit_concatenation_is_found() -> None:
    header, body = udh.split(bytes.fromhex("050003a70302") + b"text")
    assert header.concat == udh.Concat(0xA7, 3, 2)
    assert body == b"text"


def test_a_16_bit_concatenation_is_found() -> None:
    header, body = udh.split(bytes.fromhex("060804a7b10302") + b"text")
    assert header.concat == udh.Concat(0xA7B1, 3, 2, wide=True)
    assert body == b"text"


def test_what_is_written_is_what_is_read() -> None:
    written = udh.concat_header(255, 255, 255)
    assert len(written) == udh.CONCAT_8_LENGTH
    assert udh.split(written) == (
        udh.Header(((0, b"\xff\xff\xff"),), udh.Concat(255, 255, 255), written),
        b"",
    )


def test_elements_that_mean_nothing_to_us_are_kept() -> None:
    raw = bytes.fromhex("0b05040b8423f0000301020170017f")[:12]
    header, body = udh.split(raw + b"rest")
    assert header.elements == ((0x05, bytes.fromhex("0b8423f0")), (0x00, bytes.fromhex("010201")))
    assert header.concat == udh.Concat(1, 2, 1)
    assert header.raw == raw
    assert body == b"rest"


def test_the_last_of_two_concatenations_counts() -> None:
    header, _ = udh.split(bytes.fromhex("0b" + "0003010201" + "0804aaaa0202"))
    assert header.concat == udh.Concat(0xAAAA, 2, 2, wide=True)
    header, _ = udh.split(bytes.fromhex("0a" + "0003010201" + "0003020302"))
    assert header.concat == udh.Concat(2, 3, 2)


@pytest.mark.parametrize("element", ["0003010001", "0003010200", "0003010203", "000201ff", "000401020101"])
def test_a_concatenation_that_cannot_be_is_ignored(element: str) -> None:
    octets = bytes.fromhex(element)
    header, body = udh.split(bytes((len(octets),)) + octets + b"x")
    assert header.concat is None
    assert header.elements == ((octets[0], octets[2:]),)
    assert body == b"x"


@pytest.mark.parametrize("header", ["050004010201", "060003010201ff", "0100", "050003010203"[:2]])
def test_a_header_that_does_not_add_up_gives_no_elements(header: str) -> None:
    payload = bytes.fromhex(header)
    found, body = udh.split(payload)
    assert found.elements == ()
    assert found.concat is None
    assert found.raw + body == payload


def test_a_header_longer_than_the_payload_is_no_header() -> None:
    assert udh.split(b"\x7fabc") == (udh.NO_HEADER, b"\x7fabc")
    assert udh.split(b"") == (udh.NO_HEADER, b"")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_nothing_of_any_payload_is_lost(payload: bytes) -> None:
    header, body = udh.split(payload)
    assert header.raw + body == payload
    if header.elements:
        again = b"".join(bytes((identifier, len(data))) + data for identifier, data in header.elements)
        assert bytes((len(again),)) + again == header.raw


def test_ports_are_read_as_they_are_written() -> None:
    raw = udh.port_header(2948, 9200)
    assert raw == bytes.fromhex("0605040b8423f0")
    assert udh.ports(udh.split(raw)[0]) == (2948, 9200)
    assert udh.ports(udh.split(bytes.fromhex("040402f0e2"))[0]) == (0xF0, 0xE2)  # 8 bits each
    assert udh.ports(udh.split(bytes.fromhex("0504030b8423"))[0]) is None  # of a wrong length
    assert udh.ports(udh.NO_HEADER) is None


def test_what_is_left_of_a_header_has_no_concatenation_and_no_tables() -> None:
    ports = bytes.fromhex("05040b8423f0")
    for others in ("0003010201", "080400010201", "240101", "0003010201250101"):
        elements = bytes.fromhex(others) + ports
        header, _ = udh.split(bytes((len(elements),)) + elements + b"rest")
        assert udh.apart(header) == bytes((len(ports),)) + ports
    header, _ = udh.split(bytes.fromhex("050003010201") + b"rest")
    assert udh.apart(header) == b""
    assert udh.apart(udh.NO_HEADER) == b""


def test_a_header_that_is_not_well_formed_is_left_as_it_came() -> None:
    header, body = udh.split(bytes.fromhex("03050401") + b"rest")
    assert (udh.apart(header), body) == (bytes.fromhex("03050401"), b"rest")
