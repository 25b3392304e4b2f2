"""From payloads to samples and back, in batches by codec; and resampling, with what each leg carries over."""

from typing import TYPE_CHECKING, Final

import numpy as np

from sip.media.engine.codecs import CODINGS, G722, PCMA, PCMU
from sip.media.kernels import g711, l16
from sip.media.kernels.resample import Resampler
from sip.media.kernels.types import Octets, Pcm, Rows

if TYPE_CHECKING:
    from sip.media.kernels.g722 import G722Codec


class Wideband:
    """G.722 coders, one a slot and way, made when they are first needed: the library's is per stream."""

    def __init__(self) -> None:
        self._coders: dict[int, G722Codec] = {}

    def decode(self, slots: Rows, octets: Octets, out: Pcm) -> None:
        """Decode rows; [n, 160] to [n, 320]."""
        for index, slot in enumerate(slots.tolist()):
            out[index] = self._of(slot).decode(octets[index])

    def encode(self, slots: Rows, pcm: Pcm, out: Octets) -> None:
        """Encode rows; [n, 320] to [n, 160]."""
        for index, slot in enumerate(slots.tolist()):
            out[index] = np.frombuffer(self._of(slot).encode(pcm[index]), np.uint8)

    def forget(self, slot: int) -> None:
        """Drop a slot's coder: its next packet begins anew."""
        self._coders.pop(slot, None)

    def _of(self, slot: int) -> "G722Codec":
        coder = self._coders.get(slot)
        if coder is None:
            from sip.media.kernels.g722 import G722Codec  # few engines have such legs

            coder = self._coders[slot] = G722Codec()
        return coder


class Rates:
    """Resamplers by pair of rates, made when they are first needed; a row is a slot."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._made: dict[tuple[int, int], Resampler] = {}

    def convert(self, slots: Rows, pcm: Pcm, source: int, target: int) -> Pcm:
        """Return samples at another rate; the same array when it is the same rate."""
        if source == target:
            return pcm
        resampler = self._made.get((source, target))
        if resampler is None:
            resampler = self._made[source, target] = Resampler(self._capacity, source, target)
        out = np.empty((len(pcm), pcm.shape[1] * target // source), np.int16)
        return resampler.process(slots, pcm, out)

    def forget(self, slot: int) -> None:
        """Begin anew with a slot."""
        for resampler in self._made.values():
            resampler.reset(np.array([slot]))


class Transcoder:
    """One direction's state of all legs: decoders, a resampler, encoders."""

    def __init__(self, capacity: int) -> None:
        self._decoders = Wideband()
        self._encoders = Wideband()
        self.rates: Final = Rates(capacity)

    def decode(self, codec: int, slots: Rows, octets: Octets) -> Pcm:
        """Return payloads of one codec and length, [n, octets], as samples at the codec's rate."""
        count, length = octets.shape
        if codec in (PCMU, PCMA):
            out = np.empty((count, length), np.int16)
            return g711.ulaw_decode(octets, out) if codec == PCMU else g711.alaw_decode(octets, out)
        if codec == G722:
            out = np.empty((count, 2 * length), np.int16)
            self._decoders.decode(slots, octets, out)
            return out
        return l16.decode(np.ascontiguousarray(octets), np.empty((count, length // 2), np.int16))

    def encode(self, codec: int, slots: Rows, pcm: Pcm) -> Octets:
        """Return samples at the codec's rate as payloads."""
        count, samples = pcm.shape
        if codec in (PCMU, PCMA):
            out = np.empty((count, samples), np.uint8)
            return g711.ulaw_encode(pcm, out) if codec == PCMU else g711.alaw_encode(pcm, out)
        if codec == G722:
            out = np.empty((count, samples // 2), np.uint8)
            self._encoders.encode(slots, pcm, out)
            return out
        return l16.encode(pcm, np.empty((count, 2 * samples), np.uint8))

    def transcode(self, codec: int, to: int, slots: Rows, octets: Octets) -> Octets:
        """Return payloads of one codec as another's; G.711's two directly, by the Recommendation's tables."""
        if codec == to:
            return octets
        if codec == PCMU and to == PCMA:
            return g711.ulaw_to_alaw(octets, np.empty_like(octets))
        if codec == PCMA and to == PCMU:
            return g711.alaw_to_ulaw(octets, np.empty_like(octets))
        pcm = self.decode(codec, slots, octets)
        pcm = self.rates.convert(slots, pcm, CODINGS[codec].rate, CODINGS[to].rate)
        return self.encode(to, slots, pcm)

    def forget(self, slot: int) -> None:
        """Begin anew with a slot."""
        self._decoders.forget(slot)
        self._encoders.forget(slot)
        self.rates.forget(slot)
