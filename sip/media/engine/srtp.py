"""SRTP and SRTCP of legs with negotiated keys (RFC 3711, RFC 4568), by libsrtp: a packet at a time."""

from contextlib import suppress
from typing import Final

import numpy as np
from pylibsrtp import Error, Policy, Session

from sip.media.engine.legs import Leg, Legs
from sip.media.engine.packets import Inbox
from sip.media.kernels.types import Flags, Octets, Rows
from sip.media.protocol import Srtp

SUITES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}
KEY_OCTETS: Final = 30
"""Master key of 16 and salt of 14 (RFC 4568 §6.2)."""
LONGEST: Final = 1500 - 144
"""Octets that the library takes, its own trailer left room for."""


def refused(keys: Srtp) -> str:
    """Return why keys cannot be used, or nothing."""
    if keys.suite not in SUITES:
        return f"suite {keys.suite!r}: expected {' or '.join(SUITES)}"
    if len(keys.send) != KEY_OCTETS or len(keys.receive) != KEY_OCTETS:
        return f"keys of {len(keys.send)} and {len(keys.receive)} octets: expected {KEY_OCTETS} each"
    return ""


class Protection:
    """A leg's two sessions."""

    def __init__(self, keys: Srtp) -> None:
        profile = SUITES[keys.suite]
        self.keys = keys
        self._out = Session(Policy(keys.send, Policy.SSRC_ANY_OUTBOUND, 0, profile))
        self._in = Session(Policy(keys.receive, Policy.SSRC_ANY_INBOUND, 0, profile))

    def protect(self, packet: bytes) -> bytes:
        """Encrypt RTP; nothing when the library refuses it."""
        with suppress(Error, ValueError):
            return self._out.protect(packet)
        return b""

    def unprotect(self, packet: bytes) -> bytes:
        """Verify and decrypt RTP; nothing when it is broken, replayed or not from the peer."""
        with suppress(Error, ValueError):
            return self._in.unprotect(packet)
        return b""

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt RTCP."""
        with suppress(Error, ValueError):
            return self._out.protect_rtcp(packet)
        return b""

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Verify and decrypt RTCP."""
        with suppress(Error, ValueError):
            return self._in.unprotect_rtcp(packet)
        return b""


class Encryption:
    """Every leg's."""

    def __init__(self, legs: Legs) -> None:
        self._legs = legs

    @staticmethod
    def negotiate(leg: Leg) -> None:
        """Use a leg's keys; the same keys go on where they were, or replay protection would begin anew."""
        keys = leg.media.srtp if leg.media is not None else None
        if keys is None:
            leg.srtp = None
        elif leg.srtp is None or leg.srtp.keys != keys:
            leg.srtp = Protection(keys)

    def decrypt(self, inbox: Inbox, rows: Rows, slots: Rows) -> Flags:
        """Decrypt rows in place; tell which verified (R14: what does not costs itself alone)."""
        good = np.zeros(len(rows), np.bool_)
        for index, (row, slot) in enumerate(zip(rows.tolist(), slots.tolist(), strict=True)):
            leg = self._legs.records[slot]
            length = int(inbox.lengths[row])
            if leg is None or leg.srtp is None or not 12 <= length <= LONGEST:
                continue
            plain = leg.srtp.unprotect(inbox.data[row, :length].tobytes())
            if plain:
                inbox.data[row, : len(plain)] = np.frombuffer(plain, np.uint8)
                inbox.lengths[row] = len(plain)
                good[index] = True
        return good

    def encrypt(self, packet: Octets, length: int, slot: int) -> int:
        """Encrypt a packet in place; return its new length."""
        leg = self._legs.records[slot]
        if leg is None or leg.srtp is None or length > LONGEST:
            return 0
        sealed = leg.srtp.protect(packet[:length].tobytes())
        packet[: len(sealed)] = np.frombuffer(sealed, np.uint8)
        return len(sealed)
