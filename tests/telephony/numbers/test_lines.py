"""The lines of a file, however broken."""

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.numbers.lines import MAX_LINE, BadLine, fields_of, header_of, read_lines, text_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "delimiter", "columns"),
    [
        ("number,carrier", ",", ("number", "carrier")),
        ("\ufeffNumber;Area Code", ";", ("number", "area_code")),
        ("phoneNumber\tcountryCode", "\t", ("number", "country")),
        ('"number","monthly cost"', ",", ("number", "cost")),
        ("number", ",", ("number",)),
    ],
)
def test_a_header_tells_delimiter_and_columns(line: str, delimiter: str, columns: tuple[str, ...]) -> None:
    assert header_of(line) == (delimiter, columns)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("carrier,cost", "number"),
        ("number,colour", "colour"),
        ("number,number", "twice"),
        ('"number', "header"),
    ],
)
def test_a_header_that_cannot_be_used_names_what_is_wrong(line: str, word: str) -> None:
    with pytest.raises(InvalidRequest, match=word):
        header_of(line)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"+1206\xff", "UTF-8"),
        ("+12065550100,Zürich".encode("latin-1"), "UTF-8"),
        ("+12065550100".encode("utf-16"), "UTF-16"),
        (b"x" * (MAX_LINE + 1), "longer"),
    ],
)
def test_bytes_that_are_no_line_say_why(raw: bytes, reason: str) -> None:
    with pytest.raises(BadLine, match=reason):
        text_of(raw)


def test_fields_may_stand_in_quotes() -> None:
    assert fields_of('+1,"San José, CA","a ""b"""', ",") == ["+1", "San José, CA", 'a "b"']


@pytest.mark.parametrize("line", ['+1,"never closed', '"a"b,c'])
def test_broken_quotes_spoil_only_their_line(line: str) -> None:
    with pytest.raises(BadLine, match="quotes"):
        fields_of(line, ",")


def test_a_huge_line_keeps_the_numbers_of_those_behind_it() -> None:
    file = io.BytesIO(b"number\r\n" + b"9" * 3 * MAX_LINE + b"\n\n+12065550100")
    found = list(read_lines(file))
    assert [place for place, _ in found] == [1, 2, 3, 4]
    assert [len(raw) > MAX_LINE for _, raw in found] == [False, True, False, False]
    assert text_of(found[0][1]) == "number"


@given(st.binary(max_size=200))
def test_any_bytes_end_in_fields_or_in_the_error(raw: bytes) -> None:
    for _, line in read_lines(io.BytesIO(raw)):
        with contextlib.suppress(BadLine):
            assert fields_of(text_of(line), ",")
