"""PCM between an engine and a task: bounded both ways."""

import socket
from pathlib import Path

import numpy as np
import pytest

from sip.media import pcm
from sip.media.io.streams import PcmPort
from tests.support.media_fakes import FakeTap, tone

pytestmark = pytest.mark.wire


async def test_frames_come_in_order_and_the_last_one_ends_the_stream(tmp_path: Path) -> None:
    sound = tone(440, 0.1, 16000)
    async with PcmPort(tmp_path / "bot") as port:
        tap = FakeTap(str(port.path), 16000)
        tap.send_all(320, sound, last=True)
        frames = []
        while (frame := await port.receive()) is not None:
            frames.append(frame)
    assert [frame.time for frame in frames] == [320, 640, 960, 1280, 1600]
    assert b"".join(bytes(frame.samples) for frame in frames) == sound.tobytes()
    assert port.dropped == 0
    assert not (tmp_path / "bot").exists()


async def test_a_reader_that_is_slow_misses_the_oldest_and_is_told_how_many(tmp_path: Path) -> None:
    async with PcmPort(tmp_path / "bot", waiting=3) as port:
        tap = FakeTap(str(port.path), 8000)
        for number in range(8):
            tap.send(160 * number, np.full(160, number, np.int16))
        port._inlet.drain()
        first = await port.receive()
        assert first is not None
        assert first.time == 160 * 5
        assert port.dropped == 5


async def test_what_is_no_frame_is_counted_and_skipped(tmp_path: Path) -> None:
    async with PcmPort(tmp_path / "bot") as port:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            for octets in (b"", b"x", bytes(24), bytes(20_000)):
                stranger.sendto(octets, str(port.path))
        tap = FakeTap(str(port.path), 8000)
        tap.send(0, tone(440, 0.02, 8000))
        assert await port.receive() is not None
        assert port._inlet.malformed == 4


async def test_what_is_sent_bears_number_time_and_flags(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as engine:
        engine.bind(str(tmp_path / "engine"))
        async with PcmPort(tmp_path / "bot") as port:
            port.connect(str(tmp_path / "engine"), 42, 8000)
            assert port.send(bytes(320))
            assert port.send(bytes(320), flush=True)
            assert port.send(bytes(160), last=True)
        frames = [pcm.unpack(engine.recv(10_000)) for _ in range(3)]
    assert [frame.stream for frame in frames] == [42] * 3
    assert [frame.time for frame in frames] == [0, 160, 320]
    assert [frame.flags for frame in frames] == [0, pcm.FLUSH, pcm.LAST]


async def test_an_engine_that_is_full_or_gone_costs_frames_and_nothing_else(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as engine:
        engine.bind(str(tmp_path / "engine"))
        async with PcmPort(tmp_path / "bot") as port:
            port.connect(str(tmp_path / "engine"), 1, 8000)
            taken = sum(port.send(bytes(320)) for _ in range(1000))
            assert 0 < taken < 1000
            assert port.unsent == 1000 - taken
            port.connect(str(tmp_path / "nobody"), 1, 8000)
            assert not port.send(bytes(320))
