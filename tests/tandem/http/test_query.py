"""The query of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.http.query import parse_query
from telephony.kernel.errors import InvalidRequest

pytestmark = pytest.mark.unit


def test_fields_are_form_decoded_and_the_first_of_a_name_counts() -> None:
    assert parse_query("api-version=1&a=x+y%2Bz&a=2&b&=c") == {
        "api-version": "1",
        "a": "x y+z",
        "b": "",
        "": "c",
    }
    assert parse_query("") == {}


@pytest.mark.parametrize("raw", ["a=%FF", "a=%00", "a%0d=1", "a=é", "&".join("abc" for _ in range(65))])
def test_what_cannot_be_meant_is_refused(raw: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_query(raw)


@given(st.text(max_size=50))
def test_any_text_is_a_query_or_refused(raw: str) -> None:
    try:
        parse_query(raw)
    except InvalidRequest:
        pass
