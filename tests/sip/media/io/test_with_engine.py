"""Media I/O, a gateway's clients and a real engine: prompts are heard, calls are recorded, ends are told."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from sip.media import protocol as say
from sip.media.client.control import MediaAway
from sip.media.client.engines import Engines
from sip.media.io.protocol import Layout, RecordingFinished, StartRecording
from sip.media.io.streams import PcmPort
from sip.media.kernels import g711
from tests.support.media import (
    PCMU,
    RtpPeer,
    Running,
    engine,
    level_of,
    media,
    payloads,
    sine,
    talk,
    ulaw_tone,
)
from tests.support.media_fakes import loudest, read_wav, tone, write_wav
from tests.support.media_io import Service
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire

CALL = "call"


class Calls:
    """Hears of calls."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.backs: asyncio.Queue[bool] = asyncio.Queue()
        self.lost: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    def media_event(self, engine: str, event: say.Event) -> None:
        self.events.put_nowait(event)

    def calls_lost(self, engine: str, calls: Sequence[str]) -> None:
        self.lost.put_nowait(tuple(calls))

    def engine_back(self, engine: str, *, fresh: bool) -> None:
        self.backs.put_nowait(fresh)

    async def next(self, kind: type) -> Any:
        """Return the next event of a kind."""
        async with asyncio.timeout(10):
            while not isinstance(event := await self.events.get(), kind):
                pass
        return event


class Gateway:
    """The clients that a gateway has."""

    def __init__(self, running: Running) -> None:
        self.calls = Calls()
        self.engines = Engines({"engine": running.control}, owner="gateway", listener=self.calls)
        self.peers: list[RtpPeer] = []

    async def connected(self) -> None:
        """Wait for the engine and its first word on its load."""
        async with asyncio.timeout(20):
            while not self.engines.loads:
                await asyncio.sleep(0.01)

    async def ask(self, command: say.Command) -> Any:
        """Ask the engine that has the call."""
        return await self.engines.ask(self.engines.place(CALL, 0), command)

    async def leg(self, name: str, bridge: str = "") -> RtpPeer:
        """Open a leg with a peer of PCMU, in a bridge perhaps."""
        peer = RtpPeer(0)
        self.peers.append(peer)
        opened = await self.ask(say.OpenRtp(name, media(peer, PCMU)))
        peer.target = (opened.local.host, opened.local.port)
        if bridge:
            await self.ask(say.Join(name, bridge))
        return peer

    async def close(self) -> None:
        """Close what was opened."""
        if self.engines.loads:
            page = await self.ask(say.Survey())
            for one in page.legs:
                await self.ask(say.CloseLeg(one.leg))
            await self.ask(say.CloseBridge("b"))
        await self.engines.stop()
        for peer in self.peers:
            peer.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with engine() as one:
        yield one


@pytest.fixture
async def gateway(running: Running) -> AsyncIterator[Gateway]:
    made = Gateway(running)
    made.engines.start()
    await made.connected()
    await made.ask(say.OpenBridge("b"))
    yield made
    await made.close()


async def test_a_prompt_by_url_is_heard_by_a_telephone(
    gateway: Gateway, service: Service, tmp_path: Path
) -> None:
    body = write_wav(tmp_path / "a.wav", tone(1000, 0.6, 44100), 44100).read_bytes()

    async def answer(_: object) -> web.StreamResponse:
        return web.Response(body=body)

    async with Receiver(answer) as server:
        prompt = await service.client.prompt(server.url, 8000)
    peer = await gateway.leg("a")
    await gateway.engines.give_clip(
        "engine", prompt.clip, prompt.memory.descriptor, rate=prompt.rate, samples=prompt.samples
    )
    await gateway.ask(say.Play("p", say.Clip(prompt.clip), leg="a"))
    await asyncio.to_thread(peer.wait, 29)
    heard = np.frombuffer(g711.ulaw_decode_bytes(payloads(peer.heard[2:29])), np.int16)
    assert loudest(heard, 8000) == pytest.approx(1000, abs=5)
    assert np.abs(heard).max() == pytest.approx(8000, rel=0.1)
    finished = await gateway.calls.next(say.PlayFinished)
    assert (finished.play, finished.reason) == ("p", "end")
    assert finished.ms == pytest.approx(600, abs=20)


