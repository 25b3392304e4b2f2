"""A SIP peer in a test's own hand, and the gateway's end of a worker's socket."""

import contextlib
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from sip.wire.headers import Headers
from sip.wire.message import Message, Request, Response, parse
from sip.workers.messages import (
    MAX_PACKET,
    Command,
    Event,
    Failed,
    Hangup,
    Place,
    Ready,
    Spare,
    WorkerSettings,
)
from sip.workers.worker_socket import socket_path

SECONDS = 5.0
"""How long anything may take that is waited for."""

OFFER = (
    b"v=0\r\no=peer 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 41000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
)

T = TypeVar("T")


class Peer:
    """A UDP socket that speaks SIP, one message at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self._branches = 0
        self.source: tuple[str, int] = ("", 0)

    def close(self) -> None:
        self._socket.close()

    def send(self, message: Message, port: int) -> None:
        self._socket.sendto(message.octets(), ("127.0.0.1", port))

    def send_octets(self, octets: bytes, port: int) -> None:
        self._socket.sendto(octets, ("127.0.0.1", port))

    def receive(self) -> Message:
        """Return the next message that is no keep-alive."""
        while True:
            octets, self.source = self._socket.recvfrom(65536)
            if not octets.strip():
                continue
            message = parse(octets)
            if isinstance(message, Response) and message.status >= 300 and message.cseq[1] == "INVITE":
                self._acknowledge(message)
            return message

    def _acknowledge(self, refusal: Response) -> None:
        """Acknowledge a refusal (RFC 3261 §17.1.1.3), or its call keeps a slot of four for 32 seconds."""
        number, _ = refusal.cseq
        ack = self.make("ACK", refusal.call_id, number, to=refusal.headers.get("To") or "")
        via = refusal.vias[0]
        ack.headers.set("Via", f"SIP/2.0/UDP {via.host}:{via.port};branch={via.branch}")
        self.send(ack, self.source[1])

    def response(self, *, over: int = 100) -> Response:
        """Return the next response above a status."""
        while True:
            message = self.receive()
            if isinstance(message, Response) and message.status > over:
                return message

    def request(self, method: str) -> Request:
        """Return the next request of a method."""
        while True:
            message = self.receive()
            if isinstance(message, Request) and message.method == method:
                return message

    def quiet(self, seconds: float) -> bool:
        """Tell whether nothing comes for a time."""
        return not select.select([self._socket], [], [], seconds)[0]

    def make(
        self,
        method: str,
        call_id: str,
        number: int = 1,
        *,
        uri: str = "sip:+493012345@tandem.test",
        to: str = "<sip:+493012345@tandem.test>",
        body: bytes = b"",
        extra: Sequence[tuple[str, str]] = (),
    ) -> Request:
        """Return a request from this peer, with a new branch."""
        self._branches += 1
        headers = Headers(
            [
                ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{call_id}{self._branches};rport"),
                ("Max-Forwards", "70"),
                ("From", "<sip:+442071234567@peer.test>;tag=p1"),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{number} {method}"),
                ("Contact", f"<sip:peer@127.0.0.1:{self.port}>"),
                *extra,
            ]
        )
        if body and not any(name == "Content-Type" for name, _ in extra):
            headers.add("Content-Type", "application/sdp")
        return Request(method=method, uri=uri, headers=headers, body=body)

    def in_dialog(
        self,
        method: str,
        answer: Response,
        number: int,
        body: bytes = b"",
        extra: Sequence[tuple[str, str]] = (),
    ) -> Request:
        """Return a request within the dialog that an answer to our INVITE made."""
        contact = answer.contact
        assert contact is not None
        to = answer.headers.get("To") or ""
        return self.make(method, answer.call_id, number, uri=str(contact.uri), to=to, body=body, extra=extra)

    def say(self, request: Request, status: int, reason: str, *, body: bytes = b"", **headers: str) -> None:
        """Answer a request that came, with a Contact of ours."""
        response = request.answer(status, reason, tag="p2")
        response.headers.add("Contact", f"<sip:peer@127.0.0.1:{self.port}>")
        for name, value in headers.items():
            response.headers.add(name.replace("_", "-"), value)
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        self.send(response, self.source[1])


class Gateway:
    """The gateway's end of a worker's socket."""

    def __init__(self, settings: WorkerSettings, worker: int = 0, *, after: int = 0) -> None:
        """Connect; `after` is a process that ended: its socket may take a connection as it ends."""
        self._events: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
        self._waiting: list[Event] = []
        self.port = 0
        path = socket_path(settings.folder, worker)
        while True:
            self._socket = connected(path)
            self._poke(settings.first_port + worker)
            try:
                self.ready = self.expect(Ready)
            except ConnectionError:
                self._socket.close()
                assert after, "the worker closed its socket"
                after = 0
            else:
                break
        self.port = self.ready.port

    def _poke(self, port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as keep_alive:
            keep_alive.sendto(b"\r\n\r\n", ("127.0.0.1", port))

    def close(self) -> None:
        self._socket.close()

    def do(self, command: Command) -> None:
        """Send a command and wake the worker."""
        self._socket.send(msgspec.msgpack.encode(command))
        self._poke(self.port)

    def spare(self, *legs: str) -> None:
        """Give legs for calls that come, and wait until the worker has them."""
        for leg in legs:
            self.do(Spare(Place(leg, "127.0.0.9", 20000)))
        self.do(Hangup("nobody"))
        while self.expect(Failed).call != "nobody":
            continue

    def expect(self, kind: type[T]) -> T:
        """Return the next event of a kind; others stay for later."""
        for place, event in enumerate(self._waiting):
            if isinstance(event, kind):
                return self._waiting.pop(place)  # type: ignore[return-value]
        while True:
            packet = self._socket.recv(MAX_PACKET)
            assert packet, "the worker closed its socket"
            event = self._events.decode(packet)
            if isinstance(event, kind):
                return event
            self._waiting.append(event)

    def gone(self) -> bool:
        """Wait until the worker is gone."""
        try:
            while self._socket.recv(MAX_PACKET):
                continue
        except ConnectionError:
            return True
        return True


def free_port() -> int:
    """Return a UDP port that was free a moment ago: a worker on a known port is woken, not waited for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def workers(settings: WorkerSettings, secret: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run a zygote with its workers, ready to be connected to."""
    reading, writing = os.pipe()
    environment = {**os.environ, "TANDEM_READY_FD": str(writing), "TANDEM_EDGE_SECRET": secret}
    process = subprocess.Popen(
        [sys.executable, "-m", "sip.workers", msgspec.json.encode(settings).decode()],
        env=environment,
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as ready:
            assert ready.readline() == b"ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(SECONDS)


def connected(path: Path) -> socket.socket:
    """Return a connection to whoever listens at a path, or soon will."""
    poller = select.poll()
    for _ in range(int(SECONDS * 100)):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if connection.connect_ex(str(path)) == 0:
            connection.settimeout(SECONDS)
            return connection
        connection.close()
        poller.poll(10)
    raise AssertionError(f"nobody listens at {path}")
