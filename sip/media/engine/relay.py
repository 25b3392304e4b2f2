"""Relaying: what one leg says goes out by the other as it comes, transcoded, in the tick in which it came.

Sequence numbers and timestamps keep their distances, so that loss and order stay visible to the peer, and
continue what the leg sent before; a source that begins anew is joined on where the last one ended.
"""

from typing import Final

import numpy as np

from sip.media.engine.codecs import CLOCKS, EVENT, NOISE, OCTETS
from sip.media.engine.intake import HEADER, Taken
from sip.media.engine.legs import NO_PAYLOAD_TYPE, Legs
from sip.media.engine.packets import Inbox
from sip.media.engine.sender import Sender
from sip.media.engine.transcoding import Transcoder
from sip.media.kernels.types import Octets, Rows
from sip.media.rtp.rounds import rounds

FRAME_US: Final = 20_000


class Relay:
    """Relays for all legs that are in a bridge of two."""

    def __init__(self, legs: Legs, sender: Sender, transcoder: Transcoder) -> None:
        self._legs = legs
        self._sender = sender
        self._transcoder = transcoder
        self.misfits: set[int] = set()
        """Slots whose packets have another length than their peers want: their bridges must play out."""

    def take(self, taken: Taken, inbox: Inbox, now_us: int) -> None:
        """Send on packets of relayed legs."""
        legs = self._legs
        peers = legs.peer[taken.slots].astype(np.intp)
        audio = taken.kinds < EVENT
        if not audio.all():
            taken, peers = self._mapped(taken, peers)
            audio = taken.kinds < EVENT
        if not len(taken):
            return
        for index in np.flatnonzero(~legs.anchored[taken.slots]).tolist():
            self._anchor(int(taken.slots[index]), int(peers[index]), taken, index, now_us)
        slots = taken.slots
        sequences = taken.sequences + legs.sequence_offset[slots]
        since = ((taken.stamps - legs.stamp_in[slots] + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        clock_in, clock_out = CLOCKS[legs.codec_in[slots]], CLOCKS[legs.codec[peers]]
        stamps = legs.stamp_out[slots] + since * clock_out // clock_in
        types = legs.payload_type[peers]
        if not audio.all():
            types = np.where(
                audio,
                types,
                np.where(taken.kinds == EVENT, legs.event_type[peers], legs.noise_type[peers]),
            )
        markers = taken.marker | legs.marker[peers]
        self._sender.send(
            peers, self._payloads(taken, peers, inbox), sequences, stamps, types, markers, now_us
        )

    def _payloads(self, taken: Taken, peers: Rows, inbox: Inbox) -> Octets | list[tuple[Rows, Octets]]:
        legs = self._legs
        audio = taken.kinds < EVENT
        codec_in = np.where(audio, taken.kinds - 1, 15)
        codec_out = np.where(audio, legs.codec[peers], 15)
        keys = codec_in.astype(np.int64) << 20 | codec_out.astype(np.int64) << 16 | taken.octets
        wanted = OCTETS[np.minimum(codec_in, 6)] * legs.ptime[peers] // 20
        misfit = audio & (taken.octets != wanted)
        if misfit.any():
            self.misfits.update(taken.slots[misfit].tolist())
        key = int(keys[0])
        every = np.arange(len(taken))
        if (keys == key).all():
            parts = self._transcoded(key, every, taken, inbox)
            return parts[0][1] if len(parts) == 1 else parts
        found: list[tuple[Rows, Octets]] = []
        for key in np.unique(keys).tolist():
            found += self._transcoded(key, every[keys == key], taken, inbox)
        return found

    def _transcoded(self, key: int, places: Rows, taken: Taken, inbox: Inbox) -> list[tuple[Rows, Octets]]:
        """Return the payloads of packets of one pair of codecs and one length."""
        codec, to, length = key >> 20, key >> 16 & 15, key & 0xFFFF
        rows, slots = taken.rows[places], taken.slots[places]
        octets = inbox.data[rows, HEADER : HEADER + length]
        if codec == to or codec + to == 1:  # copied, or one law into the other: nothing is carried over
            return [(places, self._transcoder.transcode(codec, to, slots, octets))]
        return [
            (places[part], self._transcoder.transcode(codec, to, slots[part], octets[part]))
            for part in rounds(slots)
        ]

    def _anchor(self, slot: int, peer: int, taken: Taken, index: int, now_us: int) -> None:
        """Join a source on where the leg's own stream is."""
        legs = self._legs
        if legs.anchored[slot]:
            return  # by a packet before this one
        legs.anchored[slot] = True
        legs.sequence_offset[slot] = legs.sequence[peer] + 1 - taken.sequences[index]
        legs.stamp_in[slot] = taken.stamps[index]
        frames = max(1, round((now_us - int(legs.stamped_us[peer])) / FRAME_US))
        legs.stamp_out[slot] = legs.timestamp[peer] + frames * legs.coding(peer).ticks
        legs.marker[peer] = True

    def _mapped(self, taken: Taken, peers: Rows) -> tuple[Taken, Rows]:
        """Leave out events and comfort noise that the peer does not take, without a gap in its numbers."""
        legs = self._legs
        refused = (taken.kinds == EVENT) & (legs.event_type[peers] == NO_PAYLOAD_TYPE)
        refused |= (taken.kinds == NOISE) & (legs.noise_type[peers] == NO_PAYLOAD_TYPE)
        if not refused.any():
            return taken, peers
        np.subtract.at(legs.sequence_offset, taken.slots[refused], 1)
        return taken.where(~refused), peers[~refused]
