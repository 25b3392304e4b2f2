"""Rate sheets as files: what is read, what is refused and why, and that nothing breaks the reader."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.clock import DAY
from telephony.kernel.csv_lines import BadLine, read_lines, text_of
from telephony.kernel.errors import InvalidRequest
from telephony.usage.csv_rates import Rejected, header_of, read_rates, write_rates
from telephony.usage.rating import FOREVER, Kind, Rate
from telephony.usage.sheet import Sheet

pytestmark = pytest.mark.unit


def read(text: str, **defaults: str) -> list[Rate | Rejected]:
    header, *lines = text.splitlines()
    delimiter, columns = header_of(header)
    return list(
        read_rates(enumerate(lines, 2), columns, delimiter=delimiter, currency="USD", defaults=defaults)
    )


def test_a_line_says_all_there_is_to_a_rate() -> None:
    (rate,) = read(
        "prefix;kind;price;setup;minimum;increments;from;until;currency;destination\n"
        '+4930;voice;0.0125;0.01;0.02;30/6;1970-01-02;1970-01-03;USD;"Berlin; Germany"'
    )
    assert rate == Rate(2, Kind.VOICE, "4930", 12_500, 10_000, 20_000, 30, 6, DAY, 3 * DAY, "Berlin; Germany")


def test_carriers_names_of_columns_are_known_and_defaults_fill_what_is_missing() -> None:
    (rate,) = read("Dial Code,Rate,Effective Date\n49,0.5,1970-01-02T01:00:00+01:00", kind="sms")
    assert rate == Rate(2, Kind.SMS, "49", 500_000, since=DAY)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("49,sms", "2 fields; the header has 3"),
        ("0049,sms,1", "prefix: expected up to 15 digits"),
        (",sms,1", "prefix: expected up to 15 digits"),
        ("1234567890123456,sms,1", "prefix: expected up to 15 digits"),
        ("49,fax,1", "kind: expected voice, sms or sms-in"),
        ("49,sms,", "price: not given"),
        ("49,sms,1,5", "4 fields"),
        ("49,sms,-1", "price: expected an amount"),
        ("49,sms,1000001", "price: more than a million"),
        ("49,sms,0.12345678", "price: more than 6 decimals"),
        ('49,sms,"1', "quotes"),
    ],
)
def test_a_line_that_cannot_be_taken_is_told_with_its_reason(line: str, reason: str) -> None:
    good = "1,sms,1"
    first, second = read(f"prefix,kind,price\n{line}\n{good}")
    assert isinstance(first, Rejected)
    assert first[0] == 2
    assert reason in first[1]
    assert isinstance(second, Rate)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("increments", "60", "first/next"),
        ("increments", "0/6", "first/next"),
        ("increments", "9999/1", "first/next"),
        ("from", "01/02/2026", "expected a day"),
        ("from", "2026-02-30", "no such day"),
        ("from", "2026-07-01T00:00:00", "expected a day"),
        ("until", "1969-12-31", "before the rate is in force"),
        ("currency", "EUR", "the sheet is in USD"),
        ("destination", "x" * 65, "more than 64"),
    ],
)
def test_each_column_is_checked(column: str, value: str, reason: str) -> None:
    (rejected,) = read(f"prefix,kind,price,{column}\n49,sms,1,{value}")
    assert isinstance(rejected, Rejected)
    assert rejected[1].startswith(f"{column}: ")
    assert reason in rejected[1]


def test_a_last_day_is_valid_to_its_end_and_the_year_9999_is_for_ever() -> None:
    first, second = read("prefix,kind,price,until\n1,sms,1,1970-01-01\n2,sms,1,9999-12-31")
    assert isinstance(first, Rate)
    assert isinstance(second, Rate)
    assert (first.until, second.until) == (DAY, FOREVER)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("prefix,kind", "'price' among them"),
        ("price,kind", "'prefix' among them"),
        ("prefix,price,minium", "no column 'minium'"),
        ("prefix,price,price", "there twice"),
        ('prefix,"price', "cannot be read"),
    ],
)
def test_a_header_that_is_wrong_is_named(header: str, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        header_of(header)


def test_a_column_may_be_left_unread() -> None:
    delimiter, columns = header_of("\ufeffprefix\tRoute Quality\tprice", ["route-quality"])
    assert (delimiter, columns) == ("\t", ("prefix", "-", "price"))


def test_broken_encodings_nuls_and_huge_lines_spoil_only_themselves() -> None:
    raw = b"prefix,price\n49,\xff\xfe1\n\x001,2\n" + b"x" * 1_000_000 + b"\n50,1\n"
    told: list[str] = []
    for place, line in read_lines(io.BytesIO(raw)):
        try:
            told.append(f"{place}: {text_of(line)}")
        except BadLine as error:
            told.append(f"{place}: {error}")
    assert told == [
        "1: prefix,price",
        "2: not UTF-8",
        "3: a NUL: is the file in UTF-16?",
        "4: longer than 4096 bytes",
        "5: 50,1",
    ]


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_any_line_ends_in_a_rate_or_a_reason(line: str) -> None:
    for one in read_rates(
        [(2, line)], ("prefix", "price", "from"), delimiter=",", currency="USD", defaults={"kind": "sms"}
    ):
        assert isinstance(one, Rate | Rejected)


rates = st.builds(
    Rate,
    line=st.just(0),
    kind=st.sampled_from(list(Kind)),
    prefix=st.from_regex(r"([1-9][0-9]{0,6})?", fullmatch=True),
    price=st.integers(0, 10**12),
    setup=st.integers(0, 10**9),
    minimum=st.integers(0, 10**9),
    first=st.integers(1, 3600),
    next=st.integers(1, 3600),
    since=st.integers(0, 2 * 10**15),
    until=st.one_of(st.just(FOREVER), st.integers(2 * 10**15 + 1, 10**17)),
    destination=st.text("abc é,\"';", max_size=8).map(str.strip),
)


@given(st.lists(rates, max_size=5))
@settings(max_examples=100)
def test_what_is_written_reads_back_the_same(some: list[Rate]) -> None:
    listed = Sheet("s", 1, "USD", some).listed()
    header, *lines = write_rates(listed, "USD").decode().splitlines()
    delimiter, columns = header_of(header)
    back = list(
        read_rates([(0, line) for line in lines], columns, delimiter=delimiter, currency="USD", defaults={})
    )
    assert back == listed
