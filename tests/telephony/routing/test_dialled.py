"""Numbers as callers write them: hundreds of spellings, one number or one refusal (R30)."""

from itertools import product
from urllib.parse import quote

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from telephony.kernel.e164 import E164, parse_e164
from telephony.routing.decide import Question, decide
from telephony.routing.dialled import MAX_WRITTEN, DialPlan, Unreadable, country_of, read
from telephony.routing.rules import Kind, RouteSet
from telephony.routing.table import compile_table
from tests.support.promises import Report
from tests.support.routing import CARRIERS, route
from tests.support.scale import full_scale

pytestmark = pytest.mark.unit

PLAN = DialPlan(international=("00", "011"), tech_prefixes=("9901#", "77*"))

SCRIPTS = {
    "ASCII": 0x30,
    "Arabic-Indic": 0x660,
    "Devanagari": 0x966,
    "fullwidth": 0xFF10,
    "mathematical": 0x1D7CE,
    "Thai": 0xE50,
}


def in_script(text: str, zero: int) -> str:
    """Return text with its digits in another script."""
    return "".join(chr(zero + int(each)) if each.isdigit() else each for each in text)


def spellings(country: str, national: str, *, zero: bool = True) -> list[str]:
    """Return ways to write a number; with `zero` also behind a national prefix of 0."""
    parts = [national[:3], national[3:6], national[6:]]
    bodies = [country + separator + separator.join(parts) for separator in ("", " ", "-", ".", "/", "\u2009")]
    bodies += [f"{country} ({parts[0]}) {parts[1]}\u2013{parts[2]}"]
    found = [front + body for front, body in product(("+", "00", "011", "\uff0b", "9901#", "77*+"), bodies)]
    found += [
        in_script(f"{front}{country}{separator}{national}", script)
        for script in SCRIPTS.values()
        for front in ("+", "00", "011")
        for separator in (" ", "\u202f", "-")
    ]
    plain = f"+{country}{national}"
    found += [
        f"{scheme}{plain}{tail}"
        for scheme in ("tel:", "TEL:", "sip:", "sips:", "Sip:")
        for tail in ("", ";phone-context=example.com", ";user=phone", ";isub=1;npdi", ";cpc=ordinary")
    ]
    found += [
        f"sip:{plain}@{host}" for host in ("example.com", "[::1]:5060;transport=tcp", "192.0.2.1", "+1@x")
    ]
    found += [f"sip:{plain};user=phone@example.com"]
    found += [
        f"{scheme}{front}{country}{national}{host}"
        for scheme, host in (("sip:", "@example.com"), ("SIPS:", "@192.0.2.1:5061"), ("tel:", ""))
        for front in ("00", "011", "%30%30", "0%30", "%2B", "9901%23", "77*", "9901#+")
    ]
    found += [f"{scheme}{national};phone-context=+{country}" for scheme in ("tel:", "", "sip:")]
    found += [f"{scheme}{national};phone-context=%2B{country}" for scheme in ("tel:", "", "sip:")]
    found += [f"tel:{national};Phone-Context=\uff0b{in_script(country, 0x660)}"]
    found += [quote(f"{front}{country}{national}", safe="") for front in ("+", "00")]
    found += [f"+{country}" + "".join(f"%{0x30 + int(each):02X}" for each in national)]
    found += [
        f"+{country}{national[:place]}%3{national[place]}{national[place + 1 :]}"
        for place in range(len(national))
    ]
    found += [f"sip:%2b{country}{national}@example.com", quote(in_script(plain, 0xFF10))]
    found += [
        f"{before}{plain}{after}" for before in ("", " ", "\t", "\u202a") for after in ("", "\n", "\u202c")
    ]
    found += [f"+{country}{invisible}{national}" for invisible in "\u200b\u200e\u2060\ufeff\u00ad"]
    found += [f"+{country}{dash}{national}" for dash in "\u2010\u2011\u2012\u2014\u2015\u2212\uff0d"]
    if zero:
        found += [f"+{country} 0{national}", f"00{country}0{national}", f"+{country}(0) {national}"]
        found += [f"{front}{country}\u00a0(0){national}" for front in ("+", "00", "011", "9901#", "77*+")]
    return found


