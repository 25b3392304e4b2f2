"""Prompts: fetched, decoded, kept, and refused with a reason."""

import asyncio
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray

from sip.media.client.media_io import Prompt
from sip.media.io.protocol import Failure
from sip.media.io.transcoders import PromptUnusable
from tests.support.media_fakes import loudest, tone, write_wav
from tests.support.media_io import Service
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire


def samples_of(prompt: Prompt) -> NDArray[np.int16]:
    return np.frombuffer(os.pread(prompt.memory.descriptor, 2 * prompt.samples, 0), np.int16)


def serving(body: bytes) -> Receiver:
    async def answer(_: object) -> web.StreamResponse:
        return web.Response(body=body)

    return Receiver(answer)


async def refused(service: Service, source: str, rate: int = 8000) -> PromptUnusable:
    with pytest.raises(PromptUnusable) as found:
        await service.client.prompt(source, rate)
    return found.value


async def test_a_wav_by_url_comes_sample_for_sample_at_its_own_rate(service: Service, tmp_path: Path) -> None:
    sound = tone(1000, 0.5, 16000)
    file = write_wav(tmp_path / "a.wav", sound, 16000)
    async with serving(file.read_bytes()) as server:
        prompt = await service.client.prompt(server.url, 16000)
    assert np.array_equal(samples_of(prompt), sound)


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
async def test_a_stored_stereo_wav_becomes_one_channel_at_the_rate_asked_for(
    service: Service, rate: int
) -> None:
    sound = np.repeat(tone(700, 0.5, 44100)[:, None], 2, axis=1)
    write_wav(service.store / "hello.wav", sound, 44100, 2)
    prompt = await service.client.prompt("store:hello.wav", rate)
    assert abs(prompt.samples - rate // 2) <= rate // 1000
    assert loudest(samples_of(prompt), rate) == pytest.approx(700, abs=4)


async def test_an_mp3_is_decoded(service: Service) -> None:
    with av.open(service.store / "hello.mp3", "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(500, 0.5, 44100)[None, :], format="s16p", layout="mono")
        frame.rate = 44100
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (piece := fifo.read(1152, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    prompt = await service.client.prompt("store:hello.mp3", 8000)
    assert prompt.samples == pytest.approx(4000, abs=450)
    assert loudest(samples_of(prompt), 8000) == pytest.approx(500, abs=5)


async def test_a_file_that_did_not_change_is_asked_for_by_its_tag_and_not_decoded_again(
    service: Service, tmp_path: Path
) -> None:
    body = write_wav(tmp_path / "a.wav", tone(1000, 0.1, 8000), 8000).read_bytes()

    async def answer(received: object) -> web.StreamResponse:
        if received.headers.get("if-none-match") == '"v1"':  # type: ignore[attr-defined]
            return web.Response(status=304)
        return web.Response(body=body, headers={"ETag": '"v1"'})

    async with Receiver(answer) as server:
        first = await service.client.prompt(server.url, 8000)
        second = await service.client.prompt(server.url, 8000)
        assert [request.headers.get("if-none-match") for request in server.received] == [None, '"v1"']
        assert first.clip == second.clip
    third = await service.client.prompt(server.url, 8000)
    assert third.clip == first.clip, "the sound that is known is played when its server is away"


async def test_many_who_ask_at_once_cause_one_request(service: Service, tmp_path: Path) -> None:
    body = write_wav(tmp_path / "a.wav", tone(1000, 0.1, 8000), 8000).read_bytes()
    async with serving(body) as server:
        prompts = await asyncio.gather(*(service.client.prompt(server.url, 8000) for _ in range(20)))
        assert len(server.received) == 1
    assert len({prompt.clip for prompt in prompts}) == 1


async def test_urls_that_lead_inside_are_refused(service: Service) -> None:
    for url in ("http://169.254.169.254/a.wav", "http://10.0.0.1/a.wav", "file:///etc/passwd", "ftp://a/b"):
        assert (await refused(service, url)).failure is Failure.REFUSED
    for name in ("store:../../etc/passwd", "store:a/b", "store:", "store:.hidden"):
        assert (await refused(service, name)).failure is Failure.REFUSED


async def test_a_redirect_is_followed_and_guarded(service: Service, tmp_path: Path) -> None:
    body = write_wav(tmp_path / "a.wav", tone(1000, 0.1, 8000), 8000).read_bytes()
    places = {"/a": "b", "/inside": "http://169.254.169.254/", "/round": "round"}

    async def answer(received: object) -> web.StreamResponse:
        path = received.path.removeprefix("/hook")  # type: ignore[attr-defined]
        if path in places:
            return web.Response(status=302, headers={"Location": places[path]})
        return web.Response(body=body)

    async with Receiver(answer) as server:
        assert (await service.client.prompt(f"{server.url}/a", 8000)).samples == 800
        assert (await refused(service, f"{server.url}/inside")).failure is Failure.REFUSED
        assert (await refused(service, f"{server.url}/round")).failure is Failure.REFUSED


async def test_links_out_of_the_store_are_not_followed(service: Service, tmp_path: Path) -> None:
    write_wav(tmp_path / "secret.wav", tone(1000, 0.1, 8000), 8000)
    (service.store / "a.wav").symlink_to(tmp_path / "secret.wav")
    assert (await refused(service, "store:a.wav")).failure is Failure.UNREACHABLE


async def test_what_is_missing_or_silent_or_too_large_says_so(service: Service) -> None:
    async with Receiver(status=404) as server:
        error = await refused(service, server.url)
        assert (error.failure, error.answered) == (Failure.STATUS, 404)
    assert (await refused(service, server.url)).failure is Failure.UNREACHABLE
    assert (await refused(service, "store:nothing.wav")).failure is Failure.UNREACHABLE
    async with serving(bytes(300_001)) as server:
        assert (await refused(service, server.url)).failure is Failure.TOO_LARGE
    (service.store / "big.wav").write_bytes(bytes(300_001))
    assert (await refused(service, "store:big.wav")).failure is Failure.TOO_LARGE


async def test_what_is_no_sound_is_unreadable_and_says_so(service: Service) -> None:
    riff = b"RIFF" + struct.pack("<I", 1000) + b"WAVE"
    damaged = (riff, riff + os.urandom(500), b"ID3" + os.urandom(3000))
    for number, content in enumerate((b"", b"<html>no</html>", b"#EXTM3U\nfile:/etc/passwd", *damaged)):
        (service.store / f"bad{number}").write_bytes(content)
        assert (await refused(service, f"store:bad{number}")).failure is Failure.UNREADABLE


async def test_few_octets_that_are_much_sound_are_stopped_at_the_limit(service: Service) -> None:
    """Ten minutes of silence as FLAC are 110 kB."""
    with av.open(service.store / "bomb", "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        silence = np.zeros((1, 4096), np.int16)
        for _ in range(600 * 8000 // 4096):
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
            frame.rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert (service.store / "bomb").stat().st_size < 120_000
    assert (await refused(service, "store:bomb")).failure is Failure.TOO_LONG


async def test_a_rate_that_nobody_plays_is_refused(service: Service) -> None:
    with pytest.raises(Exception, match="11025 samples a second"):
        await service.client.prompt("store:a", 11025)
