"""Commands of what is played and tapped: clips, plays, streams, taps, digits."""

import mmap
from typing import TYPE_CHECKING, Final

import numpy as np

from sip.media import clips
from sip.media import protocol as say
from sip.media.engine.bridges import Bridge
from sip.media.engine.digits import DigitsSound
from sip.media.engine.legs import Leg
from sip.media.engine.pcmsocket import Outlet, PcmSocket
from sip.media.engine.playout import finished_event
from sip.media.engine.plays import ClipSound, Playing, StreamSound, ToneSound
from sip.media.engine.taps import Tapping
from sip.media.kernels.tones import TONES
from sip.media.kernels.types import Pcm
from sip.media.pcm import FLUSH, LAST, RATES, Frame
from sip.media.protocol import Refusal, Refused, Reply

if TYPE_CHECKING:
    from sip.media.engine.engine import Engine

MAX_CLIPS: Final = 4096
MAX_CLIP_SAMPLES: Final = 30 * 60 * 48_000
"""Half an hour at 48 kHz, 173 MB of shared memory."""
MAX_PLAYS: Final = 60_000
MAX_PLAYS_A_PLACE: Final = 8
"""Sounds at one leg or bridge at a time."""
MAX_TAPS: Final = 8
"""Taps of one leg or bridge."""
MAX_CADENCE: Final = 16
DONE: Final = say.Done()

Descriptors = tuple[int, ...]


