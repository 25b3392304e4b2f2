"""The look-up in a rate sheet, against one that looks at every line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.usage.rating import FOREVER, Kind, Rate
from telephony.usage.sheet import Duplicate, Sheet

pytestmark = pytest.mark.unit

prefixes = st.text("12", max_size=4)
moments = st.integers(0, 6)


@st.composite
def sheets(draw: st.DrawFn) -> list[Rate]:
    rates = []
    for line in range(draw(st.integers(0, 14))):
        since = draw(moments)
        until = draw(st.one_of(st.just(FOREVER), st.integers(since + 1, 8)))
        kind = draw(st.sampled_from(list(Kind)))
        rates.append(Rate(line, kind, draw(prefixes), line, since=since, until=until))
    return rates


def reference(rates: list[Rate], kind: Kind, number: str, at: int) -> Rate | None:
    """Of what is in force, the longest prefix; of one prefix's, the last to come; of two alike, the first."""
    seen: set[tuple[str, Kind, int]] = set()
    found: Rate | None = None
    for rate in rates:
        if (rate.prefix, rate.kind, rate.since) in seen:
            continue
        seen.add((rate.prefix, rate.kind, rate.since))
        if rate.kind is not kind or not number[1:].startswith(rate.prefix):
            continue
        if not rate.since <= at < rate.until:
            continue
        if found is None or (len(rate.prefix), rate.since) > (len(found.prefix), found.since):
            found = rate
    return found


@given(sheets(), st.sampled_from(list(Kind)), st.text("12", min_size=1, max_size=6), st.integers(0, 8))
@settings(max_examples=300)
def test_the_compiled_sheet_answers_as_a_look_at_every_line(
    rates: list[Rate], kind: Kind, digits: str, at: int
) -> None:
    assert Sheet("s", 1, "USD", rates).find(kind, f"+{digits}", at) == reference(
        rates, kind, f"+{digits}", at
    )


def test_a_line_that_repeats_another_is_named_and_does_not_count() -> None:
    sheet = Sheet("s", 1, "USD", [Rate(2, Kind.SMS, "49", 1), Rate(3, Kind.SMS, "49", 9)])
    assert sheet.duplicates == (Duplicate(3, 2),)
    assert len(sheet) == 1
    found = sheet.find(Kind.SMS, "+4930", 0)
    assert found is not None
    assert found.price == 1


def test_rates_are_listed_in_order_of_their_prefixes() -> None:
    sheet = Sheet(
        "s", 1, "USD", [Rate(2, Kind.SMS, "49", 1), Rate(3, Kind.SMS, "1", 1), Rate(4, Kind.SMS, "4930", 1)]
    )
    assert [rate.prefix for rate in sheet.listed()] == ["1", "49", "4930"]
    assert [rate.prefix for rate in sheet.listed("49")] == ["49", "4930"]
