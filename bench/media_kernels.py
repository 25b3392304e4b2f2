"""The audio kernels: how right they are and what a sample costs, beside audioop, spandsp, soxr and PyAV.

    python -m bench media_kernels [--rounds 5]

Frames of 20 ms. Ours are timed for batches of 1, 16, 100 and 1000 streams, the others stream by stream over
100 streams, each with its state (spandsp's G.711, which has none, in one call): all in turn, round by round,
each over as many frames as make 20 ms or more. Times are of the processor, not of the clock, since others use
it too; the least of the rounds stands. A ratio is the fastest other by ours at that batch; soxr is also timed
over 1000 streams, for the last column.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the engine: before numpy is imported

import av
import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sip.media.kernels import conceal, energy, g711, l16, levels, mix, noise
from sip.media.kernels.g722 import G722Codec
from sip.media.kernels.resample import Resampler
from sip.media.kernels.types import RATES, Doubles, Flags, Octets, Pcm, frame_samples
from tests.support import audio, spandsp
from tests.support.spandsp import audioop

BATCHES: Final = (1, 16, 100, 1000)
STREAMS: Final = 100
"""That the others serve, one by one."""
AT_LEAST: Final = 0.02
"""Seconds that one timing takes."""

Job = Callable[[], object]


class Kernel(NamedTuple):
    """One job: ours for a batch of streams, and others' for STREAMS of them."""

    name: str
    ours: Callable[[int], Job] | None
    others: dict[str, Job]
    samples: int
    """A frame of it, per stream: of what comes out."""


def speech(streams: int, samples: int) -> Pcm:
    """Return a frame for each stream: pieces of one speaker."""
    wave = audio.speech(samples + 50 * 997)
    begins = np.arange(streams) * 997 % (50 * 997)
    frames: Pcm = wave[begins[:, None] + np.arange(samples)]
    return np.ascontiguousarray(frames)


def each(function: Callable[[Any], object], items: list[Any]) -> Job:
    """Return a job that calls `function` with every item."""

    def job() -> None:
        for item in items:
            function(item)

    return job


def g711_kernels() -> list[Kernel]:
    """Return G.711's, with L16."""
    pcm = speech(STREAMS, 160)
    codes = g711.ulaw_encode(pcm, np.empty(pcm.shape, np.uint8))
    raw, coded = [row.tobytes() for row in pcm], [row.tobytes() for row in codes]
    law = spandsp.G711(spandsp.ULAW)
    samples, octets = np.empty(pcm.shape, np.int16), np.empty(pcm.shape, np.uint8)

    def batch(function: Callable[[Any, Any], object], kind: type[Any]) -> Callable[[int], Job]:
        def make(streams: int) -> Job:
            given: Any = speech(streams, 160)
            if function is not g711.ulaw_encode:
                given = g711.ulaw_encode(given, np.empty(given.shape, np.uint8))
            out = np.empty((streams, 160), kind)
            return lambda: function(given, out)

        return make

    def network(streams: int) -> Job:
        payloads = np.ascontiguousarray(speech(streams, 160)).view(np.uint8)
        out = np.empty((streams, 160), np.int16)
        return lambda: l16.decode(payloads, out)

    return [
        Kernel(
            "µ-law decode",
            batch(g711.ulaw_decode, np.int16),
            {
                "audioop": each(lambda each_: audioop.ulaw2lin(each_, 2), coded),
                "spandsp": lambda: law.decode(codes, samples),
            },
            160,
        ),
        Kernel(
            "µ-law encode",
            batch(g711.ulaw_encode, np.uint8),
            {
                "audioop": each(lambda each_: audioop.lin2ulaw(each_, 2), raw),
                "spandsp": lambda: law.encode(pcm, octets),
            },
            160,
        ),
        Kernel(
            "PCMU to PCMA",
            batch(g711.ulaw_to_alaw, np.uint8),
            {
                "audioop": each(lambda each_: audioop.lin2alaw(audioop.ulaw2lin(each_, 2), 2), coded),
                "spandsp": lambda: law.transcode(codes, octets),
            },
            160,
        ),
        Kernel("L16 decode", network, {"audioop": each(lambda each_: audioop.byteswap(each_, 2), raw)}, 160),
    ]