PREMIUM = spellings("49", "9001234567")


@pytest.mark.promise("R30")
def test_two_hundred_spellings_of_a_premium_number_are_one_number() -> None:
    assert len(set(PREMIUM)) >= 200
    assert {spelling: read(spelling, PLAN).number for spelling in PREMIUM} == dict.fromkeys(
        PREMIUM, "+499001234567"
    )


@pytest.mark.promise("R30")
def test_every_spelling_leads_to_the_same_decision(promise: Report) -> None:
    """The operator bars a premium range by a route that stops before a carrier that is not there."""
    rules = RouteSet(
        routes=(
            route(1),
            route(2, target="nobody", prefixes=("49900",)),
            route(3, target="beta", prefixes=("+49",)),
        )
    )
    table = compile_table(rules, CARRIERS)
    decisions = set()
    for spelling in PREMIUM:
        number = read(spelling, PLAN).number
        assert number is not None, spelling
        decision = decide(table, Question(Kind.SMS, number, "+14255550123", 0))
        decisions.add(tuple(hop.route for hop in decision.hops))
    promise(spellings=len(set(PREMIUM)), decisions=len(decisions))
    assert decisions == {("r3", "r1")}


@pytest.mark.promise("R30")
def test_the_spellings_of_numbers_of_every_country_are_one_number_each(promise: Report) -> None:
    """Premium, mobile and other numbers, as the numbering plans' own data give examples of them."""
    regions = sorted(phonenumbers.SUPPORTED_REGIONS) if full_scale() else ["AQ", "BR", "DE", "GB", "IT", "US"]
    kinds = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    examples = [phonenumbers.example_number_for_type(region, kind) for region in regions for kind in kinds]
    examples += [phonenumbers.example_number_for_non_geo_entity(code) for code in (870, 881, 882)]
    numbers = {
        phonenumbers.format_number(each, PhoneNumberFormat.E164): str(each.country_code)
        for each in examples
        if each is not None
    }
    spelled, wrong = 0, {}
    for number, code in numbers.items():
        for spelling in spellings(code, number[1 + len(code) :], zero=False):
            spelled += 1
            if read(spelling, PLAN).number != number:
                wrong[spelling] = number
    promise(numbers=len(numbers), spelled=spelled, wrong=len(wrong))
    assert len(numbers) >= len(regions)
    assert wrong == {}


@pytest.mark.parametrize(
    ("country", "national"),
    [("44", "2079460123"), ("33", "142685300"), ("1", "4255550123"), ("870", "776123456")],
)
def test_spellings_of_other_countries_are_one_number_or_the_same_refusal(country: str, national: str) -> None:
    """Zeros between code and number: where the country has no such prefix, they are refused."""
    for spelling in spellings(country, national):
        reading = read(spelling, PLAN)
        assert reading.number == f"+{country}{national}" or (
            "0" + national in "".join(each for each in reading.steps[-1].text if each.isdigit())
            and reading.refusal is not None
        ), spelling


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", Unreadable.EMPTY),
        ("+", Unreadable.EMPTY),
        ("()", Unreadable.EMPTY),
        ("tel:", Unreadable.EMPTY),
        ("+49" + "1" * MAX_WRITTEN, Unreadable.LONG),
        ("+1-800-FLOWERS", Unreadable.CHARACTER),
        ("+49 30 123456 x7", Unreadable.CHARACTER),
        ("+49\u00b2\u00b3", Unreadable.CHARACTER),
        ("+49\0301234", Unreadable.CHARACTER),
        ("+4930123456@example.com", Unreadable.CHARACTER),
        ("+4930123456,,1#", Unreadable.CHARACTER),
        ("+4930#123456", Unreadable.CHARACTER),
        ("*31#+4930123456", Unreadable.NATIONAL),
        ("sip:%2531%2B@x", Unreadable.ESCAPE),
        ("%2549301234567", Unreadable.ESCAPE),
        ("+49%ff30123456", Unreadable.ESCAPE),
        ("tel:030123456;phone-context=example.com", Unreadable.CONTEXT),
        ("tel:030123456;phone-context=+49;phone-context=+1", Unreadable.CONTEXT),
        ("tel:030123456;phone-context=49", Unreadable.CONTEXT),
        ("++4930123456", Unreadable.PLUS),
        ("00+4930123456", Unreadable.PLUS),
        ("030123456", Unreadable.NATIONAL),
        ("4930123456", Unreadable.NATIONAL),
        ("110", Unreadable.NATIONAL),
        ("+0049301234567", Unreadable.COUNTRY_CODE),
        ("+21012345678", Unreadable.COUNTRY_CODE),
        ("+999123456789", Unreadable.COUNTRY_CODE),
        ("+4911", Unreadable.TOO_SHORT),
        ("+142555501", Unreadable.TOO_SHORT),
        ("+142555501234", Unreadable.TOO_LONG),
        ("+49301234567890123", Unreadable.TOO_LONG),
    ],
)
def test_what_is_no_number_is_refused_by_name(written: str, why: Unreadable) -> None:
    reading = read(written)
    assert (reading.number, reading.refusal) == (None, why)


