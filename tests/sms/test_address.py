"""Numbers as SMPP addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier
from sms.address import Address, Addresses, address, number, reader_of
from telephony.routing.formats import NumberFormat, NumberFormats

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14255550199", Address("14255550199", 1, 1)),
        ("12345", Address("12345", 3, 0)),
        ("Tandem", Address("Tandem", 5, 0)),
        ("7-Eleven", Address("7-Eleven", 5, 0)),
        ("²³", Address("²³", 5, 0)),
    ],
)
def test_a_sender_gets_its_type_and_plan(text: str, expected: Address) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    ("digits", "ton", "expected"),
    [
        ("14255550199", 1, "+14255550199"),
        ("+14255550199", 1, "+14255550199"),
        ("0014255550199", 0, "+14255550199"),
        ("0014255550199", 1, "+14255550199"),
        ("14255550199", 0, "+14255550199"),
        ("12345678", 0, "12345678"),
        ("12345", 3, "12345"),
        ("12345", 1, "12345"),
        ("Tandem", 5, "Tandem"),
        ("00Seven", 5, "00Seven"),
        ("+Plus", 5, "+Plus"),
        ("00", 0, "00"),
        ("", 1, ""),
        ("04255550199", 2, "04255550199"),
    ],
)
def test_an_inbound_address_is_e164_where_it_can_be_told(digits: str, ton: int, expected: str) -> None:
    assert number(digits, ton) == expected


@given(st.from_regex(r"\+[1-9][0-9]{8,14}", fullmatch=True))
def test_a_number_comes_back_as_it_went(e164: str) -> None:
    sent = address(e164)
    assert number(sent.digits, sent.ton) == e164


@given(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20), st.integers(0, 255))
def test_any_address_means_something_that_fits_its_column(digits: str, ton: int) -> None:
    assert len(number(digits, ton)) <= 32


CARRIER = Addresses(
    Addressing(
        e164=AddressForm(ton=0, npi=1, plus=True),
        short_code=AddressForm(ton=6, npi=9),
        alphanumeric=AddressForm(ton=5, npi=1),
        destination=AddressForm(ton=2, npi=8),
    )
)


@pytest.mark.parametrize(
    ("text", "source", "destination"),
    [
        ("+14255550199", Address("+14255550199", 0, 1), Address("14255550199", 2, 8)),
        ("12345", Address("12345", 6, 9), Address("12345", 6, 9)),
        ("Tandem", Address("Tandem", 5, 1), Address("Tandem", 5, 1)),
    ],
)
def test_a_carrier_has_its_own_forms_for_each_kind(text: str, source: Address, destination: Address) -> None:
    assert CARRIER.source(text) == source
    assert CARRIER.destination(text) == destination


def test_an_address_is_made_once() -> None:
    assert CARRIER.source("+14255550199") is CARRIER.source("+14255550199")


GERMAN = NumberFormat(form="national", country="DE", national_prefix="0")


@pytest.mark.parametrize(
    ("digits", "ton", "meant"),
    [
        ("030123456", 2, "+4930123456"),
        ("030123456", 0, "+4930123456"),
        ("00436641234567", 0, "+436641234567"),
        ("+4930123456", 1, "+4930123456"),
        ("73111", 3, "73111"),
        ("73111", 0, "73111"),
        ("ACME Shop Berlin", 5, "ACME Shop Berlin"),
    ],
)
def test_what_comes_in_is_read_as_the_carrier_writes_it(digits: str, ton: int, meant: str) -> None:
    carrier = Carrier(formats=NumberFormats(inbound=GERMAN))
    assert reader_of(carrier)(digits, ton) == meant


def test_a_carrier_without_formats_is_read_as_most_write() -> None:
    assert reader_of(Carrier()) is number


def test_what_leaves_is_written_in_the_carriers_formats() -> None:
    formats = NumberFormats(destination=replace(GERMAN, tech_prefix="77"), sender=NumberFormat(form="e164"))
    addresses = Addresses(Addressing(), formats)
    assert addresses.destination("+4930123456").digits == "77030123456"
    assert addresses.source("+14255550123").digits == "+14255550123"
    assert [addresses.source(each).digits for each in ("ACME", "73111")] == ["ACME", "73111"]
