"""The requests that are read without aiohttp: which they are, and that nothing else is among them."""

import asyncio
from http import HTTPStatus

import pytest
from aiohttp.http import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from tandem.http.incoming import Outgoing
from tandem.http.simple import MAX_FIELDS, MAX_HEAD, MAX_WHOLE, NotSimple, answer_bytes, read_simple

pytestmark = pytest.mark.unit

HEAD = b"POST /sms?api-version=1&a=%20 HTTP/1.1\r\nHost: a.example:8443\r\nContent-Length: 2\r\n"


def test_a_simple_request_is_read_to_its_end() -> None:
    request = read_simple(HEAD + b"x-ms-date: now\r\nAuthorization:  a b \r\n\r\n{}GET /next")
    assert request is not None
    assert (request.method, request.target) == ("POST", "/sms?api-version=1&a=%20")
    assert (request.body, request.close, request.unread) == (b"{}", False, False)
    assert request.headers["X-MS-Date"] == "now"
    assert request.headers["authorization"] == "a b"
    assert request.length == len(HEAD) + len(b"x-ms-date: now\r\nAuthorization:  a b \r\n\r\n{}")


@pytest.mark.parametrize(
    "raw", [b"G", b"POST /sms HTTP/1.1\r\nHost: a\r\n", HEAD, HEAD + b"\r\n", HEAD + b"\r\n{"]
)
def test_a_request_that_is_not_whole_is_waited_for(raw: bytes) -> None:
    assert read_simple(raw) is None


def test_the_last_request_says_so() -> None:
    for word, close in ((b"close", True), (b"Close", True), (b"keep-alive", False)):
        request = read_simple(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: " + word + b"\r\n\r\n")
        assert request is not None
        assert request.close is close


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: no host\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa4\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_WHOLE + 1),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\x0b\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1111111111\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb9\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\n Content-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET /\t HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * MAX_FIELDS + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * MAX_HEAD,
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_whatever_is_not_simple_is_somebody_else_s(raw: bytes) -> None:
    with pytest.raises(NotSimple):
        read_simple(raw)


class _Nobody:
    """What aiohttp's parser asks of a protocol."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


_PIECES = st.sampled_from(
    [
        *(b"GET ", b"POST ", b"/", b"/sms?a=b", b"*", b"#", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"),
        *(b"Host: a\r\n", b"Host:b\r\n", b"Content-Length: 3\r\n", b"content-length:3\r\n"),
        *(b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
        *(b"Connection: keep-alive\r\n", b"X-A: b\r\n", b"X-A:\tb\r\n", b" folded\r\n", b"\r\n", b"\n"),
        *(b"abc", b"0\r\n\r\n", b"\x80", b"\x00", b":"),
    ]
)


@given(
    st.lists(_PIECES, max_size=14).map(b"".join)
    | st.lists(_PIECES, max_size=6).map(
        lambda pieces: b"POST /a HTTP/1.1\r\nHost: a\r\n" + b"".join(pieces) + b"\r\nabc"
    )
)
def test_what_is_read_here_is_what_aiohttp_would_have_read(raw: bytes) -> None:
    try:
        request = read_simple(raw)
    except NotSimple:
        return
    if request is None:
        return
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(_Nobody(), loop, 2**16)  # type: ignore[arg-type]
        ((message, payload), *_), _, _ = parser.feed_data(raw[: request.length])
        body = payload.read_nowait(-1) if request.body else b""
    finally:
        loop.close()
    assert (message.method, message.path, body) == (request.method, request.target, request.body)
    theirs = [(name.lower(), value) for name, value in message.headers.items()]
    assert theirs == [(name.lower(), value) for name, value in request.headers.items()]
    assert message.should_close == request.close


def test_an_answer_goes_out_with_its_length_and_date() -> None:
    answer = Outgoing(202, {"x-ms-request-id": "1"}, b"{}")
    assert answer_bytes(answer, now=0.5, close=False) == (
        b"HTTP/1.1 202 Accepted\r\nx-ms-request-id: 1\r\nContent-Length: 2\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{}"
    )
    assert b"\r\nContent-Length: 0\r\n" in answer_bytes(Outgoing(200, {}, b""), now=0, close=False)
    assert b"Content-Length" not in answer_bytes(Outgoing(204, {}, b""), now=0, close=False)
    assert answer_bytes(Outgoing(204, {}, b"{}"), now=0, close=False).endswith(b"\r\n\r\n")
    assert b"\r\nConnection: close\r\n" in answer_bytes(answer, now=0, close=True)


def test_every_status_has_its_line() -> None:
    for status in (*HTTPStatus, 499):
        assert answer_bytes(Outgoing(int(status), {}, b""), now=0, close=False).startswith(
            b"HTTP/1.1 %d " % int(status)
        )


@pytest.mark.parametrize("field", [{"X-A": "b\r\nX-C: d"}, {"X-A": "b\n"}, {"X\r-A": "b"}])
def test_a_field_of_more_than_one_line_does_not_go_out(field: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one line"):
        answer_bytes(Outgoing(200, field, b""), now=0, close=False)
