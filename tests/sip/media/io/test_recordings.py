"""Recordings through media I/O: sample-exact, paused, limited, on a full disk, after a kill."""

import asyncio
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sip.media import pcm
from sip.media.client.control import MediaFull, MediaRefused
from sip.media.io.protocol import (
    AskLoad,
    End,
    Kind,
    Layout,
    PauseRecording,
    RecordingFailed,
    RecordingFinished,
    ResumeRecording,
    StartRecording,
    StopRecording,
)
from sip.media.io.settings import RecordingSettings
from tests.support.media_fakes import FakeTap, loudest, read_wav, tone
from tests.support.media_io import Service

pytestmark = pytest.mark.wire

RATE = 8000
FRAME = RATE // 50
TWO = ("alice", "bob")


async def finished(service: Service) -> RecordingFinished:
    event = await service.told.next()
    assert isinstance(event, RecordingFinished), event
    return event


async def send(tap: FakeTap, time: int, samples: np.ndarray, *, last: bool = False) -> None:
    """Send as an engine does, with the reader given its turn."""
    for at in range(0, len(samples), 5 * FRAME):
        part = samples[at : at + 5 * FRAME]
        tap.send_all(time + at, part, last=last and at + len(part) >= len(samples))
        await asyncio.sleep(0)


async def test_two_legs_are_two_channels_sample_for_sample(service: Service) -> None:
    order = StartRecording("r", "2026-11/call", RATE, TWO, Layout.SEPARATE)
    peers = await service.client.record(order)
    assert await service.client.record(order) == peers, "asked twice, it is the same recording"
    taps = [FakeTap(peer, RATE) for peer in peers]
    sounds = [tone(440, 1.5, RATE), tone(1000, 1.5, RATE)]
    for at in range(0, len(sounds[0]), FRAME):
        last = pcm.LAST if at + FRAME == len(sounds[0]) else 0
        for tap, sound in zip(taps, sounds, strict=True):
            tap.send(4800 + at, sound[at : at + FRAME], flags=last)
        await asyncio.sleep(0)
    event = await finished(service)
    assert (event.file, event.reason, event.seconds) == ("2026-11/call.wav", End.STOPPED, 1.5)
    assert event.lost == 0
    found, rate = read_wav(service.recordings / event.file)
    assert rate == RATE
    assert np.array_equal(found, np.stack(sounds, axis=1))
    assert event.octets == (service.recordings / event.file).stat().st_size
    assert not list(service.settings.sockets.iterdir())


async def test_a_pause_is_left_out_and_what_came_before_it_is_not(service: Service) -> None:
    (peer,) = await service.client.record(StartRecording("r", "call", RATE, ("mix",)))
    tap = FakeTap(peer, RATE)
    parts = [tone(hertz, 0.2, RATE) for hertz in (300, 600, 900)]
    tap.send_all(0, parts[0])
    await service.client.ask(PauseRecording("r"))
    tap.send_all(len(parts[0]), parts[1])
    await service.client.ask(ResumeRecording("r"))
    tap.send_all(2 * len(parts[0]), parts[2])
    await service.client.ask(StopRecording("r"))
    event = await finished(service)
    found, _ = read_wav(service.recordings / event.file)
    assert np.array_equal(found[:, 0], np.concatenate([parts[0], parts[2]]))


async def test_an_mp3_is_made_at_the_end_and_the_wav_is_removed(service: Service) -> None:
    (peer,) = await service.client.record(StartRecording("r", "call", RATE, ("mix",), kind=Kind.MP3))
    tap = FakeTap(peer, RATE)
    await send(tap, 0, tone(1000, 1, RATE), last=True)
    event = await finished(service)
    assert event.file == "call.mp3"
    assert sorted(each.name for each in service.recordings.iterdir()) == ["call.mp3"]
    (service.recordings / "call.mp3").rename(service.store / "again.mp3")
    prompt = await service.client.prompt("store:again.mp3", RATE)
    samples = np.frombuffer(os.pread(prompt.memory.descriptor, 2 * prompt.samples, 0), np.int16)
    assert loudest(samples, RATE) == pytest.approx(1000, abs=3)


