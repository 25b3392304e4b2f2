"""Numbers as carriers write them, out and in."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.routing.formats import DigitRule, Form, NumberFormat, taken, written
from tests.support.routing import NUMBERS

pytestmark = pytest.mark.unit

GERMAN = NumberFormat(form="national", country="DE", national_prefix="0")


@pytest.mark.parametrize(
    ("form", "number", "text"),
    [
        (NumberFormat(), "+4930123456", "4930123456"),
        (NumberFormat(form="e164"), "+4930123456", "+4930123456"),
        (NumberFormat(form="international"), "+4930123456", "004930123456"),
        (NumberFormat(form="international", international_prefix="011"), "+4930123456", "0114930123456"),
        (GERMAN, "+4930123456", "030123456"),
        (GERMAN, "+4315880", "004315880"),
        (NumberFormat(form="national", country="US"), "+14255550123", "4255550123"),
        (NumberFormat(form="national", country="IT"), "+390612345678", "0612345678"),
        (NumberFormat(tech_prefix="9901#"), "+4930123456", "9901#4930123456"),
        (NumberFormat(rules=(DigitRule(begins="4930", strip=2, add="0"),)), "+4930123456", "030123456"),
        (
            NumberFormat(rules=(DigitRule(begins="1", add="9"), DigitRule(add="8"))),
            "+4930123456",
            "84930123456",
        ),
        (NumberFormat(tech_prefix="7"), "ACME", "ACME"),
        (NumberFormat(tech_prefix="7"), "12345", "12345"),
    ],
)
def test_a_number_is_written_as_a_carrier_wants_it(form: NumberFormat, number: str, text: str) -> None:
    assert written(number, form) == text


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(NUMBERS),
    st.sampled_from(("e164", "digits", "international", "national")),
    st.sampled_from(("", "9901#", "77")),
)
def test_what_is_written_reads_back(number: str, form: Form, tech_prefix: str) -> None:
    form_ = NumberFormat(form=form, country="DE", national_prefix="0", tech_prefix=tech_prefix)
    reading = taken(written(number, form_), form_)
    assert reading.number == number
    assert reading.written == written(number, form_)


def test_what_comes_in_goes_through_the_rules_first_and_the_original_is_kept() -> None:
    form = NumberFormat(form="digits", rules=(DigitRule(begins="030", strip=1, add="49"),))
    reading = taken("030123456", form)
    assert (reading.written, reading.number) == ("030123456", "+4930123456")


@pytest.mark.parametrize(
    "body", [{"form": "national"}, {"country": "ZZ"}, {"tech_prefix": "abc"}, {"form": "x"}]
)
def test_a_format_that_means_nothing_is_refused(body: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, NumberFormat)
