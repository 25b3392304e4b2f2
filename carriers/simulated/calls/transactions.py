"""SIP's transactions over UDP: what is repeated until it is answered (RFC 3261 §17). Timers are asyncio's."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, cast

from sip.wire.errors import Malformed
from sip.wire.message import Request, Response, parse
from sip.wire.via import COOKIE

T1: Final = 0.5
T2: Final = 4.0
TIMER_B: Final = 64 * T1
"""After that nobody answers any more."""

Address = tuple[str, int]


class Transactions(asyncio.DatagramProtocol):
    """A UDP socket that speaks SIP.

    `on_request(request, source)` takes each request once; repetitions get the last response again, by
    themselves. ACK is handed on and never answered.
    """

    def __init__(self, on_request: Callable[[Request, Address], None]) -> None:
        self._on_request = on_request
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[Response]] = {}
        self._answers: dict[tuple[str, str], bytes] = {}
        self._repeating: dict[str, asyncio.Task[None]] = {}
        self.malformed = 0

    @property
    def port(self) -> int:
        """UDP port that it listens on."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls it."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """asyncio calls it: a packet."""
        if not data.strip():
            return
        try:
            message = parse(data)
            key = (message.vias[0].branch, message.cseq[1])
        except Malformed:
            self.malformed += 1
            return
        if isinstance(message, Response):
            queue = self._waiting.get(key)
            if queue is not None:
                queue.put_nowait(message)
            return
        if message.method == "ACK":
            self._acknowledged(message)
            self._on_request(message, addr)
            return
        again = self._answers.get(key)
        if again is not None:
            if again:
                self.send_octets(again, addr)
            return
        self._answers[key] = b""
        message.headers.set(
            "Via", ", ".join([str(message.vias[0].seen_from(*addr)), *map(str, message.vias[1:])])
        )
        self._on_request(message, addr)

    def send_octets(self, octets: bytes, to: Address) -> None:
        """Send a packet."""
        assert self._transport is not None
        self._transport.sendto(octets, to)

    def respond(
        self, request: Request, response: Response, *, lose: bool = False, deaf: bool = False
    ) -> None:
        """Send a response; a final one to INVITE again and again until its ACK comes.

        `lose`: the first one gets lost. `deaf`: no ACK ends the repetition.
        """
        octets = response.octets()
        key = (request.vias[0].branch, request.cseq[1])
        self._answers[key] = octets
        to = request.vias[0].reply_to()
        if not lose:
            self.send_octets(octets, to)
        if request.method == "INVITE" and response.status >= 200:
            name = f"{request.call_id}/{request.cseq[0]}" + ("/deaf" if deaf else "")
            self._repeating[name] = asyncio.create_task(self._repeat(octets, to))

    async def _repeat(self, octets: bytes, to: Address) -> None:
        pause, waited = T1, 0.0
        while waited < TIMER_B:
            await asyncio.sleep(pause)
            self.send_octets(octets, to)
            waited += pause
            pause = min(2 * pause, T2)

    def _acknowledged(self, ack: Request) -> None:
        task = self._repeating.pop(f"{ack.call_id}/{ack.cseq[0]}", None)
        if task is not None:
            task.cancel()

    async def ask(
        self, request: Request, to: Address, *, on_provisional: Callable[[Response], None] | None = None
    ) -> Response | None:
        """Send a request until it is answered; return its final response, None when none came in time.

        An INVITE waits as long as it rings.
        """
        key = (request.vias[0].branch, request.method)
        queue = self._waiting[key] = asyncio.Queue()
        repeating = asyncio.create_task(self._repeat_request(request, to))
        patience: float | None = TIMER_B
        try:
            while True:
                response = await asyncio.wait_for(queue.get(), patience)
                if response.status >= 200:
                    return response
                if request.method == "INVITE":
                    repeating.cancel()
                    patience = None
                if on_provisional is not None:
                    on_provisional(response)
        except TimeoutError:
            return None
        finally:
            repeating.cancel()
            del self._waiting[key]

    async def _repeat_request(self, request: Request, to: Address) -> None:
        octets, pause = request.octets(), T1
        while True:
            self.send_octets(octets, to)
            await asyncio.sleep(pause)
            pause = 2 * pause if request.method == "INVITE" else min(2 * pause, T2)

    async def stop(self) -> None:
        """Close the socket and repeat nothing more."""
        repeating = list(self._repeating.values())
        for task in repeating:
            task.cancel()
        await asyncio.gather(*repeating, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()


def branch() -> str:
    """Return a branch that nobody used before."""
    return COOKIE + secrets.token_hex(8)
