"""The test numbers and profiles, and that the reference tells the truth about them."""

from pathlib import Path

import pytest

from carriers.simulated.catalogue import PROFILES, profile_named, profile_table
from carriers.simulated.outcomes import ALWAYS, DELIVERED, OUTCOMES, outcome_of, table
from carriers.simulated.rate import Rate
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import ConfigurationError

pytestmark = pytest.mark.unit

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "simulated-carrier.md"


def test_every_test_number_is_fictional_and_valid() -> None:
    assert len(OUTCOMES) >= 15
    for digits in OUTCOMES:
        assert parse_e164(f"+{digits}")
        assert 100 <= int(digits.removeprefix("1206555")) <= 199


def test_a_number_is_known_with_and_without_a_plus() -> None:
    assert outcome_of("+12065550101") is outcome_of("12065550101") is OUTCOMES["12065550101"]


def test_any_other_number_is_delivered() -> None:
    assert outcome_of("+4915112345678") is DELIVERED


def test_a_message_is_never_both_refused_for_ever_and_given_a_receipt() -> None:
    for outcome in OUTCOMES.values():
        assert (outcome.refusal == 0) == (outcome.refused_tries == 0)
        assert outcome.lost_responses < ALWAYS or outcome.receipts == 0


def test_the_reference_has_the_tables_of_the_code() -> None:
    text = REFERENCE.read_text()
    assert table() in text
    assert profile_table() in text


def test_every_profile_is_found_by_its_name() -> None:
    assert {"plain", "receipt-before-response", "throttling"} <= set(PROFILES)
    for name, profile in PROFILES.items():
        assert profile_named(name, key="profile") is profile


def test_an_unknown_profile_names_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match=r"accounts\.x\.profile: .*did you mean 'throttling'"):
        profile_named("throtling", key="accounts.x.profile")
    with pytest.raises(ConfigurationError, match="there are: plain, "):
        profile_named("???", key="profile")


def test_a_rate_lets_a_seconds_worth_through_and_then_so_many_a_second() -> None:
    rate = Rate(10.0, 0.0)
    assert sum(rate.take(0.0) for _ in range(20)) == 10
    assert not rate.take(0.09)
    assert rate.take(0.1)
    taken = sum(rate.take(0.1 + step / 1000) for step in range(1, 10_001))
    assert 99 <= taken <= 100


def test_a_rate_below_one_a_second_lets_the_first_through() -> None:
    rate = Rate(0.5, 0.0)
    assert rate.take(0.0)
    assert not rate.take(1.9)
    assert rate.take(2.0)
