"""A busy engine: it is in time, loses nothing, and answers at once. The load has a process of its own."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
import pytest

from bench.media_engine import Load, Ours, measure
from bench.media_load import Outcome
from sip.media import protocol as say
from tests.support.media import PCMA, PCMU, Asker, engine
from tests.support.promises import Report
from tests.support.scale import full_scale, scale

pytestmark = pytest.mark.soak

FIRST = scale(40, 300)
"""Streams whose load tells how many are wanted."""
MOST = 3000
WANTED = 0.8
"""Share of its time that it works; above 0.85 it takes no more legs."""
PAUSE = 0.02
"""Seconds between two commands."""


@dataclass
class Watch:
    """Asks an engine while it works, and measures how long the answers take."""

    asker: Asker
    answers_ms: list[float] = field(default_factory=list)
    loads: list[say.Load] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask for this and that until it is told to end."""
        turn = 0
        leg = say.Media(formats=(PCMU,))
        every = (say.AskLoad(), say.OpenRtp("w", leg), say.Quality("a0"), say.Survey("z"), say.CloseLeg("w"))
        while not self.done.wait(PAUSE):
            began = monotonic()
            reply = self.asker.ask(every[turn % len(every)])
            self.answers_ms.append((monotonic() - began) * 1000)
            turn += 1
            if isinstance(reply, say.Load):
                self.loads.append(reply)

    @property
    def busy(self) -> float:
        """Return the share of its time that it usually worked."""
        return float(np.median([load.busy for load in self.loads if load.received]))


@pytest.fixture
def load() -> Iterator[Load]:
    one = Load(2 * scale(FIRST, MOST))
    yield one
    one.close()


def carry(load: Load, streams: int, seconds: float) -> tuple[Outcome, Watch]:
    """Let streams run through an engine of their own, and watch it."""
    ports = scale(None, "30000-39999")  # small runs may overlap
    with engine("--io", "sockets", "--max-legs", "6000", ports=ports) as running:
        asker, watch = running.asker("load"), Watch(running.asker("load"))
        target = Ours(asker, running.pid, (PCMU, PCMA), shared=False)
        thread = threading.Thread(target=watch.run, daemon=True)
        thread.start()
        try:
            outcome, _, _ = measure(target, load, streams, seconds, both=False, shared=False, wide=False)
            watch.loads.append(asker.load())
        finally:
            watch.done.set()
            thread.join()
            asker.close()
            watch.asker.close()
    return outcome, watch


@pytest.mark.promise("Media load")
def test_a_busy_engine_is_in_time_loses_nothing_and_answers_at_once(load: Load, promise: Report) -> None:
    outcome, watch = carry(load, FIRST, scale(1.5, 5.0))
    streams = FIRST
    if full_scale():
        streams = min(MOST, round(FIRST * WANTED / watch.busy))
        outcome, watch = carry(load, streams, 600.0)
    slowest, usual = max(watch.answers_ms), float(np.percentile(watch.answers_ms, 99))
    late = watch.loads[-1].late_ticks
    promise(
        streams=streams,
        seconds=scale(1.5, 600.0),
        busy=watch.busy,
        late_ticks=late,
        answers=len(watch.answers_ms),
        answer_p99_ms=usual,
        slowest_answer_ms=slowest,
        delay_p99_ms=outcome.p99_ms,
        sent=outcome.sent,
        lost=outcome.lost,
        wrong=outcome.wrong,
        bursts_the_load_sent_late=outcome.late_sends,
    )
    assert outcome.wrong == 0
    assert outcome.lost <= watch.loads[-1].shed, "what is lost is what was too old, and is counted"
    assert np.median(watch.answers_ms) < 10.0
    if full_scale():  # beside a hundred other tests a machine may be busy with them
        assert (late, outcome.lost) == (0, 0)
        assert usual < 10.0
        assert outcome.p99_ms < 25.0