class Plays:
    """What plays and what is tapped."""

    def __init__(self, engine: "Engine", pcm: PcmSocket) -> None:
        self._engine = engine
        self._pcm = pcm
        self.streams: dict[int, StreamSound] = {}
        """By the number that datagrams bear."""
        self._clips: dict[tuple[str, str], tuple[Pcm, int]] = {}
        self._plays: dict[tuple[str, str], Playing] = {}
        self._taps: dict[tuple[str, str], Tapping] = {}
        self._streams = 0
        engine.playout.finished = self._finished

    def next_stream(self) -> int:
        """Return a number that no stream had."""
        self._streams += 1
        return self._streams

    def clips_of(self, owner: str) -> int:
        """Return how many clips an owner has."""
        return sum(one == owner for one, _ in self._clips)

    def take(self, frames: list[Frame]) -> None:
        """Take frames that came for streams and legs of PCM; nobody's are dropped."""
        for frame in frames:
            sound = self.streams.get(frame.stream)
            if sound is not None and sound.rate == frame.rate:
                samples = np.frombuffer(frame.samples, np.int16)
                sound.put(samples, last=bool(frame.flags & LAST), flush=bool(frame.flags & FLUSH))

    # --- clips ----------------------------------------------------------------------------------------------

    def put_clip(self, owner: str, command: say.PutClip, descriptors: Descriptors) -> Reply:
        """Map a clip."""
        if len(descriptors) != 1:
            return Refused(Refusal.MALFORMED, f"{len(descriptors)} descriptors: expected the clip's")
        if command.rate not in RATES or not 0 < command.samples <= MAX_CLIP_SAMPLES:
            return Refused(
                Refusal.UNSUPPORTED,
                f"{command.samples} samples at {command.rate}: at most {MAX_CLIP_SAMPLES} at {RATES}",
            )
        if (owner, command.clip) not in self._clips and len(self._clips) >= MAX_CLIPS:
            return Refused(Refusal.FULL, f"all {MAX_CLIPS} clips are in use")
        if not clips.is_sealed(descriptors[0]):
            return Refused(Refusal.UNSUPPORTED, "the clip's memory is not sealed: it could change meanwhile")
        try:
            mapped = mmap.mmap(descriptors[0], 2 * command.samples, prot=mmap.PROT_READ)
        except (OSError, ValueError):
            return Refused(Refusal.MALFORMED, f"the clip's memory holds less than {command.samples} samples")
        self._clips[owner, command.clip] = np.frombuffer(mapped, np.int16), command.rate
        return DONE

    def drop_clip(self, owner: str, command: say.DropClip, _: Descriptors) -> Reply:
        """Forget a clip; its memory goes with the last who plays it."""
        if self._clips.pop((owner, command.clip), None) is None:
            return Refused(Refusal.UNKNOWN_CLIP, f"no clip is named {command.clip}")
        return DONE

    # --- plays ----------------------------------------------------------------------------------------------

    def play(self, owner: str, command: say.Play, _: Descriptors) -> Reply:
        """Begin to play."""
        known = self._plays.get((owner, command.play))
        if known is not None:
            number = known.sound.number if isinstance(known.sound, StreamSound) else 0
            return say.Started(number)
        place = self._place(owner, command.leg, command.bridge)
        if isinstance(place, Refused):
            return place
        if len(place.plays) >= MAX_PLAYS_A_PLACE or len(self._plays) >= MAX_PLAYS:
            return Refused(Refusal.FULL, f"{len(place.plays)} sounds are being played there already")
        sound: ToneSound | ClipSound | StreamSound
        number = 0
        match command.source:
            case say.Tone() as tone:
                if not 0 < len(tone.hertz) <= TONES or not all(0 < one < 4000 for one in tone.hertz):
                    return Refused(Refusal.UNSUPPORTED, f"expected 1 to {TONES} tones below 4000 Hz")
                if len(tone.cadence) > MAX_CADENCE or not all(0 < one <= 60_000 for one in tone.cadence):
                    return Refused(
                        Refusal.UNSUPPORTED, f"expected at most {MAX_CADENCE} times of 1 to 60000 ms"
                    )
                sound = ToneSound(tone)
            case say.Clip() as clip:
                found = self._clips.get((owner, clip.clip))
                if found is None:
                    return Refused(Refusal.UNKNOWN_CLIP, f"no clip is named {clip.clip}")
                sound = ClipSound(found[0], found[1], clip.gain)
            case say.Stream(rate=rate):
                if rate not in RATES:
                    return Refused(Refusal.UNSUPPORTED, f"{rate}: expected one of {RATES}")
                number = self.next_stream()
                sound = self.streams[number] = StreamSound(number, rate)
        playing = Playing(owner, command.play, sound, command.repeat, command.alone)
        playing.leg, playing.bridge = (place, None) if isinstance(place, Leg) else (None, place)
        place.plays.append(playing)
        self._plays[owner, command.play] = playing
        self._engine.touched(place)
        return say.Started(number)

    def stop(self, owner: str, command: say.Stop, _: Descriptors) -> Reply:
        """Stop a play, or digits; what is over is over: no harm is done."""
        playing = self._plays.get((owner, command.play))
        if playing is not None:
            self._end(playing, "stopped")
            return DONE
        for leg in list(self._engine.legs.names.values()):
            if (
                leg.owner == owner
                and leg.digits
                and self._engine.playout.digits.stop(leg, command.play, "stopped")
            ):
                break
        return DONE

    def send_digits(self, owner: str, command: say.SendDigits, _: Descriptors) -> Reply:
        """Queue digits."""
        leg = self._engine.legs.names.get((owner, command.leg))
        if leg is None:
            return Refused(Refusal.UNKNOWN_LEG, f"no leg is named {command.leg}")
        if leg.media is None:
            return Refused(Refusal.UNSUPPORTED, f"leg {command.leg} is one of PCM: it takes no digits")
        if any(order.play == command.play for order in leg.digits):
            return say.Started()
        if not self._engine.playout.digits.send(leg, command):
            return Refused(Refusal.FULL, "too many digits wait to be sent there")
        return say.Started()

    # --- taps -----------------------------------------------------------------------------------------------

    def tap(self, owner: str, command: say.Tap, _: Descriptors) -> Reply:
        """Begin to tap."""
        known = self._taps.get((owner, command.tap))
        if known is not None:
            return say.Started(known.outlet.number)
        place = self._place(owner, command.leg, command.bridge)
        if isinstance(place, Refused):
            return place
        if command.rate not in RATES or not 0 < len(command.peer.encode()) < 108 or "\0" in command.peer:
            return Refused(Refusal.UNSUPPORTED, f"expected a socket's path and a rate of {RATES}")
        if len(place.taps) >= MAX_TAPS:
            return Refused(Refusal.FULL, f"{MAX_TAPS} taps are there already")
        outlet = Outlet(self._pcm, command.peer, self.next_stream(), command.rate)
        tapping = Tapping(owner, command.tap, outlet, heard=command.heard)
        tapping.leg, tapping.bridge = (place, None) if isinstance(place, Leg) else (None, place)
        place.taps.append(tapping)
        self._taps[owner, command.tap] = tapping
        self._engine.touched(place)
        return say.Started(outlet.number)

    def untap(self, owner: str, command: say.Untap, _: Descriptors) -> Reply:
        """End a tap; one that is gone is gone."""
        tapping = self._taps.get((owner, command.tap))
        if tapping is not None:
            self._end_tap(tapping)
        return DONE

    # --- ends -----------------------------------------------------------------------------------------------

    def leg_gone(self, leg: Leg) -> None:
        """End what plays to a leg and taps it."""
        self._gone(leg, "leg-gone")

    def bridge_gone(self, bridge: Bridge) -> None:
        """End what plays to a bridge and taps it."""
        self._gone(bridge, "bridge-gone")

    def second(self) -> None:
        """End taps whose readers are gone."""
        for tapping in list(self._taps.values()):
            if tapping.outlet.gone:
                self._engine.tell(tapping.owner, say.TapLost(tapping.name, tapping.outlet.dropped))
                self._end_tap(tapping)

    def _gone(self, place: Leg | Bridge, reason: str) -> None:
        for playing in list(place.plays):
            if not isinstance(playing.sound, DigitsSound):
                self._end(playing, reason)
        for tapping in list(place.taps):
            self._end_tap(tapping)

    def _end(self, playing: Playing, reason: str) -> None:
        place = playing.leg or playing.bridge
        if place is not None and playing in place.plays:
            place.plays.remove(playing)
        playing.done = reason
        self._finished(playing)
        self._engine.touched(place)

    def _finished(self, playing: Playing) -> None:
        """Tell of a play that is over."""
        if isinstance(playing.sound, DigitsSound):
            if playing.leg is not None:
                self._engine.playout.digits.finished(playing.leg.slot, playing.done)
            return
        self._plays.pop((playing.owner, playing.name), None)
        if isinstance(playing.sound, StreamSound):
            self.streams.pop(playing.sound.number, None)
        self._engine.tell(playing.owner, finished_event(playing))

    def _end_tap(self, tapping: Tapping) -> None:
        place = tapping.leg or tapping.bridge
        if place is not None and tapping in place.taps:
            place.taps.remove(tapping)
        self._taps.pop((tapping.owner, tapping.name), None)
        tapping.outlet.end()
        self._engine.touched(place)

    def _place(self, owner: str, leg: str | None, bridge: str | None) -> Leg | Bridge | Refused:
        if (leg is None) == (bridge is None):
            return Refused(Refusal.MALFORMED, "expected either a leg or a bridge")
        if leg is not None:
            found = self._engine.legs.names.get((owner, leg))
            return found or Refused(Refusal.UNKNOWN_LEG, f"no leg is named {leg}")
        known = self._engine.bridges.get((owner, bridge or ""))
        return known or Refused(Refusal.UNKNOWN_BRIDGE, f"no bridge is named {bridge}")