async def test_a_call_is_recorded_with_the_samples_that_were_sent(gateway: Gateway, service: Service) -> None:
    one, other = await gateway.leg("a", "b"), await gateway.leg("c", "b")
    order = StartRecording("r", "two", 8000, ("a", "c"), Layout.SEPARATE)
    for name, path in zip(order.tracks, await service.client.record(order), strict=True):
        await gateway.ask(say.Tap(f"tap-{name}", path, 8000, leg=name))
    random = np.random.default_rng(6)
    sent = [random.integers(0, 256, (60, 160), np.uint8) for _ in range(2)]  # every frame is another
    await asyncio.to_thread(
        talk,
        [one, other],
        [lambda number: sent[0][number].tobytes(), lambda number: sent[1][number].tobytes()],
        60,
    )
    for name in order.tracks:
        await gateway.ask(say.Untap(f"tap-{name}"))
    event = await service.told.next()
    assert isinstance(event, RecordingFinished)
    assert event.lost == 0
    found, _ = read_wav(service.recordings / event.file)
    starts = []
    for channel, codes in enumerate(sent):
        track = found[:, channel].tobytes()
        places = [
            track.find(g711.ulaw_decode_bytes(frame.tobytes())) // 2 - 160 * n
            for n, frame in enumerate(codes)
        ]
        offset = max(set(places), key=places.count)
        missing = sum(place != offset for place in places)
        quality = await gateway.ask(say.Quality("ac"[channel]))
        assert missing <= quality.concealed + quality.late + quality.lost, places
        starts.append(offset)
    assert abs(starts[0] - starts[1]) <= 3 * 160, "both began to talk at once"


async def test_a_conference_is_recorded_mixed(gateway: Gateway, service: Service) -> None:
    pitches = (400, 700, 1100)
    peers = [await gateway.leg(f"leg-{hertz}", "b") for hertz in pitches]
    (path,) = await service.client.record(StartRecording("r", "conference", 8000, ("mix",)))
    await gateway.ask(say.Tap("mix", path, 8000, bridge="b"))
    await asyncio.to_thread(talk, peers, [ulaw_tone(hertz, -15.0) for hertz in pitches], 50)
    await gateway.ask(say.Untap("mix"))
    event = await service.told.next()
    assert isinstance(event, RecordingFinished)
    found, _ = read_wav(service.recordings / event.file)
    assert len(found) >= 45 * 160
    middle = found[len(found) // 4 : len(found) * 3 // 4, 0]
    for hertz in pitches:
        assert level_of(middle, hertz) == pytest.approx(-15, abs=1.0)
    assert level_of(middle, 900) < -45


async def test_a_program_talks_with_a_telephone_by_pcm(
    gateway: Gateway, tmp_path: Path, running: Running
) -> None:
    peer = await gateway.leg("a", "b")
    async with PcmPort(tmp_path / "bot") as port:
        opened = await gateway.ask(say.OpenPcm("bot", str(port.path), 16000))
        port.connect(str(running.folder / "pcm"), opened.stream, 16000)
        await gateway.ask(say.Join("bot", "b"))
        talking = asyncio.create_task(asyncio.to_thread(talk, [peer], [ulaw_tone(440)], 40))
        said = sine(1000, 16000)
        heard = []
        for number in range(40):
            port.send(said(number).tobytes())
            frame = await port.receive()
            assert frame is not None
            heard.append(np.frombuffer(frame.samples, np.int16))
        await talking
        assert port.dropped == port.unsent == 0
    assert level_of(np.concatenate(heard[15:]), 440, 16000) == pytest.approx(-10, abs=1)
    telephone = np.frombuffer(g711.ulaw_decode_bytes(payloads(peer.heard[12:30])), np.int16)
    assert loudest(telephone, 8000) == pytest.approx(1000, abs=10)


async def test_the_end_of_an_engine_is_told_within_a_second_and_its_successor_is_found() -> None:
    with engine() as running:
        gateway = Gateway(running)
        gateway.engines.start()
        await gateway.connected()
        gateway.engines.place(CALL)
        await gateway.leg("a")
        assert await gateway.calls.backs.get() is True
        os.kill(running.pid, signal.SIGKILL)
        async with asyncio.timeout(1.0):
            assert await gateway.calls.lost.get() == (CALL,)
        with pytest.raises(MediaAway):
            await gateway.engines.ask("engine", say.Quality("a"))
        assert running.process is not None
        await asyncio.to_thread(running.process.wait)
        await asyncio.to_thread(running.start)
        async with asyncio.timeout(10):
            assert await gateway.calls.backs.get() is True
        await gateway.connected()
        gateway.engines.place(CALL)
        assert (await gateway.ask(say.Survey())).legs == ()
        await gateway.ask(say.OpenBridge("b"))
        await gateway.close()


async def test_a_gateway_that_comes_back_finds_its_legs(running: Running, gateway: Gateway) -> None:
    await gateway.leg("a", "b")
    await gateway.engines.stop()
    successor = Gateway(running)
    successor.engines.start()
    await successor.connected()
    page = await successor.ask(say.Survey())
    assert [(leg.leg, leg.bridge) for leg in page.legs] == [("a", "b")]
    await successor.close()
    gateway.engines.loads.clear()
