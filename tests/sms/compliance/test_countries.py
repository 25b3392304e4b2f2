"""Rules by the recipient's country."""

from datetime import UTC, datetime

import pytest

from sms.compliance.countries import Countries, country_of, sender_kind, zones_of
from sms.compliance.settings import CountrySettings
from telephony.kernel.clock import SECOND

pytestmark = pytest.mark.unit

US, CANADA, GERMANY, INDIA = "+12065550100", "+14165550100", "+4915112345678", "+919876543210"
NUMBER, SHORT_CODE, NAME = "+14255550199", "12345", "Contoso"

RULES = Countries(
    {
        "US": CountrySettings(senders=("e164", "short-code"), hours="08:00-21:00"),
        "DE": CountrySettings(denied_senders=("contoso", "+14255550199")),
        "IN": CountrySettings(senders=()),
        "GB": CountrySettings(hours="09:00-20:00", zone="Europe/London"),
    }
)


def test_numbers_have_a_country() -> None:
    assert [country_of(number) for number in (US, CANADA, GERMANY, "+88213000000", "+1", "x")] == [
        "US",
        "CA",
        "DE",
        "001",
        "",
        "",
    ]
    assert zones_of(US) == ("America/Los_Angeles",)
    assert zones_of("x") == ()


def test_senders_are_of_three_kinds() -> None:
    assert [sender_kind(one) for one in (NUMBER, SHORT_CODE, NAME)] == ["e164", "short-code", "alphanumeric"]


@pytest.mark.parametrize(
    ("sender", "to", "refusal"),
    [
        (NUMBER, US, None),
        (SHORT_CODE, US, None),
        (NAME, US, "US takes no texts from alphanumeric senders."),
        (NAME, CANADA, None),
        (NAME, GERMANY, "DE takes no texts from this sender."),
        ("CONTOSO", GERMANY, "DE takes no texts from this sender."),
        ("Fabrikam", GERMANY, None),
        (NUMBER, GERMANY, "DE takes no texts from this sender."),
        (NUMBER, INDIA, "Nothing may be sent to IN."),
    ],
)
def test_a_country_takes_what_its_rules_say(sender: str, to: str, refusal: str | None) -> None:
    assert RULES.refusal(sender, to) == refusal


def test_without_rules_everything_goes_at_once() -> None:
    none = Countries({})
    assert not none
    assert none.refusal(NAME, INDIA) is None
    assert none.not_before(US, 0) is None


def test_hours_are_those_of_the_number_or_of_the_zone_that_is_set() -> None:
    night = round(datetime(2026, 5, 4, 5, tzinfo=UTC).timestamp()) * SECOND
    in_seattle = round(datetime(2026, 5, 4, 15, tzinfo=UTC).timestamp()) * SECOND  # 08:00 there
    in_london = round(datetime(2026, 5, 4, 8, tzinfo=UTC).timestamp()) * SECOND  # 09:00 there
    assert RULES.not_before(US, night) == in_seattle
    assert RULES.not_before("+447400123456", night) == in_london
    assert RULES.not_before(GERMANY, night) is None
