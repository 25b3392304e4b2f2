"""The guarded client against servers on the loopback: nothing that it must not reach hears from it (R25)."""

import asyncio
import datetime
import gzip
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from telephony.kernel.errors import RemoteUnavailable
from telephony.kernel.http.outbound import (
    GuardedClient,
    Lookup,
    OutboundReply,
    RemoteTimedOut,
    RemoteUntrusted,
    _prepared,
)
from telephony.kernel.http.outbound_addresses import DestinationRefused, OutboundSettings, parse_destination
from tests.support.promises import Report
from tests.support.receiver import Canary, Received, Receiver

pytestmark = [pytest.mark.wire, pytest.mark.promise("R25")]

NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "inside.example": ["127.0.0.1"],
    "inside6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::1"],
    "mixed.example": ["8.8.8.8", "127.0.0.1"],
    "mixed6.example": ["2606:4700::1111", "::1"],
    "zero.example": ["0.0.0.0"],
    "metadata.example": ["169.254.169.254"],
    "scoped.example": ["fe80::1%lo"],
    "127.0.0.1.wildcard.example": ["127.0.0.1"],
    "xn--bcher-kva.example": ["127.0.0.1"],
}

HOSTS = [
    # IPv4 as it is written
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *(
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.8",
        "192.0.0.9",
        "192.0.0.192",
    ),
    *(
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
    ),
    *("240.0.0.1", "255.255.255.255", "168.63.129.16"),
    # IPv4 as nobody writes it: short, decimal, octal, hexadecimal, mixed, with a dot at the end
    *("127.1", "127.0.1", "0", "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0X7F.1"),
    *("0177.0.0.1", "0177.0x0.0.1", "00000177.1", "127.0.0.0x1", "127.0.0.1.", "2852039166", "0xa9fea9fe"),
    *(
        "0251.0376.0251.0376",
        "3232235777",
        "10.1",
        "192.168.257",
        "0x7f.0x0.0x0.0x1",
        "1.2.3.4.5",
        "256.0.0.1",
    ),
    # IPv4 in other people's digits and dots
    *("１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "127．0．0．1", "ｌｏｃａｌｈｏｓｔ"),
    # IPv6
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fc00::1]"),
    *("[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[5f00::1]"),
    *("[127.0.0.1]", "[v1.127.0.0.1]"),
    # Names
    *("localhost", "LOCALHOST", "localhost.", "inside.example", "inside6.example", "mapped.example"),
    *("nat64.example", "sixtofour.example", "mixed.example", "mixed6.example", "zero.example"),
    *("metadata.example", "scoped.example", "127.0.0.1.wildcard.example", "bücher.example"),
    # Names and passwords, and what parsers disagree about
    *("user@127.0.0.1", "user:password@127.0.0.1", "example.com@127.0.0.1", "127.0.0.1@example.com"),
    *("example.com\\@127.0.0.1", "127.0.0.1\\.example.com", "%31%32%37.0.0.1", "127.0.0.1%00.example.com"),
    *("127.0.0.1%2f@example.com", "example.com%23@127.0.0.1", " 127.0.0.1", "127.0.0.1\t", "\n127.0.0.1"),
    *("localhost\x00.example.com", "@127.0.0.1", ":@127.0.0.1"),
]

URLS = [
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}",
    "http:/127.0.0.1:{port}/",
    "unix:///run/docker.sock",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1: {port}/",
]


async def looked_up(host: str) -> Sequence[str]:
    if host not in NAMES:
        raise OSError("unknown")
    return NAMES[host]


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    async with Canary() as found:
        yield found


async def test_no_spelling_of_an_inner_address_makes_a_connection(canary: Canary, promise: Report) -> None:
    # The port is a permitted one, so that it is the address that is refused.
    settings = OutboundSettings(ports=(80, canary.port))
    forms = [f"http://{host}:{canary.port}/" for host in HOSTS]
    forms += [f"https://{host}:{canary.port}/" for host in HOSTS[::7]]
    forms += [url.format(port=canary.port) for url in URLS]
    assert len(HOSTS) + len(URLS) > 60
    async with GuardedClient(settings, lookup=looked_up) as client:
        for url in forms:
            with pytest.raises(DestinationRefused):
                await client.request("POST", url, {}, b"x")
    assert canary.connections == 0
    promise(forms=len(forms), connections=canary.connections)


