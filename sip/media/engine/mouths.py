"""What legs of RTP are sent when they are played out: resampled, encoded, cut into packets."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.codecs import CODINGS, OCTETS, TICKS
from sip.media.engine.legs import NO_PAYLOAD_TYPE, Legs
from sip.media.engine.sender import Sender
from sip.media.engine.transcoding import Transcoder
from sip.media.kernels import noise
from sip.media.kernels.energy import power
from sip.media.kernels.types import Octets, Pcm, Rows

FRAME_US: Final = 20_000
NOISE_AFTER: Final = 10
"""Silent frames after which comfort noise is sent instead: 200 ms, the tail of a word."""
NOISE_EVERY: Final = 10
"""Frames between two packets of comfort noise: often enough for a peer that missed one."""
SILENT_DBM0: Final = -70.0
"""Below this there is nothing but the last bit."""


class Mouths:
    """Encoders, timestamps and unsent octets of every leg of RTP, by slot."""

    def __init__(self, legs: Legs, sender: Sender) -> None:
        self._legs = legs
        self._sender = sender
        self._transcoder = Transcoder(legs.capacity)
        self._running: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        self._stamp: NDArray[np.int64] = np.zeros(legs.capacity, np.int64)
        """Of the next frame."""
        self._silent: NDArray[np.int32] = np.zeros(legs.capacity, np.int32)
        self._rest: dict[int, tuple[int, bytearray]] = {}
        """Codec and octets that wait for a packet to be full, of legs whose packets are not of 20 ms."""

    def speak(self, slots: Rows, frames: Pcm, rate: int, now_us: int, held: NDArray[np.bool_]) -> None:
        """Send a frame to each leg; of those that are `held` (a digit is being sent) only time passes."""
        self._start(slots, now_us)
        legs = self._legs
        open_: NDArray[np.bool_] = legs.sends[slots] & (legs.remote[slots] != 0) & ~held
        quiet = self._quieten(slots, frames, open_, now_us)
        open_ &= ~quiet
        codecs = legs.codec[slots]
        for codec in np.unique(codecs[open_]).tolist():
            which = np.flatnonzero(open_ & (codecs == codec))
            some = slots[which]
            sound = self._transcoder.rates.convert(some, frames[which], rate, CODINGS[codec].rate)
            self._packets(codec, some, self._transcoder.encode(codec, some, sound), now_us)
        self._stamp[slots] += TICKS[codecs]

    @property
    def stamps(self) -> NDArray[np.int64]:
        """Timestamps of the legs' next frames, by slot."""
        return self._stamp

    def start(self, slot: int, now_us: int) -> None:
        """Let a leg's time run, if it does not."""
        self._start(np.array([slot]), now_us)

    def stop(self, slots: Rows) -> None:
        """Legs are relayed from now on: their time is the peer's."""
        self._running[slots] = False
        if self._rest:
            for slot in self._rest.keys() & set(slots.tolist()):
                del self._rest[slot]

    def forget(self, slot: int) -> None:
        """Drop a leg."""
        self.stop(np.array([slot]))
        self._silent[slot] = 0
        self._transcoder.forget(slot)

    def _start(self, slots: Rows, now_us: int) -> None:
        new = ~self._running[slots]
        if new.any():
            legs, some = self._legs, slots[new]
            frames = np.maximum(1, np.rint((now_us - legs.stamped_us[some]) / FRAME_US)).astype(np.int64)
            self._stamp[some] = legs.timestamp[some] + frames * TICKS[legs.codec[some]]
            self._running[some] = True
            legs.marker[some] = True

    def _packets(self, codec: int, slots: Rows, octets: Octets, now_us: int) -> None:
        plain = self._legs.ptime[slots] == 20
        if plain.all():
            self._send(slots, octets, self._stamp[slots], now_us)
            return
        if plain.any():
            self._send(slots[plain], octets[plain], self._stamp[slots[plain]], now_us)
        for index in np.flatnonzero(~plain).tolist():
            self._cut(codec, int(slots[index]), octets[index], now_us)

    def _cut(self, codec: int, slot: int, octets: NDArray[np.uint8], now_us: int) -> None:
        """Join or cut frames of a leg whose packets are longer or shorter."""
        before, rest = self._rest.get(slot, (codec, bytearray()))
        if before != codec:
            rest = bytearray()
        coding = CODINGS[codec]
        stamp = int(self._stamp[slot]) - len(rest) * coding.ticks // coding.octets
        rest += octets.tobytes()
        size = int(OCTETS[codec]) * int(self._legs.ptime[slot]) // 20
        one = np.array([slot])
        while len(rest) >= size:
            packet = np.frombuffer(bytes(rest[:size]), np.uint8)[None, :]
            self._send(one, packet, np.array([stamp]), now_us)
            del rest[:size]
            stamp += size * coding.ticks // coding.octets
        self._rest[slot] = codec, rest

    def _quieten(self, slots: Rows, frames: Pcm, open_: NDArray[np.bool_], now_us: int) -> NDArray[np.bool_]:
        """Send comfort noise to those who take it and hear nothing else; tell who they are."""
        legs = self._legs
        takes: NDArray[np.bool_] = (legs.noise_type[slots] != NO_PAYLOAD_TYPE) & open_
        if not takes.any():
            return takes
        which = np.flatnonzero(takes)
        some = slots[which]
        level = power(frames[which])
        silent = level < SILENT_DBM0
        ended = (self._silent[some] > NOISE_AFTER) & ~silent
        legs.marker[some[ended]] = True  # a talk spurt begins (RFC 3551 §4.1)
        self._silent[some] = np.where(silent, self._silent[some] + 1, 0)
        since = self._silent[some] - NOISE_AFTER
        quiet = np.zeros(len(slots), np.bool_)
        quiet[which] = since > 0
        due = (since > 0) & (since % NOISE_EVERY == 1)
        if due.any():
            at = some[due]
            self._sender.send(
                at,
                noise.payload(level[due]),
                legs.sequence[at] + 1,
                self._stamp[at],
                legs.noise_type[at],
                np.zeros(len(at), np.bool_),
                now_us,
            )
        return quiet

    def _send(self, slots: Rows, octets: Octets, stamps: NDArray[np.int64], now_us: int) -> None:
        legs = self._legs
        self._sender.send(
            slots,
            octets,
            legs.sequence[slots] + 1,
            stamps,
            legs.payload_type[slots],
            legs.marker[slots],
            now_us,
        )
