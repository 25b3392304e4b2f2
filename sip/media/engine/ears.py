"""What legs of RTP say: jitter buffers, decoding, concealment and comfort noise, 20 ms at a time."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sip.media.engine.codecs import CODINGS, EVENT
from sip.media.engine.intake import HEADER, Taken
from sip.media.engine.legs import Legs
from sip.media.engine.packets import Inbox
from sip.media.engine.transcoding import Transcoder
from sip.media.kernels import noise
from sip.media.kernels.conceal import Concealer
from sip.media.kernels.energy import power
from sip.media.kernels.types import Floats, Pcm, Rows
from sip.media.rtp.jitter import JitterBuffers, Status

QUIET_DBM0: Final = -50.0
"""Below this a frame more or less is not heard: the jitter buffer changes its depth there."""
NOTHING: Final = -1


class Ears:
    """Buffers and decoders of every leg of RTP, by slot."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs
        self._transcoder = Transcoder(legs.capacity)
        self._buffers: dict[int, JitterBuffers] = {}
        self._concealers: dict[int, Concealer] = {}
        self._noise: noise.ComfortNoise | None = None
        self._noisy: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)
        """Whose peers sent comfort noise last."""
        self._codec: NDArray[np.int8] = np.full(legs.capacity, NOTHING, np.int8)
        """Whose frames are in a leg's buffer."""
        self._quiet: NDArray[np.bool_] = np.zeros(legs.capacity, np.bool_)

    def take(self, taken: Taken, inbox: Inbox) -> None:
        """Put packets of audio into their buffers."""
        taken = taken if (taken.kinds < EVENT).all() else taken.where(taken.kinds < EVENT)
        if not len(taken):
            return
        codec = (taken.kinds - np.uint8(1)).astype(np.int8)
        for index in np.flatnonzero(self._codec[taken.slots] != codec).tolist():
            if self._codec[taken.slots[index]] != codec[index]:
                self._change(int(taken.slots[index]), int(codec[index]))
        self._noisy[taken.slots] = False
        first = int(codec[0])
        if (codec == first).all():
            self._insert(first, taken, inbox)
            return
        for one in np.unique(codec).tolist():
            # of two codecs of one leg in one batch the last holds: its buffer was made for that
            fits = (codec == one) & (self._codec[taken.slots] == one)
            if fits.any():
                self._insert(one, taken.where(fits), inbox)

    def noise(self, slot: int, sequence: int, payload: NDArray[np.uint8]) -> None:
        """Take a packet of comfort noise (RFC 3389)."""
        if not len(payload):
            return
        if self._noise is None:
            self._noise = noise.ComfortNoise(self._legs.capacity)
        self._noise.set_level(np.array([slot]), noise.level(payload[None, :]))
        self._noisy[slot] = True
        self.passed(slot, sequence)

    def passed(self, slot: int, sequence: int) -> None:
        """Take note of a packet without audio: its number is no loss, and there is no audio beside it."""
        codec = int(self._codec[slot])
        if codec != NOTHING:
            self._buffer(codec).passed(np.array([slot]), np.array([sequence]), rests=True)

    def hear(self, slots: Rows, rate: int, now_us: int) -> tuple[Pcm, Floats]:
        """Return the frames of legs that are due, at `rate`, and their levels in dBm0."""
        frames = np.zeros((len(slots), rate // 50), np.int16)
        codecs = self._codec[slots]
        for codec in np.unique(codecs).tolist():
            if codec == NOTHING:
                continue
            which = np.flatnonzero(codecs == codec)
            heard = self._hear(codec, slots[which], now_us)
            frames[which] = self._transcoder.rates.convert(slots[which], heard, CODINGS[codec].rate, rate)
        level = power(frames)
        self._quiet[slots] = level < QUIET_DBM0
        return frames, level

    def counts(self, slot: int) -> tuple[int, int, int, int, float]:
        """Return late, duplicates, concealed, played and the depth in ms of a leg."""
        legs = self._legs
        before = (legs.late[slot], legs.duplicates[slot], legs.concealed[slot], legs.played[slot])
        late, duplicates, concealed, played = (int(one) for one in before)
        codec = int(self._codec[slot])
        if codec == NOTHING:
            return late, duplicates, concealed, played, 0.0
        buffer = self._buffer(codec)
        return (
            late + int(buffer.late[slot]),
            duplicates + int(buffer.duplicates[slot]),
            concealed + int(buffer.concealed[slot]),
            played + int(buffer.played[slot]),
            float(buffer.depth_ms(np.array([slot]))[0]),
        )

    def forget(self, slot: int) -> None:
        """Drop a leg: nobody may hear what it said."""
        self._codec[slot] = NOTHING
        self._noisy[slot] = self._quiet[slot] = False
        self._transcoder.forget(slot)

    def _change(self, slot: int, codec: int) -> None:
        """Begin with a codec; what the buffer of the one before counted is kept."""
        legs = self._legs
        legs.late[slot], legs.duplicates[slot], legs.concealed[slot], legs.played[slot], _ = self.counts(slot)
        coding, row = CODINGS[codec], np.array([slot])
        self._transcoder.forget(slot)
        self._codec[slot] = codec
        self._buffer(codec).reset(row, coding.octets, coding.ticks)
        self._concealer(coding.rate).reset(row)

    def _insert(self, codec: int, taken: Taken, inbox: Inbox) -> None:
        widest = int(taken.octets.max()) + HEADER
        self._buffer(codec).insert(
            taken.slots,
            taken.sequences,
            taken.stamps,
            inbox.data[taken.rows, :widest],
            np.full(len(taken), HEADER, np.intp),
            taken.octets,
            taken.arrived_us,
            taken.marker,
            taken.fresh,
        )

    def _hear(self, codec: int, slots: Rows, now_us: int) -> Pcm:
        """Return a frame of each slot, at the codec's own rate."""
        coding = CODINGS[codec]
        octets = np.empty((len(slots), coding.octets), np.uint8)
        status = np.empty(len(slots), np.uint8)
        self._buffer(codec).play(slots, now_us, octets, status, self._quiet[slots])
        concealer = self._concealer(coding.rate)
        good = status == Status.GOOD
        if good.all():
            return concealer.good(slots, self._transcoder.decode(codec, slots, octets))
        frames = np.zeros((len(slots), coding.samples), np.int16)
        if good.any():
            frames[good] = self._transcoder.decode(codec, slots[good], octets[good])
        empty = status == Status.EMPTY
        noisy = empty & self._noisy[slots]
        if noisy.any() and self._noise is not None:
            frames[noisy] = self._noise.process(slots[noisy], frames[noisy])
        kept = good | empty
        if kept.any():
            frames[kept] = concealer.good(slots[kept], frames[kept])
        lost = status == Status.LOST
        if lost.any():
            frames[lost] = concealer.lost(slots[lost], frames[lost])
        return frames

    def _buffer(self, codec: int) -> JitterBuffers:
        octets = CODINGS[codec].octets
        buffer = self._buffers.get(octets)
        if buffer is None:
            buffer = self._buffers[octets] = JitterBuffers(self._legs.capacity, octets)
        return buffer

    def _concealer(self, rate: int) -> Concealer:
        concealer = self._concealers.get(rate)
        if concealer is None:
            concealer = self._concealers[rate] = Concealer(self._legs.capacity, rate)
        return concealer
