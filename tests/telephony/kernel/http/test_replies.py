"""Answers as a client reads them: whole, in pieces, framed in every way, malformed, and too long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.kernel.http.replies import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_INTERIM,
    MalformedReply,
    OutboundReply,
    ReplyParser,
)

pytestmark = pytest.mark.unit

CEILING = 1000
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(raw: bytes, *, method: str = "POST", piece: int = 0) -> tuple[OutboundReply | None, ReplyParser]:
    """Feed an answer, whole or in pieces, and return the reply and its parser."""
    parser = ReplyParser(method, CEILING)
    reply = None
    for start in range(0, len(raw), piece or len(raw)):
        assert reply is None, "it was complete already"
        reply = parser.feed(raw[start : start + (piece or len(raw))])
    return reply, parser


@pytest.mark.parametrize("piece", [0, 1, 7])
@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, b""),
        (b"HTTP/1.1 503\r\nContent-Length: 1\r\n\r\nx", 503, b"x"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, b"hi"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", 200, b"hello"),
        (CHUNKED + b"1;x=y\r\na\r\n2 \r\nbc\r\n000\r\nTrailer: x\r\n\r\n", 200, b"abc"),
        (
            b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
            202,
            b"",
        ),
    ],
)
def test_an_answer_is_complete_when_it_says_so(raw: bytes, status: int, body: bytes, piece: int) -> None:
    reply, parser = read(raw, piece=piece)
    assert reply is not None
    assert (reply.status, reply.body, reply.truncated) == (status, body, False)
    assert parser.keep


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reply, parser = read(b"HTTP/1.0 200 OK\r\n\r\nall of it")
    assert reply is None
    assert parser.end().body == b"all of it"
    assert not parser.keep


def test_an_answer_to_head_has_no_body() -> None:
    reply, parser = read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", method="HEAD")
    assert reply is not None
    assert parser.keep


def test_fields_are_found_whatever_their_case_and_may_be_folded() -> None:
    reply, _ = read(b"HTTP/1.1 200 OK\r\nX-Long: a\r\n  b\r\nx-UTF: \xc3\xa4\r\nContent-Length:0\r\n\r\n")
    assert reply is not None
    assert (reply.headers["x-long"], reply.headers["X-Utf"]) == ("a b", "ä")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",  # nobody asked twice
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    ],
)
def test_a_connection_is_kept_only_when_nothing_is_in_doubt(head: bytes) -> None:
    reply, parser = read(head)
    assert reply is not None
    assert not parser.keep


def test_an_old_server_may_keep_a_connection_when_it_says_so() -> None:
    _, parser = read(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n")
    assert parser.keep


@pytest.mark.parametrize("piece", [0, 100])
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        CHUNKED + b"fffff\r\n" + b"x" * 1001,
    ],
)
def test_a_body_beyond_the_ceiling_is_cut_there_and_the_rest_not_waited_for(raw: bytes, piece: int) -> None:
    parser = ReplyParser("POST", CEILING)
    reply = None
    for start in range(0, len(raw), piece or len(raw)):
        reply = reply or parser.feed(raw[start : start + (piece or len(raw))])
    assert reply is not None
    assert (reply.body, reply.truncated) == (b"x" * CEILING, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: z\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: z\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        CHUNKED + b"x\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"1\r\nab\r\n",
        CHUNKED + b"f" * 9000,
        CHUNKED + b"0\r\n" + b"a: b\r\n" * 9000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * MAX_HEAD,
    ],
)
@pytest.mark.parametrize("piece", [0, 1])
def test_what_is_no_answer_is_malformed(raw: bytes, piece: int) -> None:
    with pytest.raises(MalformedReply):
        read(raw, piece=piece)


@pytest.mark.parametrize(
    "raw",
    [b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", CHUNKED + b"3\r\nab"],
)
def test_an_answer_that_breaks_off_is_malformed(raw: bytes) -> None:
    reply, parser = read(raw)
    assert reply is None
    assert parser.begun
    with pytest.raises(MalformedReply):
        parser.end()


def test_a_flood_of_tiny_chunks_is_read_in_linear_time() -> None:
    raw = CHUNKED + b"1;" + b"x" * 6000 + b"\r\na\r\n" + b"1\r\na\r\n" * 40_000
    parser = ReplyParser("POST", 1 << 20)
    began = time.process_time()
    assert parser.feed(raw) is None
    assert time.process_time() - began < 2.0  # its square would be minutes


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.integers(1, 50))
def test_chunks_are_put_together_however_they_come(chunks: list[bytes], piece: int) -> None:
    raw = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    parser = ReplyParser("GET", 1 << 20)
    replies = [parser.feed(raw[start : start + piece]) for start in range(0, len(raw), piece)]
    assert replies[-1] is not None
    assert replies[-1].body == b"".join(chunks)
    assert replies[:-1] == [None] * (len(replies) - 1)


@given(
    st.lists(
        st.sampled_from(
            [
                b"HTTP/1.1 200 OK\r\n",
                b"HTTP/1.1 100 X\r\n",
                b"Content-Length: 3\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Connection: close\r\n",
                b"\r\n",
                b"\n",
                b"3\r\nabc\r\n",
                b"0\r\n",
                b" x",
                b":",
            ]
        )
        | st.binary(max_size=8),
        max_size=12,
    )
)
def test_any_bytes_end_in_a_reply_or_in_the_documented_error(pieces: list[bytes]) -> None:
    parser = ReplyParser("GET", 4)
    try:
        for piece in pieces:
            reply = parser.feed(piece) if piece else None
            if reply is not None:
                assert len(reply.body) <= 4
                return
        parser.end()
    except MalformedReply:
        pass
