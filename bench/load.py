"""The load generator, the same for everybody: keep-alive connections that repeat a request made beforehand.

It parses no more of an answer than where it ends, so that it takes little of the cores that it shares with
what is measured.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Final, cast

import uvloop

from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign

CONNECTIONS: Final = 32
"""As many as the peers were measured with; each has one request on its way."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A request that is the same for ever."""

    raw: bytes
    accepted: bytes

    def maker(self) -> Callable[[], bytes]:
        """Return what gives the next request."""
        return lambda: self.raw


@dataclass(frozen=True, slots=True)
class Signed:
    """A POST that an access key signs, anew every second: its date is part of what is signed."""

    target: str
    host: str
    key: bytes
    body: bytes
    accepted: bytes = b"202"

    def maker(self) -> Callable[[], bytes]:
        """Return what gives the next request."""
        made: tuple[int, bytes] = (0, b"")

        def request() -> bytes:
            nonlocal made
            second = int(time.time())
            if second != made[0]:
                made = second, self._made()
            return made[1]

        return request

    def _made(self) -> bytes:
        now = SystemClock().now()
        signed = sign("POST", self.target, host=self.host, body=self.body, key=self.key, now=now)
        fields = {
            "Host": self.host,
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            **signed,
        }
        lines = [f"POST {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def sms_body(number: str, text: str, recipients: int) -> bytes:
    """Return the body of an ACS send with a delivery report; recipients are told apart by their ends."""
    return json.dumps(
        {
            "from": number,
            "smsRecipients": [{"to": f"+1206556{index:04d}"} for index in range(recipients)],
            "message": text,
            "smsSendOptions": {"enableDeliveryReport": True},
        }
    ).encode()


def run(
    requests: Fixed | Signed,
    port: int,
    count: int,
    told: "SynchronizedArray[float]",
    certificates: str | None = None,
    connections: int = CONNECTIONS,
) -> None:
    """Send `count` requests; the whole of a process. `told` gets when it began and ended (monotonic seconds,
    the machine's) and the CPU seconds between."""
    uvloop.run(_run(requests, port, count, told, certificates, connections))


async def _run(
    requests: Fixed | Signed,
    port: int,
    count: int,
    told: "SynchronizedArray[float]",
    certificates: str | None,
    connections: int,
) -> None:
    context = ssl.create_default_context(cafile=certificates) if certificates else None
    loop = asyncio.get_running_loop()
    work = _Work(requests.maker(), requests.accepted, count, loop.create_future())
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(work), "127.0.0.1", port, ssl=context)
    began, cpu = time.monotonic(), time.process_time()
    work.begin()
    await work.done
    told[0], told[1], told[2] = began, time.monotonic(), time.process_time() - cpu


class _Work:
    """What the connections share."""

    def __init__(
        self, request: Callable[[], bytes], accepted: bytes, count: int, done: "asyncio.Future[None]"
    ) -> None:
        self.request, self.accepted, self.done = request, accepted, done
        self.left = self.open = count
        self.clients: list[_Client] = []

    def begin(self) -> None:
        for client in self.clients:
            client.ask()

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(AssertionError(why))


class _Client(asyncio.Protocol):
    """A connection with one request on its way."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._work.clients.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._work.open:
            self._work.fail(f"a connection was closed: {exc}")

    def ask(self) -> None:
        work = self._work
        if work.left:
            work.left -= 1
            self._transport.write(work.request())

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return
        head = data[:end].lower() + b"\r\n"
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(data) < end + 4 + length:
            self._rest = data
            return
        self._rest = b""
        work = self._work
        if data[9:12] != work.accepted:
            work.fail(data.decode("latin-1"))
            return
        work.open -= 1
        if work.open == 0 and not work.done.done():
            work.done.set_result(None)
        self.ask()
