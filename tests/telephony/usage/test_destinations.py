"""Where numbers lie, and which of them cost more than they seem."""

import pytest

from telephony.usage.destinations import CODES, Destination, Kind, country_of, destination_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "country", "kind"),
    [
        ("+14255550199", "US", Kind.ORDINARY),
        ("+16135550123", "CA", Kind.ORDINARY),
        ("+18765551234", "JM", Kind.ORDINARY),
        ("+447781123456", "GG", Kind.ORDINARY),
        ("+77012345678", "KZ", Kind.ORDINARY),
        ("+4915112345678", "DE", Kind.ORDINARY),
        ("+19005550100", "US", Kind.PREMIUM),
        ("+491801234567", "DE", Kind.PREMIUM),  # shared cost
        ("+447012345678", "GB", Kind.PREMIUM),  # personal
        ("+979123456789", "001", Kind.PREMIUM),
        ("+870773111632", "001", Kind.SATELLITE),
        ("+881612345678", "001", Kind.SATELLITE),
        ("+8821612345678", "001", Kind.SATELLITE),
        ("+19995550100", "ZZ", Kind.ORDINARY),
        ("+2100000000", "ZZ", Kind.ORDINARY),
    ],
)
def test_a_number_is_known_for_what_it_is(number: str, country: str, kind: Kind) -> None:
    assert destination_of(number) == Destination(country, kind)


@pytest.mark.parametrize("code", sorted(CODES))
def test_no_number_of_a_code_that_is_no_countrys_passes_for_ordinary(code: str) -> None:
    assert all(
        destination_of(f"+{code}{rest}").kind is not Kind.ORDINARY for rest in ("1", "123456", "123456789012")
    )


@pytest.mark.parametrize(
    "number",
    ["+14255550199", "+16135550123", "+18765551234", "+447781123456", "+77012345678", "+390669812345"],
)
def test_counting_agrees_with_deciding_on_numbers_that_there_are(number: str) -> None:
    assert country_of(number) == destination_of(number).country


def test_counting_takes_a_number_that_there_is_not_for_its_codes_main_country() -> None:
    assert [country_of("+19995550100"), country_of("+19995550100"), country_of("+2100000000")] == [
        "US",
        "US",
        "ZZ",
    ]
