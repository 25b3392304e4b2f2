"""RTP's pieces: what a packet costs in headers, counts and jitter buffers, what a network's faults make of
audio, and DTMF beside spandsp: what it costs, hears and mistakes for a digit.

    python -m bench media_rtp [--rounds 30] [--minutes 30]

Batches of 1, 16, 100 and 1000 streams with a packet each, in receive buffers of 1,536 octets; the least of
the rounds. spandsp's detector takes 100 streams one by one, each with a state of its own, 400 ms a call.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the engine: before numpy is imported

import numpy as np
from rich.console import Console
from rich.table import Table

from sip.media.kernels.dtmf import DtmfDetector
from sip.media.kernels.tones import ToneBank, cadence
from sip.media.rtp import header
from sip.media.rtp.jitter import JitterBuffers
from sip.media.rtp.sequence import Sequences
from tests.support.audio import Pcm, speech
from tests.support.dtmf import DIGITS, Key, SpandspDtmf, heard, music, pressed, spandsp_hears
from tests.support.jitter import flow

BATCHES: Final = (1, 16, 100, 1000)
TURNS: Final = 20
"""Frames of a round."""

Job = Callable[[int], object]
"""Takes the number of a frame."""


def headers(streams: int) -> dict[str, Job]:
    """Return what is done with headers."""
    buffer = np.zeros((streams, 1536), np.uint8)
    many = np.arange(streams)
    kind, marker = np.zeros(streams, np.uint8), np.zeros(streams, np.bool_)
    header.build(buffer, many, many * 160, many, kind, marker)
    lengths = np.full(streams, 172, np.uint32)
    return {
        "header parse": lambda _: header.parse(buffer, lengths),
        "header build": lambda _: header.build(buffer, many, many, many, kind, marker),
    }


def buffers(streams: int) -> dict[str, Job]:
    """Return what is done with a packet that came, and at each tick."""
    rows = np.arange(streams)
    packets, out = np.zeros((streams, 1536), np.uint8), np.zeros((streams, 160), np.uint8)
    at, length, status = np.full(streams, 12), np.full(streams, 160), np.zeros(streams, np.uint8)
    sequences, jitter = Sequences(streams), JitterBuffers(streams)
    sequences.reset(rows)
    jitter.reset(rows)
    ssrc = np.full(streams, 7)

    def count(frame: int) -> None:
        got = sequences.update(rows, ssrc, np.full(streams, frame % 65536))
        sequences.arrivals(rows, np.full(streams, frame * 160), np.full(streams, frame * 20_000), got.order)

    def insert(frame: int) -> None:
        number = np.full(streams, 65_536 + frame)
        jitter.insert(rows, number, number * 160, packets, at, length, np.full(streams, frame * 20_000))

    def play(frame: int) -> None:
        jitter.play(rows, frame * 20_000 + 5_000, out, status)

    return {"sequence and jitter": count, "jitter buffer in": insert, "jitter buffer out": play}


def sounds(streams: int) -> dict[str, Job]:
    """Return detection of digits in talk, and tones."""
    talk = speech(160 * TURNS + 500 * 37, level_dbm0=-18)
    begins = np.arange(streams)[:, None] % 500 * 37 + np.arange(160 * TURNS)
    pcm, rows = talk[begins], np.arange(streams)
    detector, bank = DtmfDetector(streams), ToneBank(streams)
    for row in range(streams):
        bank.start(row, cadence((350.0, 440.0), ()))
    out = np.empty((streams, 160), np.int16)

    def detect(frame: int) -> None:
        begin = frame % TURNS * 160
        detector.process(rows, pcm[:, begin : begin + 160])

    return {"DTMF detection": detect, "two-tone generator": lambda _: bank.process(rows, out)}


def together(jobs: dict[str, Job], rounds: int) -> dict[str, float]:
    """Return the least seconds a frame of jobs that take turns, frame by frame."""
    least = dict.fromkeys(jobs, float("inf"))
    for turn in range(rounds):
        spent = dict.fromkeys(jobs, 0.0)
        for frame in range(turn * TURNS, (turn + 1) * TURNS):
            for name, job in jobs.items():
                began = time.perf_counter()
                job(frame)
                spent[name] += time.perf_counter() - began
        least = {name: min(least[name], spent[name] / TURNS) for name in jobs}
    return least


def spandsp_detection(rounds: int) -> float:
    """Return the least seconds that a frame of one stream takes spandsp."""
    talk = speech(160 * TURNS, level_dbm0=-18)
    detectors = [SpandspDtmf() for _ in range(100)]
    seconds = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for detector in detectors:
            detector.process(talk)
        seconds = min(seconds, (time.perf_counter() - began) / TURNS / len(detectors))
    for detector in detectors:
        detector.close()
    return seconds


def speed(rounds: int) -> Table:
    """Return what a packet or a frame of 160 samples costs."""
    table = Table(
        "", *(f"{streams} streams" for streams in BATCHES), title="ns a packet; of sounds, ns a sample"
    )
    lines: dict[str, list[str]] = {}
    for streams in BATCHES:
        for make, samples in ((headers, 1), (buffers, 1), (sounds, 160)):
            for name, seconds in together(make(streams), rounds).items():
                lines.setdefault(name, []).append(f"{seconds * 1e9 / streams / samples:,.1f}")
    for name, cells in lines.items():
        table.add_row(name, *cells)
    table.add_row("DTMF detection, spandsp", *[""] * 2, f"{spandsp_detection(rounds) * 1e9 / 160:,.1f}", "")
    return table


def network() -> Table:
    """Return what becomes of audio over networks that lose and delay."""
    table = Table(
        "loss", "jitter, ms", "concealed", "late", "depth, ms", title="jitter buffers, 100 streams, a minute"
    )
    for loss, jitter in ((0, 0), (0.01, 5), (0.05, 5), (0.10, 5), (0.05, 30), (0.01, 60), (0.10, 60)):
        done, concealed, late = flow(loss, jitter, streams=100, seconds=60)
        depth = done.depth_ms(np.arange(100)).mean()
        table.add_row(f"{loss:.0%}", f"{jitter}", f"{concealed:.2%}", f"{late:.2%}", f"{depth:.0f}")
    return table


def digits(repeated: int = 10) -> Table:
    """Return the share of digits that both detectors hear."""
    keys = {
        "40 ms": Key(40, 40),
        "30 ms": Key(30, 40),
        "23 ms": Key(23, 60),
        "-25 dBm0": Key(40, 40, -25, -25),
        "-40 dBm0": Key(40, 40, -40, -40),
        "high tone +4 dB": Key(50, 50, -14, -10),
        "low tone +8 dB": Key(50, 50, -10, -18),
        "frequencies +1.5 %": Key(50, 50, off=0.015),
        "frequencies -1.5 %": Key(50, 50, off=-0.015),
        "frequencies +3.5 %": Key(100, 60, off=0.035),
        "noise 15 dB below": Key(50, 50, snr=15),
        "noise 10 dB below": Key(50, 50, snr=10),
    }
    table = Table("DTMF, digits heard", "ours", "spandsp")
    for name, key in keys.items():
        signals = [pressed(digit * repeated, key, seed) for seed, digit in enumerate(DIGITS)]
        ours = sum(len(told) for told in heard(signals))
        theirs = sum(len(spandsp_hears(signal)) for signal in signals)
        most = repeated * len(DIGITS)
        table.add_row(name, f"{ours / most:.1%}", f"{theirs / most:.1%}")
    return table


def mistaken(minutes: int) -> Table:
    """Return how often talk and music are taken for digits."""
    table = Table(
        "mistaken for digits", "ours", "spandsp", title=f"{minutes} minutes each; made, not recorded"
    )
    makers: dict[str, Callable[[int], Pcm]] = {
        "like speech": lambda seed: speech(8000 * 60, level_dbm0=-14, seed=seed),
        "like music": lambda seed: music(8000 * 60, seed),
    }
    for name, make in makers.items():
        signals = [make(seed) for seed in range(minutes)]
        ours = sum(map(len, heard(signals)))
        table.add_row(name, str(ours), str(sum(len(spandsp_hears(signal)) for signal in signals)))
    return table


def main(arguments: list[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench media_rtp")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--minutes", type=int, default=30)
    options = parser.parse_args(arguments)
    console = Console(width=120)
    console.print(speed(options.rounds))
    for table in (network(), digits(), mistaken(options.minutes)):
        console.print(table)
