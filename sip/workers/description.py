"""Our SDP, and the peer's: what goes into pjsip's offers and answers, what comes of theirs. Pure."""

from typing import Final

from sip.wire.errors import Malformed
from sip.wire.sdp import MediaSection, moved, parse_sdp
from sip.workers.messages import Codec, Place, Remote

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
"""The suite of every carrier (RFC 4568 §6.2.1)."""

_EVENTS: Final = "TELEPHONE-EVENT"
_KNOWN: Final = frozenset({"PCMU", "PCMA", "G722", "L16"})
_OURS: Final = ("ssrc", "X-nat", "crypto", "rtcp-mux")
"""Attributes of pjsip's own transport."""


def ours(written: str, place: Place, codecs: tuple[str, ...]) -> str:
    """Return pjsip's offer or answer with the engine's address, our codecs and our key.

    A medium that is no audio, and a second audio, get port 0 (RFC 3264 §6). Raises Malformed.
    """
    sdp = moved(parse_sdp(written.encode()), place.host, place.port)
    audio = sdp.audio
    for media in sdp.media:
        media.drop(*_OURS)
        if media is not audio:
            media.port = 0
    if audio is not None:
        _only(audio, codecs)
        if place.srtp_key and audio.protocol.startswith("RTP/SAVP"):
            audio.lines.append(("a", f"crypto:1 {SUITE} inline:{place.srtp_key}"))
    return sdp.octets().decode(errors="surrogateescape")


def _only(audio: MediaSection, codecs: tuple[str, ...]) -> None:
    """Leave the codecs that may be used, in their order, and telephone events; all when none is left."""
    wanted = {name: place for place, name in enumerate(codecs)}
    encodings = audio.encodings
    kept = sorted((each for each in encodings if each.name in wanted), key=lambda each: wanted[each.name])
    if not kept:
        return
    kept += [each for each in encodings if each.name == _EVENTS]
    audio.formats = [str(each.payload_type) for each in kept]
    audio.lines = [line for line in audio.lines if _kept(line, audio.formats)]


def _kept(line: tuple[str, str], formats: list[str]) -> bool:
    name, _, value = line[1].partition(":")
    return line[0] != "a" or name not in {"rtpmap", "fmtp"} or value.split(" ", 1)[0] in formats


def theirs(written: str, codec: str = "") -> Remote | None:
    """Return what a peer's SDP says about its audio; None when it has none, or what is none.

    `codec` is the one that was agreed; without it the first that the engine knows.
    """
    try:
        sdp = parse_sdp(written.encode(errors="surrogateescape"))
    except Malformed:
        return None
    audio = sdp.audio
    chosen = None if audio is None else _chosen(audio, codec)
    if audio is None or chosen is None:
        return None
    host = sdp.address(audio) or ""
    crypto = next((each for each in audio.cryptos if each.suite == SUITE), None)
    return Remote(
        host,
        audio.port,
        chosen,
        sdp.direction(audio),
        crypto.suite if crypto else "",
        crypto.key if crypto else "",
        _rtcp(audio, host),
    )


def _chosen(audio: MediaSection, codec: str) -> Codec | None:
    encodings = audio.encodings
    events = next(
        (each.payload_type for each in encodings if each.name == _EVENTS and each.rate == 8000), None
    )
    ptime = audio.attribute("ptime") or ""
    for each in encodings:
        if each.name in _KNOWN and each.name == (codec or each.name) and each.channels == 1:
            rate = 16000 if each.name == "G722" else each.rate
            return Codec(each.name, each.payload_type, rate, events, _ptime(ptime))
    return None


def _ptime(written: str) -> int:
    return int(written) if written in {"10", "20", "30", "40", "50", "60"} else 20


def _rtcp(audio: MediaSection, host: str) -> tuple[str, int] | None:
    parts = (audio.attribute("rtcp") or "").split()
    if not parts or not parts[0].isdigit() or not 0 < int(parts[0]) < 65536:
        return None
    return (parts[3] if len(parts) == 4 else host, int(parts[0]))


def body_of(message: str) -> str:
    """Return the body of a SIP message as pjsip prints it; empty when there is none."""
    return message.partition("\r\n\r\n")[2]