def level_kernels() -> list[Kernel]:
    """Return gain, conferences, levels and voice activity."""
    raw = [row.tobytes() for row in speech(STREAMS, 160)]

    def gain(streams: int) -> Job:
        pcm, gains = speech(streams, 160), np.full(streams, 0.7, np.float32)
        out = np.empty_like(pcm)
        return lambda: levels.apply_gain(pcm, gains, out)

    def conference(size: int) -> Callable[[int], Job]:
        def make(streams: int) -> Job:
            pcm, who = speech(streams, 160), mix.Conferences(np.arange(streams) // size)
            talks, out = np.ones(streams, np.bool_), np.empty((streams, 160), np.int16)
            return lambda: mix.mix_minus(pcm, who, talks, None, out)

        return make

    def conferences_of_ten() -> None:
        for begin in range(0, STREAMS, 10):
            members = raw[begin : begin + 10]
            total = members[0]
            for member in members[1:]:
                total = audioop.add(total, member, 2)
            for member in members:
                audioop.add(total, audioop.mul(member, 2, -1), 2)

    def power(streams: int) -> Job:
        pcm = speech(streams, 160)
        return lambda: energy.power(pcm)

    def activity(streams: int) -> Job:
        pcm, rows, state = speech(streams, 160), np.arange(streams), energy.VoiceActivity(streams)
        return lambda: state.process(rows, pcm)

    def comfort(streams: int) -> Job:
        out, rows, state = np.empty((streams, 160), np.int16), np.arange(streams), noise.ComfortNoise(streams)
        return lambda: state.process(rows, out)

    return [
        Kernel("gain", gain, {"audioop": each(lambda each_: audioop.mul(each_, 2, 0.7), raw)}, 160),
        Kernel("mix-minus, two", conference(2), {}, 160),
        Kernel("mix-minus, ten", conference(10), {"audioop": conferences_of_ten}, 160),
        Kernel("level", power, {"audioop": each(lambda each_: audioop.rms(each_, 2), raw)}, 160),
        Kernel("voice activity", activity, {}, 160),
        Kernel("comfort noise", comfort, {}, 160),
    ]


def resampling_kernels() -> list[Kernel]:
    """Return the pairs of rates that telephone calls need."""
    pairs = ((8000, 16000), (8000, 24000), (8000, 48000), (16000, 48000), (16000, 8000), (48000, 8000))
    return [resampling(*pair) for pair in pairs]


def resampling(from_rate: int, to_rate: int) -> Kernel:
    """Return the resampler of one pair of rates."""
    frame, made = frame_samples(from_rate), frame_samples(to_rate)

    def ours(streams: int) -> Job:
        pcm, out, rows = speech(streams, frame), np.empty((streams, made), np.int16), np.arange(streams)
        state = Resampler(streams, from_rate, to_rate)
        return lambda: state.process(rows, pcm, out)

    pcm = speech(STREAMS, frame)

    def soxrs(streams: int) -> Job:
        states = [
            soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality="HQ") for _ in range(streams)
        ]
        items = list(zip(states, speech(streams, frame), strict=True))
        return each(lambda item: item[0].resample_chunk(item[1]), items)

    linear: list[Any] = [[row.tobytes(), None] for row in pcm]
    frames = []
    for row in pcm:
        packed = av.AudioFrame.from_ndarray(row[None], format="s16", layout="mono")
        packed.sample_rate = from_rate
        frames.append((av.AudioResampler("s16", "mono", to_rate), packed))

    def by_audioop(item: list[Any]) -> None:
        _, item[1] = audioop.ratecv(item[0], 2, 1, from_rate, to_rate, item[1])

    def by_av(item: tuple[av.AudioResampler, av.AudioFrame]) -> None:
        item[1].pts = None
        item[0].resample(item[1])

    return Kernel(
        f"{from_rate // 1000} to {to_rate // 1000} kHz",
        ours,
        {
            "audioop": each(by_audioop, linear),
            "soxr": soxrs(STREAMS),
            "soxr, 1000": soxrs(1000),
            "PyAV": each(by_av, frames),
        },
        made,
    )


def other_kernels() -> list[Kernel]:
    """Return concealment and G.722."""
    spoken = audio.speech(4 * 160 * STREAMS).reshape(STREAMS, 4, 160)

    def concealment(streams: int) -> Job:
        state, rows = conceal.Concealer(streams, 8000), np.arange(streams)
        frames = np.ascontiguousarray(spoken[rows % STREAMS].transpose(1, 0, 2))

        def job() -> None:
            for frame in frames[:3]:
                state.good(rows, frame)
            state.lost(rows, frames[3])

        return job

    concealers = [spandsp.Concealer() for _ in range(STREAMS)]

    def by_spandsp() -> None:
        for state, frames in zip(concealers, spoken.copy(), strict=True):
            for frame in frames[:3]:
                state.good(frame)
            state.lost(frames[3])

    codecs = [(G722Codec(), frame) for frame in speech(STREAMS, 320)]
    payloads = [(codec, codec.encode(frame)) for codec, frame in codecs]
    return [
        Kernel("conceal 1 of 4", concealment, {"spandsp": by_spandsp}, 4 * 160),
        Kernel("G.722 encode", None, {"G722": each(lambda item: item[0].encode(item[1]), codecs)}, 320),
        Kernel("G.722 decode", None, {"G722": each(lambda item: item[0].decode(item[1]), payloads)}, 320),
    ]


