"""HTTP dates."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.clock import SECOND
from telephony.kernel.http.dates import format_http_date, parse_date, parse_http_date

pytestmark = pytest.mark.unit


@given(st.integers(min_value=0, max_value=4_102_444_800))
def test_dates_are_written_as_the_standard_library_writes_them_and_read_back(seconds: int) -> None:
    text = format_http_date(seconds * SECOND)
    assert text == formatdate(seconds, usegmt=True)
    assert parse_http_date(text) == seconds * SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_other_forms_are_no_http_dates(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_http_date(text) is None or len(text) == 29


def test_iso_8601_is_taken_where_clients_send_either() -> None:
    assert parse_date("1994-11-06T08:49:37+00:00") == parse_date("Sun, 06 Nov 1994 08:49:37 GMT")
