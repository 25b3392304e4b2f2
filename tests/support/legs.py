"""A media engine, SIP workers and `SipLegs` before them, all real, with peers in a test's own hand."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

from carriers.model.carrier import Carrier
from carriers.model.sip import SipTrunk
from sip.legs.legs import SipLegs
from sip.legs.settings import LegSettings
from sip.legs.targets import Finder, Literal
from sip.legs.trunks import TrunkDirectory
from sip.media.client.engines import Engines
from sip.media.client.media_io import MediaIo
from sip.wire.message import Request, Response
from sip.wire.sdp import parse_sdp
from sip.workers.fleet import FleetSettings
from sip.workers.messages import WorkerSettings
from telephony.calling.ports import Dialled, LegEvent, Trunk
from tests.support.media import RtpPeer, Running
from tests.support.media import engine as media_engine
from tests.support.sip import Peer, workers

SECONDS = 10.0
"""How long anything may take that is waited for."""

E = TypeVar("E")


class Heard:
    """What the plane was told; `expect` waits for something of a leg."""

    def __init__(self) -> None:
        self.events: list[LegEvent] = []
        self._came = asyncio.Event()

    def told(self, event: LegEvent) -> None:
        """Keep it."""
        self.events.append(event)
        self._came.set()

    async def expect(self, kind: type[E], leg: str = "") -> E:
        """Return the next event of a kind, of a leg when one is named; others stay for later."""
        async with asyncio.timeout(SECONDS):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and leg in {"", event.leg}:  # type: ignore[attr-defined]
                        self.events.remove(event)  # type: ignore[arg-type]
                        return event
                self._came.clear()
                await self._came.wait()


class Node:
    """The processes, which outlive a gateway."""

    def __init__(
        self, engine: Running, settings: WorkerSettings, ins: int, outs: int, ping_seconds: float = 5.0
    ) -> None:
        self.engine, self.settings = engine, settings
        self.more: dict[str, Path] = {}
        """Control sockets of further engines."""
        self.fleet = FleetSettings(
            settings.folder, ins, outs, first_port=settings.first_port, ping_seconds=ping_seconds
        )

    def port(self, worker: int = 0) -> int:
        """Return a worker's SIP port."""
        return self.settings.first_port + worker

    @asynccontextmanager
    async def gateway(
        self,
        carriers: Mapping[str, Carrier],
        *,
        finder: Finder | None = None,
        io: MediaIo | None = None,
        ready: bool = True,
        engines: type[Engines] = Engines,
        **settings: object,
    ) -> AsyncIterator[tuple[SipLegs, Heard]]:
        """Connect to them as a gateway does; leave them alone at the end."""
        heard = Heard()
        shown = Shown()
        sockets = {"engine-0": self.engine.control, **self.more}
        clients = engines(sockets, owner="gateway", listener=shown)
        legs = SipLegs(
            LegSettings("127.0.0.1", **settings),  # type: ignore[arg-type]
            self.fleet,
            clients,
            TrunkDirectory(carriers),
            finder or Literal(),
            io,
        )
        shown.legs = legs
        legs.listener = heard
        clients.start()
        await legs.start()
        try:
            if ready:
                await spared(legs)
            yield legs, heard
        finally:
            await legs.close()
            await clients.stop()


class Shown:
    """Passes on what engines tell, as the composition does."""

    legs: SipLegs

    def media_event(self, engine: str, event: object) -> None:
        self.legs.media_event(engine, event)  # type: ignore[arg-type]

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        self.legs.calls_lost(engine, calls)

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        self.legs.engine_back(engine, fresh=fresh)


async def spared(legs: SipLegs) -> None:
    """Wait until every worker is there and has legs for calls that come."""
    async with asyncio.timeout(SECONDS):
        while legs.fleet.away() or legs.spares() < 5 * len(legs.fleet.ins) - legs.room().calls:
            await asyncio.sleep(0.005)


