"""Requests without a task: begun on a connection that is kept, answered to a callback."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from telephony.kernel.http.outbound import GuardedClient, Opening, OutboundReply, RemoteTimedOut
from telephony.kernel.http.outbound_addresses import DestinationRefused, OutboundSettings
from telephony.kernel.http.outbound_connections import Connection, Origin, PeerGone, Pool
from telephony.kernel.http.replies import MAX_HEAD, MAX_INTERIM, MAX_WHOLE, MalformedReply, read_whole
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire

CEILING = 100
ORIGIN = Origin(tls=False, host="127.0.0.1", port=80)
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nX-Trailer: a\r\n\r\n"
)
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + LENGTH
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"a" * 900

MALFORMED = [
    b"HTTP/2 200 OK\r\n\r\n",
    b"SMTP ready\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * MAX_HEAD,
]


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and loses nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


async def nowhere(_: Origin) -> object:
    raise OSError("nothing is connected here")


class Line:
    """A connection on such a transport, with its pool, and what its requests came to."""

    def __init__(self) -> None:
        self.pool = Pool(nowhere, tls=None, keep_seconds=10)  # type: ignore[arg-type]
        self.connection = Connection(self.pool, ORIGIN)
        self.wire = Wire()
        self.connection.connection_made(self.wire)
        self.results: list[OutboundReply | Exception] = []

    def ask(self, seconds: float = 10.0) -> None:
        self.connection.begin("POST", b"a request", CEILING, seconds, self.results.append)

    def close(self) -> None:
        self.connection.break_off()
        self.pool.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    found = Line()
    yield found
    found.close()


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Cut `data` at positions, which may be anything."""
    ends = sorted({position % (len(data) + 1) for position in at} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


ANSWERS = st.lists(st.sampled_from([LENGTH, EMPTY, CHUNKED, CONTINUED, LONG]), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    answers=ANSWERS, last=st.sampled_from([CLOSING, ENDLESS]), at=st.lists(st.integers(0, 2000), max_size=12)
)
@example(answers=[CHUNKED, CONTINUED], last=ENDLESS, at=list(range(400)))
def test_however_the_bytes_come_each_request_gets_its_own_answer_once(
    answers: list[bytes], last: bytes, at: list[int]
) -> None:
    async def run() -> None:
        line = Line()
        for number, answer in enumerate([*answers, last]):
            line.ask()
            for piece in cut(answer, at):
                assert len(line.results) == number or answer is LONG, "answered too early"
                if not line.wire.closing:
                    line.connection.data_received(piece)
            if answer is ENDLESS:
                line.connection.connection_lost(None)
            assert len(line.results) == number + 1
            reply = line.results[-1]
            assert isinstance(reply, OutboundReply)
            assert reply.status == (204 if answer is EMPTY else 200)
            assert reply.body == {EMPTY: b"", LONG: b"a" * CEILING}.get(answer, b"ok")
            assert reply.truncated == (answer is LONG)
            if line.wire.closing:
                assert answer in (LONG, CLOSING)
                break
            assert answer is ENDLESS or line.pool.take(ORIGIN) is line.connection
        line.close()

    asyncio.run(run())


@pytest.mark.parametrize("answer", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("trickling", [False, True])
async def test_what_is_no_answer_is_told_once_and_ends_the_connection(
    line: Line, answer: bytes, *, trickling: bool
) -> None:
    line.ask()
    step = 1 if trickling and len(answer) < 1000 else 7000 if trickling else len(answer)
    for start in range(0, len(answer), step):
        if not line.wire.closing:
            line.connection.data_received(answer[start : start + step])
    assert [type(each) for each in line.results] == [MalformedReply]
    assert line.wire.closing
    line.connection.connection_lost(None)
    assert len(line.results) == 1
    assert line.pool.take(ORIGIN) is None


async def test_a_connection_that_ends_without_a_word_and_one_that_ends_in_the_middle(line: Line) -> None:
    line.ask()
    line.connection.connection_lost(None)
    other = Line()
    other.ask()
    other.connection.data_received(LENGTH[:-1])
    other.connection.connection_lost(ConnectionResetError())
    assert [type(each) for each in line.results + other.results] == [PeerGone, MalformedReply]


async def test_what_nobody_asked_for_ends_the_connection(line: Line) -> None:
    line.ask()
    line.connection.data_received(LENGTH)
    line.connection.data_received(LENGTH)
    assert len(line.results) == 1
    assert line.wire.closing
    assert line.pool.take(ORIGIN) is None


async def test_who_is_broken_off_hears_nothing_more(line: Line) -> None:
    line.ask()
    line.connection.break_off()
    line.connection.connection_lost(None)
    assert line.results == []
    assert line.wire.closing


async def test_the_next_request_may_be_begun_from_the_answer_to_the_last(line: Line) -> None:
    answers = []

    def again(result: OutboundReply | Exception) -> None:
        answers.append(result)
        if len(answers) < 3:
            found = line.pool.take(ORIGIN)
            assert found is line.connection
            found.begin("POST", b"again", CEILING, 10, again)

    line.connection.begin("POST", b"first", CEILING, 10, again)
    for _ in range(3):
        line.connection.data_received(LENGTH)
    assert line.wire.written == [b"first", b"again", b"again"]
    assert len(answers) == 3


async def test_each_request_has_its_own_time_though_they_share_a_timer() -> None:
    line, late = Line(), asyncio.Event()
    line.ask(seconds=10)
    line.connection.data_received(LENGTH)

    def done(result: OutboundReply | Exception) -> None:
        line.results.append(result)
        late.set()

    line.ask(seconds=0.03)
    line.connection.data_received(LENGTH)
    line.connection.begin("POST", b"", CEILING, 0.06, done)  # the timer of the one before rings first
    began = asyncio.get_running_loop().time()
    await asyncio.wait_for(late.wait(), 5)
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert [type(each) for each in line.results] == [OutboundReply, OutboundReply, TimeoutError]
    assert line.wire.closing
    line.connection.data_received(LENGTH)  # too late
    assert len(line.results) == 3


def test_an_answer_is_remembered_only_when_it_is_whole_and_the_connection_goes_on() -> None:
    assert read_whole(LENGTH, CEILING) is read_whole(bytes(bytearray(LENGTH)), CEILING)
    for whole in (LENGTH, EMPTY, CHUNKED, CONTINUED):
        assert len(whole) <= MAX_WHOLE
        assert read_whole(whole, CEILING) is not None
        for end in range(len(whole)):
            assert read_whole(whole[:end], CEILING) is None
        assert read_whole(whole + b"x", CEILING) is None
    for other in (CLOSING, ENDLESS, *MALFORMED):
        assert read_whole(other, CEILING) is None


async def test_a_kept_connection_carries_requests_without_a_task() -> None:
    async with Receiver() as outside, _client(outside) as client:
        opening = client.opening("POST", f"{outside.url}?code=secret", {"X-A": "b"})
        rest = b"X-C: d\r\nContent-Length: 4\r\n\r\nbody"
        assert client.begin(opening, rest, 5, _unheard) is None  # nothing is open yet
        assert (await client.exchange(opening, rest)).status == 200
        assert await _begun(client, opening, rest) == 200
    first, second = outside.received
    assert first == second
    assert (second.path, second.body) == ("/hook?code=secret", b"body")
    assert (second.headers["x-a"], second.headers["x-c"]) == ("b", "d")
    assert "secret" not in repr(opening)


async def test_an_opening_is_checked_as_every_request_is() -> None:
    async with Receiver() as outside, _client(outside) as client:
        with pytest.raises(DestinationRefused):
            client.opening("POST", "http://10.0.0.1/", {})
        with pytest.raises(ValueError, match="one line"):
            client.opening("POST", outside.url, {"X-A": "b\r\nX-C: d"})


async def test_what_a_request_ended_with_is_explained() -> None:
    async with Receiver() as outside, _client(outside) as client:
        opening = client.opening("POST", outside.url, {})
        assert isinstance(client.blame(opening, TimeoutError()), RemoteTimedOut)
        assert "not HTTP" in client.blame(opening, MalformedReply("it is a poem")).message
        assert "PeerGone" in client.blame(opening, PeerGone("gone")).message


async def _begun(client: GuardedClient, opening: Opening, rest: bytes) -> int:
    came: asyncio.Future[OutboundReply | Exception] = asyncio.get_running_loop().create_future()
    assert client.begin(opening, rest, 5, came.set_result) is not None
    result = await asyncio.wait_for(came, 5)
    assert isinstance(result, OutboundReply)
    return result.status


def _unheard(_: object) -> None:
    raise AssertionError("nothing was begun")


def _client(outside: Receiver) -> GuardedClient:
    return GuardedClient(OutboundSettings(allow=(f"127.0.0.1:{outside.port}",)))
