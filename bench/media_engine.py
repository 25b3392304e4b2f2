"""`python -m bench media [--seconds N] [--streams A,B] [--what NAMES]`: the media engine beside rtpengine.

A *stream* is one direction with 50 packets a second. For each number of streams the load runs against each
in turn, in one go: added delay (median, p99), loss, wrong packets, CPU a packet (in and out are one).
"""

import argparse
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Protocol

from bench.media_load import Outcome, Plan, Way, run
from bench.processes import cpu_seconds, resident_bytes
from sip.media import protocol as say
from sip.media.kernels import g711
from tests.support.media import Asker, engine

SETTLE = 0.3
PCMU = say.Format(say.Codec.PCMU, 0)
PCMA = say.Format(say.Codec.PCMA, 8)
WIDE = say.Format(say.Codec.L16, 96, rate=16000)


class Target(Protocol):
    """What is measured: calls are opened, then streams run through it."""

    pid: int

    def call(self, number: int, one: int, other: int) -> tuple[int, int]:
        """Open a call between two of the load's ports; return the ports that each sends to."""

    def facts(self) -> str:
        """Return what it says of itself afterwards."""


class Ours:
    """The engine."""

    def __init__(self, asker: Asker, pid: int, formats: tuple[say.Format, say.Format], shared: bool) -> None:
        self._asker = asker
        self.pid = pid
        self._formats = formats
        self._shared = shared

    def call(self, number: int, one: int, other: int) -> tuple[int, int]:
        self._asker.do(say.OpenBridge(f"b{number}"))
        ports = []
        for leg, port, format_ in zip("ab", (one, other), self._formats, strict=True):
            media = say.Media(
                remote=say.Address("127.0.0.1", port),
                formats=(format_,),
                timeout=0,
                ssrc=self._ssrc(number, leg),
            )
            local = self._asker.opened(say.OpenRtp(f"{leg}{number}", media, self._shared)).local
            assert local is not None
            ports.append(local.port)
            self._asker.do(say.Join(f"{leg}{number}", f"b{number}"))
        return ports[0], ports[1]

    def _ssrc(self, number: int, leg: str) -> int | None:
        return (number << 1 | (leg == "b")) + 1 if self._shared else None

    def facts(self) -> str:
        load = self._asker.load()
        return f"{load.io}, busy {load.busy:.0%}, worst tick {load.worst_tick_ms:.1f} ms, shed {load.shed}"


@contextmanager
def ours(
    io: str = "sockets", formats: tuple[say.Format, say.Format] = (PCMU, PCMA), shared: bool = False
) -> Iterator[Target]:
    """Run our engine."""
    with engine("--io", io, "--max-legs", "6000", ports="10000-29999") as running:
        asker = running.asker("bench")
        yield Ours(asker, running.pid, formats, shared)
        asker.close()


class Load:
    """The load's process."""

    def __init__(self, sockets: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe: Connection
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, sockets), daemon=True)
        self._process.start()
        self.ports: list[int] = self._pipe.recv()

    def go(self, plan: Plan) -> Outcome:
        """Carry out a plan."""
        self._pipe.send(plan)
        outcome: Outcome = self._pipe.recv()
        return outcome

    def close(self) -> None:
        """End it."""
        self._pipe.send(None)
        self._process.join()


def measure(
    target: Target, load: Load, streams: int, seconds: float, *, both: bool, shared: bool, wide: bool
) -> tuple[Outcome, float, float]:
    """Run streams through a target; return what came, CPU µs a packet, and octets a stream.

    `both`: each call has a stream each way, as a conversation has; else one way only.
    """
    before = resident_bytes([target.pid])
    paths = []
    calls = streams // 2 if both else streams
    for number in range(calls):
        one, other = (
            (load.ports[0], load.ports[1]) if shared else (load.ports[2 * number], load.ports[2 * number + 1])
        )
        to_one, to_other = target.call(number, one, other)
        paths.append(Way(one, to_one, other, (number << 1) + 1 if shared else 0))
        if both:
            paths.append(Way(other, to_other, one, (number << 1) + 2 if shared else 0))
    time.sleep(SETTLE)
    # codes of PCMU are looked for as PCMA's in the one direction, the other way round in the other
    tables = b"" if wide else g711.ulaw_to_alaw_bytes(bytes(range(256)))
    plan = Plan(paths, seconds, 0, 96 if wide else 8, 640 if wide else 160, tables)
    used = cpu_seconds([target.pid])
    outcome = load.go(plan)
    used = cpu_seconds([target.pid]) - used
    memory = (resident_bytes([target.pid]) - before) / max(1, len(paths))
    return outcome, used / max(1, outcome.received) * 1e6, memory


def row(name: str, streams: int, outcome: Outcome, cpu: float, memory: float, facts: str) -> str:
    """Return a line of the table; a dash where the delay was not measured."""
    delays = f"{outcome.p50_ms:.1f} | {outcome.p99_ms:.1f} | {outcome.worst_ms:.0f}"
    if not outcome.worst_ms:
        delays = "– | – | –"
    return (
        f"| {name} | {streams} | {delays} |"
        f" {outcome.lost} | {outcome.wrong} | {cpu:.1f} | {memory / 1000:.1f} | {facts} |"
    )


HEAD = """| what | streams | delay p50, ms | p99 | worst | lost | wrong | CPU, µs a packet | kB a stream | |
|---|---|---|---|---|---|---|---|---|---|"""


def main(arguments: list[str]) -> None:
    """Measure and print."""
    from bench.rtpengine import rtpengine

    parser = argparse.ArgumentParser(prog="bench media")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--streams", default="100,500,900")
    parser.add_argument("--shared-streams", default="1000,2500")
    parser.add_argument("--what", default="sockets,io_uring,rtpengine,shared,wide")
    given = parser.parse_args(arguments)
    wanted = given.what.split(",")
    ports = [int(one) for one in given.streams.split(",")]
    shared = [int(one) for one in given.shared_streams.split(",")]
    load = Load(2 * max([*ports, 2]))
    kinds = []
    for streams in ports:
        kinds += [
            (f"Tandem, {io}, a port a leg", streams, ours(io))
            for io in ("sockets", "io_uring")
            if io in wanted
        ]
        if "rtpengine" in wanted:
            kinds.append(("rtpengine, userspace, a port a leg", streams, rtpengine()))
    for streams in shared:
        if "shared" in wanted:
            kinds.append(("Tandem, shared port", streams, ours(shared=True)))
    for streams in shared:
        if "wide" in wanted:
            kinds.append(
                (
                    "Tandem, PCMU to L16 at 16 kHz, shared port",
                    streams,
                    ours(formats=(PCMU, WIDE), shared=True),
                )
            )
    print(HEAD, flush=True)
    try:
        for name, streams, made in kinds:
            with made as target:
                alike = "shared" in name
                outcome, cpu, memory = measure(
                    target, load, streams, given.seconds, both=False, shared=alike, wide="L16" in name
                )
                print(row(name, streams, outcome, cpu, memory, target.facts()), flush=True)
    finally:
        load.close()
    print()
