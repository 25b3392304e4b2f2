"""What is played to legs: tones, hold music, prompts."""

import math
from array import array
from typing import Final

import structlog

from sip.legs.board import Board
from sip.legs.leg import Leg
from sip.legs.line import TROUBLES
from sip.media.client.control import MediaAway
from sip.media.client.media_io import MediaIo
from sip.media.clips import Memory, make_clip
from sip.media.io.transcoders import PromptUnusable
from sip.media.protocol import Clip, Play, PlayFinished, Source, Stop, Tone
from telephony.calling.ports import Played, Sound

log = structlog.get_logger(__name__)

TONES: Final = {
    Sound.RINGBACK: Tone((425.0,), cadence=(1000, 4000)),
    Sound.BUSY: Tone((425.0,), cadence=(500, 500)),
}
"""ITU-T E.180 §5 and §6: what most of the world hears."""

RATE: Final = 16_000
"""Samples a second of prompts and music: as wide as any leg."""

MUSIC: Final = "tandem-hold-music"
_NOTES: Final = (261.6, 329.6, 392.0, 523.3, 392.0, 329.6, 220.0, 261.6, 329.6, 440.0, 329.6, 261.6)
"""Broken chords of C major and A minor, in hertz: quiet, plain, and nobody's work."""
_NOTE_SECONDS: Final = 0.5
_LOUDNESS: Final = 0.12


class Sounds:
    """Plays, by their name in an engine."""

    def __init__(self, board: Board, io: MediaIo | None, start: str) -> None:
        """`start` tells this process from those before: their plays may still run."""
        self._board, self._io, self._start = board, io, start
        self._count = 0
        self._plays: dict[str, tuple[str, str]] = {}
        """Leg and the plane's name, by ours."""
        self._names: dict[tuple[str, str], str] = {}
        self._begun: set[str] = set()
        """Those that an engine knows of."""
        self._music: Memory | None = None

    def play(self, leg: Leg, play: str, what: Sound | str, repeat: int) -> None:
        """Begin to play something, instead of what has that name; `Played` tells its end."""
        self.stop(leg, play)
        name = self._name()
        self._plays[name] = (leg.name, play)
        self._names[leg.name, play] = name
        self._board.later(self._begin(leg, name, what, repeat), "play")

    def digits(self) -> str:
        """Return a name for digits, whose end nobody is told."""
        return self._name()

    def stop(self, leg: Leg, play: str) -> None:
        """Stop something that plays."""
        name = self._names.get((leg.name, play))
        if name is None:
            return
        if name in self._begun:
            leg.line.order(Stop(name))
        else:  # its sound is still being fetched
            self._end(name, "stopped")

    def finished(self, event: PlayFinished) -> None:
        """Something ended."""
        self._end(event.play, event.reason)

    def over(self, leg: Leg) -> None:
        """A leg is over: what played to it is told, before its end is."""
        for name in [name for name, (of, _) in self._plays.items() if of == leg.name]:
            self._end(name, "leg-gone")

    async def _begin(self, leg: Leg, name: str, what: Sound | str, repeat: int) -> None:
        try:
            source = await self._source(leg, what)
            if name in self._plays:
                self._begun.add(name)
                await leg.line.order(Play(name, source, leg.name, repeat=repeat))
        except (*TROUBLES, PromptUnusable) as error:
            log.warning("sip.cannot_play", leg=leg.name, reason=str(error))
            self._end(name, f"failed: {error}")

    async def _source(self, leg: Leg, what: Sound | str) -> Source:
        engines, engine = self._board.engines, leg.line.engine
        if isinstance(what, Sound):
            if what in TONES:
                return TONES[what]
            memory = self._music or Memory(make_clip(MUSIC, music()))
            self._music = memory
            octets = len(_NOTES) * int(RATE * _NOTE_SECONDS)
            await engines.give_clip(engine, MUSIC, memory.descriptor, rate=RATE, samples=octets)
            return Clip(MUSIC)
        if self._io is None:
            raise MediaAway("There is no media I/O to fetch it.")
        prompt = await self._io.prompt(what if ":" in what else f"store:{what}", RATE)
        await engines.give_clip(
            engine, prompt.clip, prompt.memory.descriptor, rate=prompt.rate, samples=prompt.samples
        )
        return Clip(prompt.clip)

    def _name(self) -> str:
        self._count += 1
        return f"{self._start}-{self._count}"

    def _end(self, name: str, reason: str) -> None:
        self._begun.discard(name)
        found = self._plays.pop(name, None)
        if found is not None:
            if self._names.get(found) == name:
                del self._names[found]
            self._board.tell(Played(found[0], found[1], reason))


def music() -> bytes:
    """Return hold music at RATE, int16: a few soft notes, over and over."""
    samples = array("h")
    length = int(RATE * _NOTE_SECONDS)
    for hertz in _NOTES:
        turn = 2 * math.pi * hertz / RATE
        for number in range(length):
            rise = min(1.0, number / (RATE * 0.02)) * (1 - number / length)
            samples.append(int(32_767 * _LOUDNESS * rise * math.sin(turn * number)))
    return samples.tobytes()
