"""Messages cut out of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire.errors import Malformed, TooLarge
from sip.wire.framing import Stream

pytestmark = pytest.mark.wire

ONE = b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\n\r\nabc"
TWO = b"SIP/2.0 200 OK\r\nContent-Length : 0\r\n\r\n"


@given(st.lists(st.integers(1, 30), max_size=20))
def test_however_a_stream_is_cut_its_messages_come_whole(cuts: list[int]) -> None:
    octets = b"\r\n\r\n" + ONE + b"\r\n" + TWO + ONE
    stream, found = Stream(), []
    for cut in cuts:
        found += stream.receive(octets[:cut])
        octets = octets[cut:]
    found += stream.receive(octets)
    assert found == [ONE, TWO, ONE]


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n", Malformed),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n", Malformed),
        (b"OPTIONS sip:a SIP/2.0\r\nl: 99999\r\n\r\n", TooLarge),
        (b"X" * 20_000, TooLarge),
    ],
)
def test_a_stream_that_cannot_go_on_says_why(octets: bytes, error: type[Malformed]) -> None:
    with pytest.raises(error):
        Stream().receive(octets)
