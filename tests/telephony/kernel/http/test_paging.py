"""Pages of a collection."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.paging import (
    MAX_SIZE,
    Page,
    collection,
    continuation,
    next_link,
    page_of,
    position_of,
)

pytestmark = pytest.mark.unit


def test_a_page_has_defaults() -> None:
    assert page_of({}) == Page(0, 100)


def test_skip_and_size_are_taken_under_the_operations_own_name() -> None:
    query = {"skip": "20", "top": "10", "maxPageSize": "5"}
    assert page_of(query) == Page(20, 10)
    assert page_of(query, size="maxPageSize") == Page(20, 5)


def test_a_page_too_large_is_cut() -> None:
    assert page_of({"top": "2000000000"}) == Page(0, MAX_SIZE)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"skip": "-1"}, "skip"),
        ({"skip": "x"}, "skip"),
        ({"skip": "1000001"}, "skip"),
        ({"top": "0"}, "top"),
        ({"top": ""}, "top"),
        ({"top": "²"}, "top"),
        ({"top": "9" * 5000}, "top"),
    ],
)
def test_what_is_no_number_in_range_is_named(query: dict[str, str], target: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        page_of(query)
    assert refused.value.target == target


def test_a_next_link_is_relative_and_keeps_the_query() -> None:
    link = next_link("/phoneNumbers", {"api-version": "1", "skip": "0", "x": "a b&c"}, skip=100, top=None)
    assert link.startswith("/phoneNumbers?")
    assert dict(parse_qsl(urlsplit(link).query)) == {"api-version": "1", "skip": "100", "x": "a b&c"}


@given(
    st.tuples(st.integers(-(2**60), 2**60), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
)
def test_a_continuation_comes_back_as_it_went(position: tuple[int, str]) -> None:
    text = continuation(position)
    assert text.isascii()
    assert position_of(text, tuple[int, str]) == position


@given(st.text(max_size=30))
def test_another_text_is_no_continuation(text: str) -> None:
    with pytest.raises(InvalidRequest):
        position_of(text, tuple[int, str])


def test_the_last_page_has_no_next_link() -> None:
    assert collection("phoneNumbers", []) == {"phoneNumbers": []}
    assert collection("value", [1], "/next") == {"value": [1], "nextLink": "/next"}
