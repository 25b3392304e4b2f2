"""Where plain HTTP may be listened for."""

import pytest

from telephony.kernel.http.plain import MAX_SOCKET_PATH, PlainAddress, parse_plain

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", PlainAddress("127.0.0.1", 8080)),
        ("127.9.9.9:1", PlainAddress("127.9.9.9", 1)),
        ("[::1]:65535", PlainAddress("::1", 65535)),
        ("unix:/run/tandem/http.sock", PlainAddress(path="/run/tandem/http.sock")),
    ],
)
def test_this_machine_s_own_addresses_are_taken(text: str, address: PlainAddress) -> None:
    assert parse_plain(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0:8080",
        "192.0.2.1:8080",
        "[::]:8080",
        "[2001:db8::1]:8080",
        "::1:8080",
        ":8080",
        "8080",
        "localhost:8080",  # a name may mean anything
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:８０",
        "unix:",
        "unix:relative.sock",
        "unix:/folder/",
        "unix:/a\0b",
        "unix:/" + "a" * MAX_SOCKET_PATH,
    ],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_plain(text)
