"""What a worker says of a peer's SDP, as the engine takes it; and what offers are refused for. Pure."""

import base64
import binascii
from typing import Final

import msgspec

from sip.media.protocol import Address, Codec, Direction, Format, Latch, Media, Srtp
from sip.wire.errors import Malformed
from sip.wire.sdp import parse_sdp
from sip.workers.messages import Place, Remote

HELD: Final = frozenset({"sendonly", "inactive"})
"""What a peer says that holds us (RFC 3264 §8.4)."""

KEY_OCTETS: Final = 30
"""Master key and salt of AES_CM_128_HMAC_SHA1_80 (RFC 4568 §6.1)."""

_NOWHERE: Final = frozenset({"", "0.0.0.0"})  # noqa: S104 - compared, not bound
_STATIC: Final = {Codec.PCMU: (0, 8000), Codec.PCMA: (8, 8000), Codec.G722: (9, 16_000)}
_NOISE: Final = 13
"""RFC 3389 §4."""

_OURS: Final = {
    "sendrecv": Direction.SENDRECV,
    "sendonly": Direction.RECVONLY,
    "recvonly": Direction.SENDONLY,
    "inactive": Direction.INACTIVE,
}
"""What we do, by what the peer says that it does (RFC 3264 §5.1)."""

SPARE: Final = Media(direction=Direction.INACTIVE, latch=Latch.NEVER, timeout=0.0)
"""A leg without a call: nothing goes in or out."""


class Usage(msgspec.Struct, frozen=True):
    """How a leg's audio is used, beside what its peer says."""

    latch: Latch = Latch.SIGNALLING
    signalling: str = ""
    """The peer's signalling address; empty: not known."""
    timeout: float = 60.0
    holding: bool = False
    """Whether we hold the peer."""
    secret: bool = False
    """Whether audio may be encrypted."""


def media_of(remote: Remote, place: Place, usage: Usage, before: Media | None = None) -> Media | None:
    """Return what the engine is told; None when it cannot be used, and everything stays as it was.

    `before` is what it was told last: an address of 0.0.0.0 holds, and leaves the address as it was.
    """
    codec = Codec(remote.codec.name) if remote.codec.name in set(Codec) else None
    if codec is None or ":" in remote.host:
        return None
    nowhere = remote.host in _NOWHERE or not remote.port
    held = nowhere or is_held(remote)
    direction = _OURS.get(remote.direction, Direction.SENDRECV)
    if usage.holding and direction is not Direction.INACTIVE:
        direction = Direction.INACTIVE if remote.direction == "sendonly" else Direction.SENDONLY
    keys = _keys(remote, place) if usage.secret else None
    if remote.srtp_key and keys is None:  # sent in the clear it would be noise to the peer
        return None
    known = before.remote if before is not None else None
    address = known if nowhere else Address(remote.host, remote.port)
    return Media(
        remote=address,
        formats=_formats(codec, remote),
        telephone_event=remote.codec.telephone_event,
        comfort_noise=_NOISE,
        direction=direction,
        latch=usage.latch,
        signalling=usage.signalling,
        rtcp=None if remote.rtcp is None or nowhere else _rtcp(remote),
        srtp=keys,
        timeout=0.0 if held or usage.holding else usage.timeout,
    )


def is_held(remote: Remote) -> bool:
    """Tell whether a peer's SDP holds us."""
    return remote.direction in HELD or remote.host in _NOWHERE


def _formats(codec: Codec, remote: Remote) -> tuple[Format, ...]:
    """Return the codec that was agreed, and behind it the well-known ones: peers may change unasked."""
    chosen = Format(codec, remote.codec.payload_type, remote.codec.rate, remote.codec.ptime)
    return (
        chosen,
        *(
            Format(each, number, rate, remote.codec.ptime)
            for each, (number, rate) in _STATIC.items()
            if each is not codec and number != remote.codec.payload_type
        ),
    )


def _rtcp(remote: Remote) -> Address | None:
    assert remote.rtcp is not None
    host, port = remote.rtcp
    return None if ":" in host or host in _NOWHERE else Address(host, port)


def _keys(remote: Remote, place: Place) -> Srtp | None:
    if not remote.srtp_key:
        return None
    try:
        send, receive = (base64.b64decode(key, validate=True) for key in (place.srtp_key, remote.srtp_key))
    except binascii.Error:
        return None
    if len(send) != KEY_OCTETS or len(receive) != KEY_OCTETS:
        return None
    return Srtp(remote.srtp_suite, send, receive)


def objection(sdp: str, *, secret: bool, required: bool) -> str:
    """Return why an offer cannot be taken, for 488's Warning (RFC 3261 §20.43); empty when it can be tried.

    `secret`: whether audio may be encrypted here; `required`: whether it must be.
    """
    try:
        offer = parse_sdp(sdp.encode(errors="surrogateescape"))
    except Malformed:
        return "the session description cannot be read"
    audio = offer.audio
    if audio is None:
        return "no audio is offered"
    if ":" in (offer.address(audio) or ""):
        return "IPv6 is not supported"
    encrypted = audio.protocol.startswith(("RTP/SAVP", "UDP/TLS"))
    if encrypted and not secret:
        return "encrypted audio only with signalling by TLS"
    if required and not encrypted:
        return "encrypted audio is required"
    return ""
