"""One measurement: a load through a gateway until every message is over, and what each process paid."""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench import load
from bench.processes import apart, cpu_seconds
from bench.sink import Sink

PATIENCE_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 0.02
WARM_REQUESTS: Final = 320


@dataclass(frozen=True, slots=True)
class Under:
    """The gateway under load, and who works beside it."""

    port: int
    pids: Sequence[int]
    """Its processes: all that a message costs it."""
    carrier_pid: int
    counts: Callable[[], dict[str, int]]
    """What the simulated carrier counted."""
    sink: Sink | None
    """Where one callback a message goes; None: none is wanted."""
    certificates: str | None = None
    lags: Callable[[], Mapping[float, float]] | None = None
    """How often the event loop was late by at most so many seconds, since the start; of Tandem's alone."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out."""

    messages: int
    accepted: float
    """Seconds until the last request was answered."""
    over: float
    """Seconds until the last receipt was answered, and the last callback had come."""
    cpu: float
    """Seconds of the gateway's processes."""
    carrier: float
    generator: float
    sink: float
    lag: float | None = None
    """Seconds by which the event loop was late at most, in 99 of 100 samples: the upper end of a bucket."""

    @property
    def accepted_rate(self) -> float:
        """Messages a second."""
        return self.messages / self.accepted

    @property
    def over_rate(self) -> float:
        """Messages a second, to the callback."""
        return self.messages / self.over

    def micro(self, seconds: float) -> float:
        """Return microseconds a message."""
        return seconds / self.messages * 1e6


def measure(under: Under, requests: load.Fixed | load.Signed, messages: int, recipients: int = 1) -> Figures:
    """Send `messages`, so many recipients a request, and wait for the last callback."""
    warm_up(under, requests, recipients)
    before, answered = (under.sink.calls.value if under.sink else 0), under.counts()["answered"]
    cpu, carrier = cpu_seconds(under.pids), cpu_seconds([under.carrier_pid])
    sink_cpu = cpu_seconds([under.sink.pid]) if under.sink else 0.0
    lags = under.lags() if under.lags else {}
    accepted, generator, began = _send(under, requests, messages // recipients)
    _wait(under, before + messages, answered + messages)
    over = time.monotonic() - began
    return Figures(
        messages,
        accepted,
        over,
        cpu_seconds(under.pids) - cpu,
        cpu_seconds([under.carrier_pid]) - carrier,
        generator,
        cpu_seconds([under.sink.pid]) - sink_cpu if under.sink else 0.0,
        _p99(lags, under.lags()) if under.lags else None,
    )


def _p99(before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """Return the bucket's end under which 99 of 100 samples between two readings lie."""
    counts = {end: count - before.get(end, 0.0) for end, count in after.items()}
    return min(end for end, count in counts.items() if count >= 0.99 * max(counts.values()))


def warm_up(under: Under, requests: load.Fixed | load.Signed, recipients: int) -> None:
    """Let caches fill and connections be made."""
    messages = WARM_REQUESTS * recipients
    before, answered = (under.sink.calls.value if under.sink else 0), under.counts()["answered"]
    _send(under, requests, WARM_REQUESTS)
    _wait(under, before + messages, answered + messages)


def _wait(under: Under, calls: int, answered: int) -> None:
    """Wait until so many callbacks have come and so many receipts are answered."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        called = under.sink.calls.value if under.sink is not None else calls
        if called >= calls and under.counts()["answered"] >= answered:
            return
        assert time.monotonic() < until, (called, calls, under.counts(), answered)
        time.sleep(LOOK_SECONDS)


def _send(under: Under, requests: load.Fixed | load.Signed, count: int) -> tuple[float, float, float]:
    """Return the seconds that `count` requests took, the generator's CPU, and when the first was sent."""
    context = multiprocessing.get_context("spawn")
    told = context.Array("d", 3, lock=False)
    process = apart(load.run, requests, under.port, count, told, under.certificates)
    process.join()
    assert process.exitcode == 0, "the load generator failed"
    began, ended, cpu = told
    return ended - began, cpu, began
