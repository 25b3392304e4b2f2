"""Play-out: every 20 ms a frame from each leg, mixed by bridge, to each leg; a quarter of them each 5 ms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.bridges import Bridge
from sip.media.engine.codecs import EVENT, NOISE
from sip.media.engine.digits import Digits
from sip.media.engine.ears import Ears
from sip.media.engine.intake import HEADER, Taken
from sip.media.engine.legs import Leg, Legs, Way
from sip.media.engine.listening import Listening
from sip.media.engine.mouths import Mouths
from sip.media.engine.packets import Inbox
from sip.media.engine.plays import Playing
from sip.media.engine.sender import Sender
from sip.media.engine.taps import Tapping
from sip.media.kernels.levels import linear
from sip.media.kernels.mix import Conferences, mix_minus
from sip.media.kernels.types import Pcm, Rows
from sip.media.protocol import Event, PlayFinished, TapLost

PHASES: Final = 4
WIDE: Final = 16000
NARROW: Final = 8000


@dataclass(eq=False)
class Group:
    """Legs that are played out together: of one phase and one rate."""

    rate: int
    legs: list[Leg] = field(default_factory=list)
    bridges: list[Bridge] = field(default_factory=list)
    """Those with something to play or a tap: each has a row of its own behind the legs."""
    numbers: list[int] = field(default_factory=list)
    slots: Rows = field(default_factory=lambda: np.zeros(0, np.intp))
    rtp: Rows = field(default_factory=lambda: np.zeros(0, np.intp))
    """Places of the legs of RTP."""
    conferences: Conferences | None = None
    talks: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    deaf: Rows = field(default_factory=lambda: np.zeros(0, np.intp))
    gains: NDArray[np.float32] | None = None
    pcm: list[int] = field(default_factory=list)
    playing: list[int] = field(default_factory=list)
    tapped: list[int] = field(default_factory=list)

    def seal(self) -> None:
        """Make the arrays."""
        legs, extra = self.legs, len(self.bridges)
        self.slots = np.array([leg.slot for leg in legs], np.intp)
        self.rtp = np.array([place for place, leg in enumerate(legs) if leg.media is not None], np.intp)
        self.conferences = Conferences(
            np.array(self.numbers + [one.number for one in self.bridges], np.int64)
        )
        self.talks = np.array([leg.talks for leg in legs] + [True] * extra, np.bool_)
        self.deaf = np.array([place for place, leg in enumerate(legs) if not leg.listens], np.intp)
        gains = np.array([leg.gain for leg in legs] + [0.0] * extra, np.float32)
        self.gains = np.asarray(linear(gains), np.float32) if gains.any() else None
        self.pcm = [place for place, leg in enumerate(legs) if leg.media is None]
        self.playing = [place for place, leg in enumerate(legs) if leg.plays]
        self.tapped = [place for place, leg in enumerate(legs) if leg.taps]


class Playout:
    """Plays out all legs that are not relayed."""

    def __init__(
        self,
        legs: Legs,
        sender: Sender,
        tell: Callable[[str, Event], None],
        touched: Callable[[Leg | Bridge | None], None],
    ) -> None:
        self._legs = legs
        self._tell = tell
        self._touched = touched
        self.ears = Ears(legs)
        self.mouths = Mouths(legs, sender)
        self.digits = Digits(legs, sender, self.mouths, tell, touched)
        self.listening = Listening(legs, tell)
        self._groups: list[list[Group]] = [[] for _ in range(PHASES)]
        self._turn = 0  # frames of 20 ms since the start: what taps count by
        self._stale = [True] * PHASES
        self.finished: Callable[[Playing], None] = lambda _: None
        """Told of each that ended by itself."""

    def changed(self) -> None:
        """Who is played out, or how, is to be looked up again."""
        self._stale = [True] * PHASES

    def special(self, taken: Taken, inbox: Inbox) -> None:
        """Take what is no audio: events and comfort noise, of relayed legs too."""
        odd = taken.kinds >= EVENT
        if not odd.any():
            return
        events = taken.kinds == EVENT
        if events.any():
            self.digits.take(taken.where(events), inbox)
        for index in np.flatnonzero(odd).tolist():
            slot, row = int(taken.slots[index]), int(taken.rows[index])
            if taken.kinds[index] == NOISE:
                payload = inbox.data[row, HEADER : HEADER + int(taken.octets[index])]
                self.ears.noise(slot, int(taken.sequences[index]), payload)
            else:
                self.ears.passed(slot, int(taken.sequences[index]))

    def take(self, taken: Taken, inbox: Inbox) -> None:
        """Take audio."""
        self.ears.take(taken, inbox)

    def tick(self, phase: int, now_us: int) -> None:
        """Play out a quarter of all."""
        self._turn += phase == 0
        if self._stale[phase]:
            self._groups[phase] = self._plan(phase)
            self._stale[phase] = False
        self.digits.tick(phase, now_us)
        for group in self._groups[phase]:
            self._play(group, now_us)

    def forget(self, leg: Leg, reason: str) -> None:
        """Drop a leg."""
        self.digits.forget(leg, reason)
        self.ears.forget(leg.slot)
        self.mouths.forget(leg.slot)
        self.listening.forget(leg.slot)

    def _plan(self, phase: int) -> list[Group]:
        """Find who is played out in a phase, by rate."""
        legs = self._legs
        relayed = np.flatnonzero(legs.way == Way.RELAY)
        if len(relayed):
            self.mouths.stop(relayed)
        groups: dict[int, Group] = {}
        bridges: set[Bridge] = set()
        for slot in np.flatnonzero(legs.way == Way.PLAYOUT).tolist():
            leg = legs.records[slot]
            if leg is None:
                continue
            bridge = leg.bridge
            if bridge is None:
                if slot % PHASES == phase:
                    rate = self._rate(leg)
                    self._join(groups, rate, leg, -1 - slot)
            elif bridge.number % PHASES == phase:
                bridges.add(bridge)
        for bridge in sorted(bridges, key=lambda one: one.number):
            rate = self._rate_of(bridge)
            for leg in bridge.legs:
                self._join(groups, rate, leg, bridge.number)
            if bridge.plays or bridge.taps:
                groups[rate].bridges.append(bridge)
        for group in groups.values():
            group.seal()
        return list(groups.values())

    @staticmethod
    def _join(groups: dict[int, Group], rate: int, leg: Leg, number: int) -> None:
        group = groups.setdefault(rate, Group(rate))
        group.legs.append(leg)
        group.numbers.append(number)

    def _rate(self, leg: Leg) -> int:
        """Return the rate of a leg's audio."""
        return int(leg.pcm.rate) if leg.media is None else self._legs.coding(leg.slot).rate

    def _rate_of(self, bridge: Bridge) -> int:
        """Return the rate that a bridge is mixed at."""
        rates = {self._rate(leg) for leg in bridge.legs}
        if rates == {NARROW}:
            return NARROW
        if len(rates) == 1:
            return rates.pop()
        return WIDE

    def _play(self, group: Group, now_us: int) -> None:
        legs, rate, slots = group.legs, group.rate, group.slots
        count = len(legs)
        frames = np.zeros((count + len(group.bridges), rate // 50), np.int16)
        rtp = slots[group.rtp]
        self._listen(group, rtp, frames, now_us)
        for index, bridge in enumerate(group.bridges):
            self._mix_plays(bridge.plays, frames[count + index], rate)
        assert group.conferences is not None
        out = mix_minus(frames, group.conferences, group.talks, group.gains, np.empty_like(frames))
        if len(group.deaf):
            out[group.deaf] = 0
        for place in group.playing:
            self._play_to(legs[place], out[place], rate)
        for place in group.tapped:
            self._tap(legs[place].taps, out[place], rate, heard=True)
        for index, bridge in enumerate(group.bridges):
            if bridge.taps:
                everything = out[count + index].astype(np.int32) + frames[count + index]
                self._tap(bridge.taps, np.clip(everything, -32768, 32767).astype(np.int16), rate, heard=False)
        if len(rtp):
            self.mouths.speak(rtp, out[group.rtp], rate, now_us, self.digits.holds[rtp])
        for place in group.pcm:
            legs[place].pcm.hear(out[place], rate)

    def _listen(self, group: Group, rtp: Rows, frames: Pcm, now_us: int) -> None:
        """Fill in what each leg says, and let detectors and taps hear it."""
        legs, rate = group.legs, group.rate
        if len(rtp):
            heard, levels = self.ears.hear(rtp, rate, now_us)
            frames[group.rtp] = heard
            self.listening.listen(rtp, heard, levels, rate, now_us)
        if group.pcm:
            for place in group.pcm:
                frames[place] = legs[place].pcm.said(rate)
            self.listening.listen(group.slots[group.pcm], frames[group.pcm], None, rate, now_us)
        for place in group.tapped:
            self._tap(legs[place].taps, frames[place], rate, heard=False)

    def _mix_plays(self, plays: list[Playing], into: Pcm, rate: int) -> None:
        """Add what plays to a frame."""
        total = into.astype(np.int32)
        for playing in list(plays):
            frame = playing.next(rate)
            if frame is None:
                self._ended(playing)
            else:
                total += frame
        into[:] = np.clip(total, -32768, 32767)

    def _play_to(self, leg: Leg, out: Pcm, rate: int) -> None:
        """Let a leg hear what plays to it: the newest alone, or all beside its bridge."""
        alone = [playing for playing in leg.plays if playing.alone]
        if alone:
            out[:] = 0
        for old in alone[:-1]:
            if old.next(rate) is None:  # it goes on unheard, so that it ends in its time
                self._ended(old)
        beside = [playing for playing in leg.plays if not playing.alone]
        self._mix_plays([*beside, *alone[-1:]], out, rate)

    def _ended(self, playing: Playing) -> None:
        for place in (playing.leg, playing.bridge):
            if place is not None and playing in place.plays:
                place.plays.remove(playing)
        self.finished(playing)
        self._touched(playing.leg or playing.bridge)

    def _tap(self, taps: list[Tapping], frame: Pcm, rate: int, *, heard: bool) -> None:
        for tap in taps:
            if tap.heard == heard:
                tap.write(frame, rate, self._turn)
                dropped = tap.news()
                if dropped:
                    self._tell(tap.owner, TapLost(tap.name, dropped))


def finished_event(playing: Playing) -> PlayFinished:
    """Return what is told of something that ended."""
    return PlayFinished(playing.name, playing.done, playing.played_ms)