async def test_it_ends_when_it_is_as_long_as_it_may_be(service: Service) -> None:
    order = StartRecording("r", "call", RATE, ("mix",), max_seconds=0.5)
    (peer,) = await service.client.record(order)
    tap = FakeTap(peer, RATE)
    sound = tone(1000, 0.6, RATE)
    await send(tap, 0, sound[: 25 * FRAME])
    event = await finished(service)
    assert (event.reason, event.seconds) == (End.LIMIT, 0.5)
    assert np.array_equal(read_wav(service.recordings / event.file)[0][:, 0], sound[: RATE // 2])


async def test_no_sound_at_all_is_an_empty_file(service: Service) -> None:
    await service.client.record(StartRecording("r", "call", RATE, TWO))
    await service.client.ask(StopRecording("r"))
    event = await finished(service)
    assert event.seconds == 0
    assert len(read_wav(service.recordings / event.file)[0]) == 0


async def test_what_cannot_be_recorded_is_refused(service: Service) -> None:
    for number in range(3):
        await service.client.record(StartRecording(f"r{number}", f"call{number}", RATE, ("mix",)))
    with pytest.raises(MediaFull):
        await service.client.record(StartRecording("r9", "call9", RATE, ("mix",)))
    with pytest.raises(MediaRefused) as other:
        await service.client.record(StartRecording("r1", "call5", RATE, ("mix",)))
    await service.client.ask(StopRecording("r1"))
    await finished(service)
    with pytest.raises(MediaRefused) as taken:
        await service.client.record(StartRecording("r7", "call1", RATE, ("mix",)))
    with pytest.raises(MediaRefused) as gone:
        await service.client.ask(StopRecording("r1"))
    with pytest.raises(MediaRefused) as outside:
        await service.client.record(StartRecording("r8", "../call", RATE, ("mix",)))
    refusals = [str(each.value.refusal) for each in (other, taken, gone, outside)]
    assert refusals == ["conflict", "conflict", "unknown", "malformed"]


async def test_what_is_no_frame_or_of_another_rate_is_counted_and_disturbs_nobody(service: Service) -> None:
    (peer,) = await service.client.record(StartRecording("r", "call", RATE, ("mix",)))
    other = FakeTap(peer, 16000)
    other.send(0, tone(500, 0.02, 16000))
    other._socket.send(b"rubbish")
    tap = FakeTap(peer, RATE)
    sound = tone(1000, 0.1, RATE)
    tap.send_all(0, sound, last=True)
    event = await finished(service)
    assert np.array_equal(read_wav(service.recordings / event.file)[0][:, 0], sound)
    assert (await service.client.ask(AskLoad())).dropped == 2  # type: ignore[union-attr]


async def test_events_wait_for_a_gateway_that_is_away(service: Service) -> None:
    (peer,) = await service.client.record(StartRecording("r", "call", RATE, ("mix",)))
    await service.client.stop()
    tap = FakeTap(peer, RATE)
    tap.send_all(0, tone(1000, 0.1, RATE), last=True)
    async with asyncio.timeout(5):
        while not (service.recordings / "call.wav").exists():
            await asyncio.sleep(0.01)
    service.client.start()
    assert (await finished(service)).recording == "r"


async def test_a_killed_process_leaves_files_that_its_successor_repairs(tmp_path: Path) -> None:
    service = Service(tmp_path, recordings=RecordingSettings(sync_seconds=0.0))
    with service.process() as first:
        service.client.start()
        await service.connected()
        peers = await service.client.record(StartRecording("r", "call", RATE, TWO, Layout.SEPARATE))
        taps = [FakeTap(peer, RATE) for peer in peers]
        sounds = [tone(440, 3, RATE), tone(1000, 3, RATE)]
        for at in range(0, 3 * RATE, 5 * FRAME):
            for tap, sound in zip(taps, sounds, strict=True):
                tap.send_all(at, sound[at : at + 5 * FRAME])
        part = service.recordings / "call.wav.part"
        async with asyncio.timeout(10):
            while part.stat().st_size < 2.9 * 4 * RATE:  # what is less than 0.1 s old may be lost
                await asyncio.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        async with asyncio.timeout(1):
            await service.told.lost.wait()
        with service.process():
            event = await finished(service)
            assert (event.recording, event.file, event.reason) == ("", "call.wav", End.REPAIRED)
            found, _ = read_wav(service.recordings / "call.wav")
            assert len(found) == round(event.seconds * RATE)
            assert event.seconds == pytest.approx(3.0, abs=0.1)
            assert np.array_equal(found, np.stack(sounds, axis=1)[: len(found)])
            assert not part.exists()
            await service.connected()
            with pytest.raises(MediaRefused):
                await service.client.ask(StopRecording("r"))
            await service.client.stop()


async def test_a_full_disk_ends_a_recording_with_what_there_is_and_disturbs_no_other(tmp_path: Path) -> None:
    service = Service(tmp_path, recordings=RecordingSettings(sync_seconds=0.0))
    with service.process() as process:
        service.client.start()
        await service.connected()
        (long,) = await service.client.record(StartRecording("long", "long", RATE, ("mix",)))
        (short,) = await service.client.record(StartRecording("short", "short", RATE, ("mix",)))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        sound = tone(1000, 4, RATE)
        tap, other = FakeTap(long, RATE), FakeTap(short, RATE)
        other.send_all(0, sound[:RATE])
        with suppress(ConnectionRefusedError):  # it ends while we send
            tap.send_all(0, sound)
        event = await service.told.next()
        assert isinstance(event, RecordingFailed)
        assert (event.recording, event.file, event.reason) == ("long", "long.wav", End.DISK)
        assert event.text == "File too large."
        found, _ = read_wav(service.recordings / "long.wav")
        assert len(found) == (40_000 - 44) // 2
        assert np.array_equal(found[:, 0], sound[: len(found)])
        other.send_all(RATE, sound[RATE : 2 * RATE], last=True)
        done = await finished(service)
        assert done.recording == "short"
        assert np.array_equal(read_wav(service.recordings / "short.wav")[0][:, 0], sound[: 2 * RATE])
        await service.client.stop()
