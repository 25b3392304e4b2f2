"""rtpengine in userspace, told by its ng protocol (bencode over UDP): PCMU to PCMA, a port a leg."""

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.node import free_ports

WAIT = 10.0
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {kind}\r\na=rtpmap:{kind} {codec}/8000\r\na=sendrecv\r\n"
)


def encode(value: Any) -> bytes:  # noqa: ANN401 - any of bencode's kinds
    """Return a value in bencode."""
    if isinstance(value, str):
        octets = value.encode()
        return b"%d:%s" % (len(octets), octets)
    if isinstance(value, list):
        return b"l" + b"".join(encode(one) for one in value) + b"e"
    if isinstance(value, dict):
        return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"
    return b"i%de" % value


def decode(octets: bytes, at: int = 0) -> tuple[Any, int]:
    """Return a value, and where it ends."""
    kind = octets[at : at + 1]
    if kind == b"i":
        end = octets.index(b"e", at)
        return int(octets[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        at += 1
        items = []
        while octets[at : at + 1] != b"e":
            item, at = decode(octets, at)
            items.append(item)
        if kind == b"d":
            return dict(zip(items[::2], items[1::2], strict=True)), at + 1
        return items, at + 1
    colon = octets.index(b":", at)
    size = int(octets[at:colon])
    return octets[colon + 1 : colon + 1 + size].decode(), colon + 1 + size


class Rtpengine:
    """A running rtpengine."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(0.2)

    def ask(self, **command: Any) -> dict[str, Any]:  # noqa: ANN401 - bencode
        """Send a command and return the answer."""
        cookie = secrets.token_hex(4).encode()
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            try:
                self._socket.send(
                    cookie + b" " + encode({k.replace("_", "-"): v for k, v in command.items()})
                )
                answer = self._socket.recv(65536)
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
                continue
            if answer.startswith(cookie + b" "):
                found: dict[str, Any] = decode(answer, len(cookie) + 1)[0]
                return found
        raise AssertionError("rtpengine does not answer")

    def call(self, number: int, one: int, other: int) -> tuple[int, int]:
        """Open a call: PCMU at one end, PCMA at the other."""
        names = {"call_id": f"call{number}", "from_tag": "a"}
        offered = self.ask(
            command="offer",
            sdp=SDP.format(port=one, kind=0, codec="PCMU"),
            codec={"transcode": ["PCMA"], "mask": ["PCMU"]},
            ICE="remove",
            **names,
        )
        assert offered["result"] == "ok", offered
        answered = self.ask(
            command="answer",
            sdp=SDP.format(port=other, kind=8, codec="PCMA"),
            to_tag="b",
            ICE="remove",
            **names,
        )
        assert answered["result"] == "ok", answered
        return _port(answered["sdp"]), _port(offered["sdp"])

    def facts(self) -> str:
        """Say nothing."""
        return ""


def _port(sdp: str) -> int:
    return int(next(line for line in sdp.splitlines() if line.startswith("m=audio")).split()[1])


@contextmanager
def rtpengine() -> Iterator[Rtpengine]:
    """Run rtpengine on free ports."""
    program = shutil.which("rtpengine")
    assert program is not None, "rtpengine is not installed (Debian's package rtpengine-daemon)"
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(program, "--foreground", "--log-stderr", "--log-level=3", "--table=-1", "--num-threads=1"),
                *("--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}"),
                *("--port-min=40000", "--port-max=49998", f"--pidfile={Path(folder) / 'pid'}"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Rtpengine(process.pid, port)
        finally:
            process.terminate()
            process.wait()