async def test_the_canary_would_notice(canary: Canary) -> None:
    settings = OutboundSettings(allow=("127.0.0.0/8", "::1"))
    async with GuardedClient(settings, lookup=looked_up) as client:
        for host in ("127.0.0.1", "0x7f.1", "inside.example"):
            with pytest.raises(RemoteUnavailable):  # it hangs up without a word
                await client.request("POST", f"http://{host}:{canary.port}/")
    assert canary.connections == 3


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_numeric_address_that_slipped_through_is_refused_at_the_socket(
    canary: Canary, host: str
) -> None:
    url = f"http://{host}:{canary.port}/"
    async with GuardedClient(OutboundSettings(ports=(canary.port,))) as client:
        client._prepared[url] = _prepared(parse_destination(url))  # no resolver is asked about it
        with pytest.raises(DestinationRefused):
            await client.request("GET", url)
    assert canary.connections == 0


async def test_the_systems_own_names_of_this_machine_are_refused(canary: Canary) -> None:
    async with GuardedClient(OutboundSettings(ports=(canary.port,))) as client:
        with pytest.raises(DestinationRefused):
            await client.request("GET", f"http://localhost:{canary.port}/")
    assert canary.connections == 0


async def test_a_refusal_does_not_say_what_a_name_resolves_to(canary: Canary) -> None:
    async with GuardedClient(OutboundSettings(ports=(canary.port,)), lookup=looked_up) as client:
        with pytest.raises(DestinationRefused) as refusal:
            await client.request("GET", f"http://metadata.example:{canary.port}/")
    assert "169" not in refusal.value.message


async def test_the_address_that_was_checked_is_the_one_connected_to(canary: Canary) -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    asked: list[str] = []

    async def changing(host: str) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    async with Receiver(host="127.0.0.2", port=canary.port) as outside:
        settings = OutboundSettings(allow=(f"127.0.0.2:{outside.port}",))
        async with GuardedClient(settings, lookup=changing) as client:
            url = f"http://rebinding.example:{outside.port}/"
            assert (await client.request("GET", url)).status == 200
            assert asked == ["rebinding.example"]
            await client.close()  # the next connection is a new one, and is checked anew
            with pytest.raises(DestinationRefused):
                await client.request("GET", url)
    assert asked == ["rebinding.example"] * 2
    assert len(outside.received) == 1
    assert canary.connections == 0


async def test_a_redirect_is_an_answer(canary: Canary) -> None:
    async def redirect(_: Received) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{canary.port}/"})

    async with Receiver(redirect) as outside, _client_to(outside) as client:
        reply = await client.request("POST", outside.url, {}, b"x")
    assert reply.status == 307
    assert str(canary.port) in reply.headers["location"]
    assert canary.connections == 0


async def test_proxies_of_the_environment_are_not_used(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    async with Receiver() as outside, _client_to(outside) as client:
        assert (await client.request("GET", outside.url)).status == 200
    assert canary.connections == 0


async def test_cookies_are_not_kept() -> None:
    async def cookie(_: Received) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=b; Path=/"})

    async with Receiver(cookie) as outside, _client_to(outside) as client:
        for _ in range(2):
            await client.request("GET", outside.url)
    assert all("cookie" not in each.headers for each in outside.received)


async def test_what_is_sent_arrives_as_it_is() -> None:
    async with Receiver() as outside, _client_to(outside) as client:
        url = outside.url + "?code=a%3D%3D&x=%7e+y"
        await client.request("PUT", url, {"Content-Type": "text/x", "X-A": "b"}, b"\x00body")
    received = outside.received[0]
    assert (received.method, received.path, received.body) == (
        "PUT",
        "/hook?code=a%3D%3D&x=%7e+y",
        b"\x00body",
    )
    assert received.headers["x-a"] == "b"
    assert received.headers["accept-encoding"] == "identity"


async def test_a_long_answer_is_cut_and_a_compressed_one_stays_compressed() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)

    async def long(received: Received) -> web.Response:
        if received.path.endswith("bomb"):
            return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
        return web.Response(body=b"a" * 100_000)

    async with Receiver(long) as outside, _client_to(outside, reply_bytes=2000) as client:
        reply = await client.request("GET", outside.url)
        assert (reply.body, reply.truncated) == (b"a" * 2000, True)
        packed = await client.request("GET", outside.url + "/bomb")
        assert (packed.body, packed.truncated) == (bomb, False)


