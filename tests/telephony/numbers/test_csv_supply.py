"""Lines of a file into offers, and reasons for the rest."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.money import Money
from telephony.numbers.csv_supply import CsvSupply
from telephony.numbers.kinds import Assignment, Capability, NumberType
from telephony.numbers.ports import Offer, Rejected
from tests.support.numbers import CARRIER

pytestmark = pytest.mark.unit


def read(columns: str, *lines: str, **defaults: str) -> Sequence[Offer | Rejected]:
    """Return what lines give; the first is number 2."""
    supply = CsvSupply(
        enumerate(lines, 2),
        columns.split(","),
        carriers={CARRIER, "other"},
        defaults={"carrier": CARRIER, **defaults},
    )
    return list(supply.offers())


def offer(columns: str, line: str, **defaults: str) -> Offer:
    (found,) = read(columns, line, **defaults)
    assert isinstance(found, Offer), found
    return found


def reason(columns: str, line: str) -> str:
    (found,) = read(columns, line)
    assert isinstance(found, Rejected), found
    assert found.place == 2
    return found.reason


def test_a_number_alone_tells_its_country_type_and_area_code() -> None:
    found = offer("number", "+12065550100")
    assert found.numbers == ("+12065550100",)
    assert (found.lot.country, found.lot.type, found.lot.area_code) == ("US", NumberType.GEOGRAPHIC, "206")
    assert (found.lot.carrier, found.lot.cost) == (CARRIER, Money(0, "USD"))
    assert (found.lot.capabilities.sms, found.lot.assignment) == (Capability.BOTH, Assignment.APPLICATION)


@pytest.mark.parametrize(
    ("number", "country", "kind", "area"),
    [
        ("+18005550100", "US", NumberType.TOLL_FREE, "800"),
        ("+442079460000", "GB", NumberType.GEOGRAPHIC, "20"),
        ("+447400123456", "GB", NumberType.MOBILE, "7400"),
        ("+33612345678", "FR", NumberType.MOBILE, "6"),
    ],
)
def test_the_plan_knows_other_kinds(number: str, country: str, kind: NumberType, area: str) -> None:
    found = offer("number", number).lot
    assert (found.country, found.type, found.area_code) == (country, kind, area)


def test_every_column_counts() -> None:
    columns = "number,country,type,assignment,calling,sms,carrier,cost,currency,area_code,locality,division"
    line = "+12065550100-0109,us,TollFree,PERSON,none,outbound,other,1.50,EUR,206, Seattle ,WA"
    found = offer(f"{columns},division_name,agreement", f"{line},Washington,yes")
    assert len(found.numbers) == 10
    lot = found.lot
    assert (lot.country, lot.type, lot.assignment) == ("US", NumberType.TOLL_FREE, Assignment.PERSON)
    assert (lot.capabilities.calling, lot.capabilities.sms) == (Capability.NONE, Capability.OUTBOUND)
    assert (lot.carrier, lot.cost, lot.agreement) == ("other", Money(1_500_000, "EUR"), True)
    assert (lot.locality, lot.division, lot.division_name) == ("Seattle", "WA", "Washington")


def test_an_empty_field_means_the_default() -> None:
    found = offer("number,cost,sms", "+12065550100,,", cost="2.5", sms="inbound").lot
    assert (found.cost.micros, found.capabilities.sms) == (2_500_000, Capability.INBOUND)


def test_a_short_code_needs_its_country() -> None:
    assert offer("number,country", "12345,US").lot.type is NumberType.SHORT_CODE
    assert reason("number", "12345").startswith("country")
    assert reason("number,country,type", "12345,US,mobile").startswith("type")
    assert reason("number,country,type", "+12065550100,US,shortCode").startswith("type")


@pytest.mark.parametrize(
    ("columns", "line", "word"),
    [
        ("number", "hello", "number"),
        ("number", "+1206555", "number"),
        ("number", "+12065550100,extra", "fields"),
        ("number,cost", "+12065550100", "fields"),
        ("number,locality", '+12065550100,"never closed', "quotes"),
        ("number,country", "+12065550100,XX", "country"),
        ("number,country", "+12065550100,GB", "+44"),
        ("number,type", "+12065550100,satellite", "type"),
        ("number,assignment", "+12065550100,dog", "assignment"),
        ("number,sms", "+12065550100,sometimes", "sms"),
        ("number,carrier", "+12065550100,unknown", "carrier"),
        ("number,cost", "+12065550100,-1", "cost"),
        ("number,cost", "+12065550100,1e999", "cost"),
        ("number,cost", "+12065550100,NaN", "cost"),
        ("number,cost", "+12065550100,0.0000001", "cost"),
        ("number,currency", "+12065550100,dollars", "currency"),
        ("number,area_code", "+12065550100,two", "area_code"),
        ("number,agreement", "+12065550100,maybe", "agreement"),
        ("number,locality", "+12065550100," + "x" * 65, "locality"),
        ("number,locality", "+12065550100,a\x07b", "locality"),
        ("number", "+999123456789", "country"),
    ],
)
def test_a_line_that_cannot_be_taken_says_why(columns: str, line: str, word: str) -> None:
    assert word in reason(columns, line)


def test_the_rest_goes_in_and_empty_lines_do_not_count() -> None:
    found = read("number", "+12065550100", "", "nonsense", "  ", "+12065550101")
    assert [type(one) for one in found] == [Offer, Rejected, Offer]
    assert [one.place for one in found] == [2, 4, 6]


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_lines_end_in_offers_or_reasons(lines: list[str]) -> None:
    for one in read("number,country,cost", *lines):
        assert isinstance(one, Offer) or one.reason