@pytest.mark.parametrize(
    ("plan", "written", "number"),
    [
        (DialPlan(country="DE"), "030 123456", "+4930123456"),
        (DialPlan(country="DE"), "0043 1 5880", "+4315880"),
        (DialPlan(country="US", international=("011",)), "(425) 555-0123", "+14255550123"),
        (DialPlan(country="US", international=("011",)), "1 425 555 0123", "+14255550123"),
        (DialPlan(country="US", international=("011",)), "011 49 30 123456", "+4930123456"),
        (DialPlan(country="IT"), "06 12345678", "+390612345678"),
        (DialPlan(bare=True), "4930123456", "+4930123456"),
        (DialPlan(tech_prefixes=("9901",)), "99014930123456", "+4930123456"),
    ],
)
def test_a_dial_plan_says_what_national_and_bare_numbers_are(
    plan: DialPlan, written: str, number: str
) -> None:
    assert read(written, plan).number == number


def test_a_reading_keeps_the_original_and_tells_every_step() -> None:
    reading = read(" tel:00 49 (0)30/123456;isub=1")
    assert reading.written == " tel:00 49 (0)30/123456;isub=1"
    assert [(each.what, each.text) for each in reading.steps] == [
        ("scheme, host and parameters taken off", "00 49 (0)30/123456"),
        ("digits alone", "0049030123456"),
        ("00 is a plus", "+49030123456"),
        ("national prefix taken off", "+4930123456"),
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=40)
    | st.text(alphabet="+0123456789%;=@()- \u0660\uff10*#telsip:phone-context", max_size=40)
    | st.from_regex(r"(\+|00)?[1-9][0-9]{5,16}", fullmatch=True)
)
def test_anything_reads_as_one_number_or_one_refusal_and_a_number_as_itself(written: str) -> None:
    reading = read(written)
    assert (reading.number is None) != (reading.refusal is None)
    if reading.number is not None:
        assert parse_e164(reading.number) == reading.number
        assert read(reading.number).number == reading.number
        assert read(reading.number, PLAN).number == reading.number


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+4930123456", "DE"),
        ("+14255550123", "US"),
        ("+14165550123", "CA"),
        ("+870776123456", "001"),
        ("+441632960123", "GB"),
        ("+21012345678", ""),
    ],
)
def test_a_numbers_country_is_known_where_countries_share_a_code(number: str, country: str) -> None:
    assert country_of(E164(number)) == country


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        lambda code, rest: f"+{code}{rest}",
        st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
        st.text("0123456789", min_size=4, max_size=12),
    )
)
def test_what_needs_no_reading_reads_the_same(number: str) -> None:
    if parse_e164(number) is None:
        return
    slow = read(f" {number}")  # the blank makes it take every step
    assert (read(number).number, read(number).refusal) == (slow.number, slow.refusal)