def free_ports(count: int) -> int:
    """Return the first of some UDP ports that are free, below those that the kernel hands out: a worker that
    is replaced finds its own again."""
    first = 10_000 + os.getpid() * 31 % 400 * 10
    while True:
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                first += count
            else:
                return first


@contextmanager
def node(folder: Path, *, ins: int = 1, outs: int = 1, secret: str = "", edge: str = "") -> Iterator[Node]:
    """Run an engine and workers."""
    settings = WorkerSettings(str(folder), first_port=free_ports(ins + outs), workers=ins + outs, edge=edge)
    low = 16_000 + os.getpid() % 4 * 1000  # engines that others test have those above
    with media_engine(ports=f"{low}-{low + 999}") as running, workers(settings, secret):
        yield Node(running, settings, ins, outs)


def carrier(**trunk: object) -> Carrier:
    """Return a carrier with a trunk `voice` on the loopback."""
    options: dict[str, object] = {"host": "127.0.0.1", "addresses": ("127.0.0.1",), **trunk}
    return Carrier(sip={"voice": SipTrunk(**options)})  # type: ignore[arg-type]


def dialled(leg: str, **options: object) -> Dialled:
    """Return a leg to be dialled by that trunk."""
    return Dialled(leg, Trunk("carrier", "voice"), "+493099999", "+14255550100", **options)  # type: ignore[arg-type]


class Talker:
    """A peer with sound: SIP and RTP in a test's own hand. What waits does so in a thread."""

    def __init__(self) -> None:
        self.sip = Peer()
        self.sound = RtpPeer()

    def close(self) -> None:
        """Close both."""
        self.sip.close()
        self.sound.close()

    def offer(self, *lines: str, codecs: str = "0 101", version: int = 1) -> bytes:
        """Return its SDP."""
        return (
            f"v=0\r\no=peer 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.sound.port} RTP/AVP {codecs}\r\n"
            + ("a=rtpmap:101 telephone-event/8000\r\n" if "101" in codecs else "")
            + "a=ptime:20\r\n"
            + "".join(f"{line}\r\n" for line in lines)
        ).encode()

    def hears(self, body: bytes) -> None:
        """Take the SDP of the other side: sound goes there."""
        audio = parse_sdp(body).audio
        assert audio is not None
        self.sound.target = ("127.0.0.1", audio.port)
        self.sound.socket.connect(self.sound.target)  # what others still send to a port of old is not heard
        self.sound.listen()
        self.sound.heard.clear()

    async def request(self, method: str) -> Request:
        """Return the next request of a method."""
        return await asyncio.to_thread(self.sip.request, method)

    async def response(self, *, over: int = 100) -> Response:
        """Return the next response above a status."""
        return await asyncio.to_thread(self.sip.response, over=over)

    def invite(self, call_id: str, port: int, body: bytes | None = None, **extra: str) -> Request:
        """Send an INVITE."""
        fields = [(name.replace("_", "-"), value) for name, value in extra.items()]
        invite = self.sip.make("INVITE", call_id, body=self.offer() if body is None else body, extra=fields)
        self.sip.send(invite, port)
        return invite

    async def answered(self, port: int) -> Response:
        """Take the 200 to our INVITE and acknowledge it."""
        answer = await self.response(over=199)
        assert answer.status == 200
        self.hears(answer.body)
        self.sip.send(self.sip.in_dialog("ACK", answer, 1), port)
        return answer

    async def answer(self, *, codecs: str = "0 101", lines: tuple[str, ...] = ()) -> Request:
        """Answer the INVITE that comes."""
        invite = await self.request("INVITE")
        self.hears(invite.body)
        self.sip.say(invite, 200, "OK", body=self.offer(*lines, codecs=codecs))
        await self.request("ACK")
        return invite

    async def bye(self) -> Request:
        """Confirm the end of a call."""
        bye = await self.request("BYE")
        self.sip.say(bye, 200, "OK")
        return bye