def timed(job: Job, samples: int) -> float:
    """Return ns a sample, over calls enough to mean something: resamplers swallow frames and pay later."""
    began = time.process_time()
    job()
    once = time.process_time() - began
    times = max(25 if once < 0.01 else 5, int(AT_LEAST / once))
    began = time.process_time()
    for _ in range(times):
        job()
    return (time.process_time() - began) / times / samples * 1e9


def speed(rounds: int) -> Table:
    """Measure all."""
    others = ("audioop", "spandsp", "soxr", "soxr, 1000", "PyAV", "G722")
    table = Table("ns a sample", *(f"ours, {batch}" for batch in BATCHES), *others, "ratio at 100", "at 1000")
    for kernel in g711_kernels() + level_kernels() + resampling_kernels() + other_kernels():
        jobs: dict[int | str, tuple[Job, int]] = {
            name: (job, (1000 if name.endswith("1000") else STREAMS) * kernel.samples)
            for name, job in kernel.others.items()
        }
        if kernel.ours is not None:
            jobs |= {batch: (kernel.ours(batch), batch * kernel.samples) for batch in BATCHES}
        least = dict.fromkeys(jobs, float("inf"))
        for _ in range(rounds):
            for key, (job, samples) in jobs.items():
                least[key] = min(least[key], timed(job, samples))
        # audioop's resampler is linear: no filter, so no rival.
        rivals = [name for name in kernel.others if not (name == "audioop" and "kHz" in kernel.name)]
        ratios = [""] * 2
        if rivals and kernel.ours is not None:
            few = [name for name in rivals if not name.endswith("1000")]
            many = [name for name in rivals if name != "soxr"]
            ratios = [f"{min(least[name] for name in few) / least[100]:.1f}"]
            ratios.append(f"{min(least[name] for name in many) / least[1000]:.1f}")
        cells = [f"{least[key]:.2f}" if key in least else "" for key in (*BATCHES, *others)]
        table.add_row(kernel.name, *cells, *ratios)
    return table


def exactness() -> Table:
    """Compare every code and every sample of G.711."""
    codes, samples = np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16).view(np.int16)
    table = Table("G.711: differs from", "spandsp", "audioop")
    wide, narrow = np.empty(256, np.int16), np.empty(65536, np.uint8)
    for name, number, decoder, encoder in (
        ("µ-law", spandsp.ULAW, g711.ULAW_TO_LINEAR, g711.LINEAR_TO_ULAW),
        ("A-law", spandsp.ALAW, g711.ALAW_TO_LINEAR, g711.LINEAR_TO_ALAW),
    ):
        law = spandsp.G711(number)
        code = "ulaw" if number == spandsp.ULAW else "alaw"
        decoded = np.frombuffer(getattr(audioop, f"{code}2lin")(codes.tobytes(), 2), np.int16)
        encoded = np.frombuffer(getattr(audioop, f"lin2{code}")(samples.tobytes(), 2), np.uint8)
        table.add_row(
            f"{name} decode, of 256", differing(decoder, law.decode(codes, wide)), differing(decoder, decoded)
        )
        table.add_row(
            f"{name} encode, of 65536",
            differing(encoder, law.encode(samples, narrow)),
            differing(encoder, encoded),
        )
    to_alaw = np.array([spandsp.ulaw_to_alaw(code) for code in range(256)])
    to_ulaw = np.array([spandsp.alaw_to_ulaw(code) for code in range(256)])
    both = audioop.lin2alaw(audioop.ulaw2lin(codes.tobytes(), 2), 2)
    back = audioop.lin2ulaw(audioop.alaw2lin(codes.tobytes(), 2), 2)
    table.add_row(
        "µ to A, of 256 (audioop: decode, encode)",
        differing(g711.ULAW_TO_ALAW, to_alaw),
        differing(g711.ULAW_TO_ALAW, np.frombuffer(both, np.uint8)),
    )
    table.add_row(
        "A to µ, of 256 (audioop: decode, encode)",
        differing(g711.ALAW_TO_ULAW, to_ulaw),
        differing(g711.ALAW_TO_ULAW, np.frombuffer(back, np.uint8)),
    )
    return table


