"""The process that decodes one file, or encodes one, and ends: `python -m sip.media.io.transcode`.

What strangers made is read by C libraries; so it is read in a process of its own that can be given up, with
ceilings of the kernel's on its memory, time and output. Files come and go as descriptors. The last line on
standard output is the result: `{"samples": n}`, or `{"error": …, "text": …}` with one of `Failure`'s words.
"""

import argparse
import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any, Final

import av
from av.audio.resampler import AudioResampler

MEMORY: Final = 1 << 30
"""Octets of address space: PyAV's libraries map 200 MB."""

BAD_PACKETS: Final = 100
"""Packets that may be damaged, as long as more are whole: streams cut out of others begin with some."""

FORMATS: Final = (
    (b"RIFF", "wav"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xfa", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
    (b"\xff\xe3", "mp3"),
    (b"\xff\xe2", "mp3"),
)
"""How files that are taken begin, and what reads them: no probing, for FFmpeg reads much that is no sound."""

CODECS: Final = frozenset(
    {
        *("pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw"),
        *("mp3", "mp3float", "vorbis", "opus", "flac"),
    }
)
"""Codecs that are taken, by FFmpeg's names."""

MP3_BITS: Final = 32_000
"""Bits a second and channel of an encoded recording: speech is transparent at that."""


class Refused(Exception):
    """The file is not taken."""

    def __init__(self, error: str, text: str) -> None:
        super().__init__(text)
        self.error, self.text = error, text


def decode(source: int, target: int, rate: int, max_samples: int) -> int:
    """Write a file's sound as int16, one channel, at `rate`; return how many samples. Raises Refused."""
    with os.fdopen(os.dup(source), "rb") as file, os.fdopen(os.dup(target), "wb") as out:
        kind = _format(file.read(16))
        file.seek(0)
        try:
            with av.open(file, "r", format=kind, metadata_errors="ignore") as container:
                streams = container.streams.audio
                if not streams or streams[0].codec_context.name not in CODECS:
                    raise Refused("unreadable", "The file holds no sound of a codec that is taken.")
                count = 0
                for samples in _resampled(container, streams[0], rate):
                    count += len(samples) // 2
                    if count > max_samples:
                        raise Refused(
                            "too-long", f"The file has more than {max_samples / rate:g} s of sound."
                        )
                    out.write(samples)
        except (av.error.FFmpegError, ValueError, EOFError, MemoryError) as error:
            raise Refused("unreadable", f"The file cannot be decoded: {type(error).__name__}.") from error
    if not count:
        raise Refused("unreadable", "The file holds no sound.")
    return count


def encode(source: int, target: int) -> int:
    """Write a WAV file of ours as MP3; return how many frames it had. Raises Refused."""
    try:
        with (
            os.fdopen(os.dup(source), "rb") as file,
            os.fdopen(os.dup(target), "wb") as out,
            av.open(file, "r", format="wav") as container,
            av.open(out, "w", format="mp3") as encoded,
        ):
            stream = container.streams.audio[0]
            channels = stream.codec_context.channels
            layout = "mono" if channels == 1 else "stereo"
            made: Any = encoded.add_stream("libmp3lame", rate=stream.codec_context.sample_rate, layout=layout)
            made.bit_rate = MP3_BITS * channels
            resampler = AudioResampler(format="s16p", layout=layout, rate=stream.codec_context.sample_rate)
            count = 0
            for frame in container.decode(stream):
                count += frame.samples
                for ready in resampler.resample(frame):
                    encoded.mux(made.encode(ready))
            encoded.mux(made.encode(None))
    except (av.error.FFmpegError, ValueError, MemoryError) as error:
        raise Refused("unreadable", f"The recording cannot be encoded: {error}.") from error
    return count


def _format(head: bytes) -> str:
    for begin, kind in FORMATS:
        if head.startswith(begin) and (kind != "wav" or head[8:12] == b"WAVE"):
            return kind
    raise Refused("unreadable", "The file is no WAV, MP3, Ogg or FLAC.")


def _resampled(container: Any, stream: Any, rate: int) -> Iterator[bytes]:  # noqa: ANN401 - PyAV's types
    resampler = AudioResampler(format="s16", layout="mono", rate=rate)
    good = bad = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad += 1
            if bad > max(BAD_PACKETS, good):
                raise
            continue
        good += 1
        for frame in frames:
            for ready in resampler.resample(frame):
                yield bytes(ready.planes[0])[: 2 * ready.samples]
    if good:
        for ready in resampler.resample(None):
            yield bytes(ready.planes[0])[: 2 * ready.samples]


def limit(seconds: int, octets: int) -> None:
    """Put ceilings on this process."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if octets:
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
    os.nice(10)  # whoever talks goes first


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="sip.media.io.transcode")
    parser.add_argument("what", choices=["decode", "encode"])
    parser.add_argument("--source", type=int, required=True, help="descriptor to read")
    parser.add_argument("--target", type=int, required=True, help="descriptor to write")
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--max-samples", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=20, help="of CPU")
    given = parser.parse_args()
    av.logging.set_level(av.logging.PANIC)
    try:
        if given.what == "decode":
            limit(given.seconds, 2 * given.max_samples + 65536)
            count = decode(given.source, given.target, given.rate, given.max_samples)
        else:
            limit(given.seconds, 0)
            count = encode(given.source, given.target)
        result: dict[str, object] = {"samples": count}
    except Refused as refused:
        result = {"error": refused.error, "text": refused.text}
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
