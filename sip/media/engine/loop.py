"""The loop: wakes each 5 ms, serves control at once, and measures how late it is."""

import time
from typing import Final

from sip.media.engine.commands import Commands
from sip.media.engine.control import Control
from sip.media.engine.engine import TICK_US, Engine
from sip.media.engine.pcmsocket import PcmSocket

TICK: Final = TICK_US / 1e6
SKIP: Final = 0.1
"""Seconds behind which the lost ticks are given up: what they would have played is past."""


class Loop:
    """Runs an engine until it is told to stop."""

    def __init__(self, engine: Engine, control: Control, commands: Commands, pcm: PcmSocket) -> None:
        self._engine = engine
        self._control = control
        self._commands = commands
        self._pcm = pcm
        self._stopping = False
        control.watch(pcm.fileno())

    def stop(self) -> None:
        """End after this tick; may be called by a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Tick until `stop`."""
        clock = time.monotonic
        due = clock()
        engine, meter, plays = self._engine, self._engine.meter, self._commands.plays
        served = 0.0
        while not self._stopping:
            left = due - clock()
            if left > 0:
                others = self._control.wait(left)
                began = clock()
                if others:
                    plays.take(self._pcm.receive())
                if clock() < due:
                    served += clock() - began
                    continue
            now = clock()
            late = now - due
            if late > SKIP:
                due = now
            engine.tick()
            if self._pcm.stalled:
                self._pcm.flush()
            if engine.ticks % 200 == 0:
                plays.second()
            self._control.wait(0.0)
            if engine.ticks % 2 == 0:
                plays.take(self._pcm.receive())
            meter.tick(late, clock() - now + served)
            served = 0.0
            due += TICK