def differing(ours: Octets | Pcm, theirs: NDArray[np.generic]) -> str:
    """Return how many differ."""
    return str(np.count_nonzero(ours != theirs))


def filters() -> Table:
    """Measure resamplers by sines of -0.9 dB of full scale."""
    table = Table(
        "resampler, kHz", "ripple to 0.425, dB", "least SINAD, dB", "stop band from 0.575, dB", "delay, ms"
    )
    for from_rate in RATES:
        for to_rate in RATES:
            if from_rate == to_rate:
                continue
            lower = min(from_rate, to_rate)
            inside = np.linspace(0.02, 0.425, 25) * lower
            through = sines(from_rate, to_rate, inside)
            pairs = list(zip(inside, through, strict=True))
            ripple = max(abs(audio.tone_level(row, float(hz), to_rate) - 2.24) for hz, row in pairs)
            least = min(audio.sinad(row, float(hz), to_rate) for hz, row in pairs)
            stopped = ""
            if to_rate < from_rate:
                outside = np.linspace(0.575 * lower, 0.49 * from_rate, 60)
                stopped = f"{max(audio.level(row) - 2.24 for row in sines(from_rate, to_rate, outside)):.1f}"
            delay = Resampler(1, from_rate, to_rate).delay / from_rate * 1000
            table.add_row(
                f"{from_rate // 1000} to {to_rate // 1000}",
                f"{ripple:.4f}",
                f"{least:.1f}",
                stopped,
                f"{delay:.0f}",
            )
    return table


def sines(from_rate: int, to_rate: int, hz: Doubles) -> Pcm:
    """Return sines after the resampler, one a row, without the beginning."""
    pcm = np.stack([audio.tone(float(each_), 2.24, from_rate, from_rate // 5) for each_ in hz])
    state = Resampler(len(hz), from_rate, to_rate)
    out = np.empty((len(hz), state.samples_out(pcm.shape[1])), np.int16)
    state.process(np.arange(len(hz)), pcm, out)
    return out[:, to_rate // 50 :]


def losses() -> Table:
    """Measure concealment on speech-like sound."""
    ways = {"silence": silent, "repetition": repeated, "spandsp": by_spandsp, "ours": ours}
    table = Table("lost: spectral distance, dB; signal to error, dB; steps at edges", *ways)
    for share in (0.01, 0.05, 0.1, 0.2):
        cells: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ways}
        for seed in (1, 7, 9):
            frames = audio.speech(8000 * 20, seed=seed).reshape(-1, 160)
            lost = np.random.default_rng(3).random(len(frames)) < share
            lost[:10] = False
            natural = steps(frames, lost)
            for name, way in ways.items():
                made = way(frames, lost)
                distance = audio.spectral_distance(frames, made, lost)
                cells[name].append(
                    (distance, audio.snr(frames[lost], made[lost]), steps(made, lost) / natural)
                )
        means = {name: np.mean(values, axis=0) for name, values in cells.items()}
        table.add_row(
            f"{share:.0%}", *(f"{mean[0]:.1f}; {mean[1]:.1f}; {mean[2]:.2f}" for mean in means.values())
        )
    return table


def steps(frames: Pcm, lost: Flags) -> float:
    """Return the mean step from sample to sample across the edges of losses."""
    edges = np.flatnonzero(np.diff(lost)) + 1
    return float(np.abs(np.diff(frames.reshape(-1).astype(int)))[edges * frames.shape[1] - 1].mean())


def silent(frames: Pcm, lost: Flags) -> Pcm:
    """Return frames with silence for what is lost."""
    return np.where(lost[:, None], np.int16(0), frames)


def repeated(frames: Pcm, lost: Flags) -> Pcm:
    """Return frames with the one before for what is lost."""
    out = frames.copy()
    for number in np.flatnonzero(lost):
        out[number] = out[number - 1]
    return out


def by_spandsp(frames: Pcm, lost: Flags) -> Pcm:
    """Return frames as spandsp conceals what is lost."""
    out, state = frames.copy(), spandsp.Concealer()
    for frame, missing in zip(out, lost, strict=True):
        (state.lost if missing else state.good)(frame)
    return out


def ours(frames: Pcm, lost: Flags) -> Pcm:
    """Return frames as our kernel conceals what is lost."""
    out, state, row = frames.copy(), conceal.Concealer(1, 8000), np.zeros(1, np.intp)
    for number, missing in enumerate(lost):
        (state.lost if missing else state.good)(row, out[number : number + 1])
    return out


def main(arguments: list[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench media_kernels")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    console = Console(width=150)
    for table in (exactness(), filters(), losses()):
        console.print(table)
    console.print(speed(options.rounds))