async def test_an_endless_answer_ends_at_the_ceiling() -> None:

    async with _Raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5000) as outside, _client_to(outside) as client:
        reply = await client.request("GET", outside.url)
        assert reply.truncated


async def test_silence_ends_in_time() -> None:
    async with _Raw(b"") as outside, _client_to(outside) as client:
        with pytest.raises(RemoteTimedOut):
            await client.request("GET", outside.url, timeout=0.05)


async def test_nobody_at_home_is_the_others_fault() -> None:
    async with Receiver() as outside:
        pass
    async with _client_to(outside) as client:
        with pytest.raises(RemoteUnavailable):
            await client.request("GET", outside.url)


async def test_a_name_without_an_address_is_the_others_fault() -> None:
    async with GuardedClient(OutboundSettings(), lookup=looked_up) as client:
        with pytest.raises(RemoteUnavailable):
            await client.request("GET", "https://unknown.example/")


async def test_a_kept_connection_that_was_closed_is_made_again_for_what_may_arrive_twice() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with (
        _Raw(closing, requests_a_connection=1, close_late=True) as outside,
        _client_to(outside) as client,
    ):
        assert (await client.request("POST", outside.url, {}, b"1")).status == 200
        assert (await client.request("POST", outside.url, {}, b"2", repeatable=True)).status == 200
    assert outside.connections == 2


async def test_one_look_up_serves_all_that_wait_for_it() -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    async def slow(host: str) -> Sequence[str]:
        asked.append(host)
        await gate.wait()
        return ["127.0.0.1"]

    async with Receiver() as outside, _client_to(outside, lookup=slow) as client:
        waiting = [
            asyncio.create_task(client.request("GET", f"http://slow.example:{outside.port}/"))
            for _ in range(5)
        ]
        while not asked:
            await asyncio.sleep(0)
        gate.set()
        replies = await asyncio.gather(*waiting)
    assert [reply.status for reply in replies] == [200] * 5
    assert asked == ["slow.example"]


async def test_a_certificate_has_to_name_the_host(tmp_path: Path) -> None:
    server, authority = _certificates(tmp_path, "right.example")
    trusting = ssl.create_default_context(cadata=authority)

    async def here(_: str) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Receiver(tls=server) as outside, _client_to(outside, lookup=here, tls=trusting) as client:
        assert (await client.request("GET", f"https://right.example:{outside.port}/")).status == 200
        assert await _begun(client, f"https://right.example:{outside.port}/") == 200
        with pytest.raises(RemoteUntrusted):
            await client.request("GET", f"https://wrong.example:{outside.port}/")
        async with _client_to(outside, lookup=here) as strange:
            with pytest.raises(RemoteUntrusted):
                await strange.request("GET", f"https://right.example:{outside.port}/")
    assert len(outside.received) == 2


async def _begun(client: GuardedClient, url: str) -> int:
    """Send a request on the kept connection, which there must be, and return the answer's status."""
    came: asyncio.Future[OutboundReply | Exception] = asyncio.get_running_loop().create_future()
    assert client.begin(client.opening("GET", url, {}), b"\r\n", 5, came.set_result) is not None
    result = await asyncio.wait_for(came, 5)
    assert isinstance(result, OutboundReply)
    return result.status


class _Raw:
    """A server that says `reply` to whatever comes, without knowing HTTP."""

    def __init__(self, reply: bytes, *, requests_a_connection: int = 0, close_late: bool = False) -> None:
        self._reply, self._most, self._late = reply, requests_a_connection, close_late
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> "_Raw":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        served = 0
        try:
            while data := await reader.read(65536):
                begun = data.count(b"HTTP/1.1")
                if self._late and begun and served == self._most:
                    break  # closed when the next request came: as when a time-out there crosses a request
                served += begun
                writer.write(self._reply if begun else b"")
        except ConnectionError:
            pass  # the client had enough
        finally:
            writer.close()


def _client_to(
    outside: "Receiver | _Raw",
    *,
    lookup: Lookup = looked_up,
    tls: ssl.SSLContext | None = None,
    reply_bytes: int = 2000,
) -> GuardedClient:
    settings = OutboundSettings(allow=(f"127.0.0.1:{outside.port}",), reply_bytes=reply_bytes)
    return GuardedClient(settings, lookup=lookup, tls=tls)


def _certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """Return a server's context for `name`, and the authority to trust, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both = folder / "server.pem"
    both.write_bytes(private + authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(both)
    return context, authority.decode()
