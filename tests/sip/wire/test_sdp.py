"""SDP as offers and answers bear it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.wire.errors import Malformed, TooLarge
from sip.wire.sdp import Crypto, Encoding, moved, next_version, parse_sdp

pytestmark = pytest.mark.wire

OFFER = b"""v=0\r
o=desk 7 8 IN IP4 10.0.0.9\r
s=-\r
c=IN IP4 10.0.0.9\r
t=0 0\r
a=sendrecv\r
m=audio 40000 RTP/SAVP 8 0 101 97\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=rtpmap:97 L16/16000/2\r
a=rtcp:40001 IN IP4 10.0.0.9\r
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r
a=ptime:20\r
a=sendonly\r
m=video 0 RTP/AVP 31\r
"""


def test_an_offer_says_what_it_offers() -> None:
    sdp = parse_sdp(OFFER)
    audio = sdp.audio
    assert audio is not None
    assert sdp.address(audio) == "10.0.0.9"
    assert audio.encodings == [
        Encoding(8, "PCMA", 8000),
        Encoding(0, "PCMU", 8000),
        Encoding(101, "TELEPHONE-EVENT", 8000, 1, "0-16"),
        Encoding(97, "L16", 16000, 2),
    ]
    assert sdp.direction(audio) == "sendonly"
    assert audio.cryptos == [Crypto(1, "AES_CM_128_HMAC_SHA1_80", "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz")]
    assert audio.attribute("ptime") == "20"


def test_what_is_read_is_written_the_same() -> None:
    assert parse_sdp(OFFER).octets() == OFFER


def test_the_address_of_nowhere_holds() -> None:
    sdp = parse_sdp(OFFER.replace(b"c=IN IP4 10.0.0.9", b"c=IN IP4 0.0.0.0").replace(b"a=sendonly\r\n", b""))
    assert sdp.audio is not None
    assert sdp.direction(sdp.audio) == "sendonly"


def test_moved_audio_goes_elsewhere_and_what_is_refused_stays_refused() -> None:
    sdp = parse_sdp(moved(parse_sdp(OFFER), "192.0.2.1", 20000).octets())
    assert sdp.audio is not None
    assert (sdp.address(sdp.audio), sdp.audio.port) == ("192.0.2.1", 20000)
    assert sdp.audio.attribute("rtcp") == "20001 IN IP4 192.0.2.1"
    assert sdp.media[1].port == 0
    assert sdp.origin.endswith("IN IP4 192.0.2.1")
    assert b"10.0.0.9" not in sdp.octets()


def test_a_changed_offer_has_the_next_version() -> None:
    assert next_version("desk 7 8 IN IP4 10.0.0.9") == "desk 7 9 IN IP4 10.0.0.9"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"s=-\r\n",
        OFFER.replace(b"o=desk 7 8 IN IP4 10.0.0.9\r\n", b""),
        OFFER.replace(b"o=desk 7 8", b"o=desk x 8"),
        OFFER.replace(b"c=IN IP4 10.0.0.9\r\n", b""),
        OFFER.replace(b"c=IN IP4", b"c=IN ATM"),
        OFFER.replace(b"m=audio 40000", b"m=audio 400000"),
        OFFER.replace(b"m=audio", b"m= audio"),
        OFFER.replace(b"t=0 0", b"nonsense"),
        OFFER.replace(b"t=0 0", b"t=0\x000"),
    ],
)
def test_what_is_no_sdp_is_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        parse_sdp(octets)


@pytest.mark.parametrize(
    "octets",
    [OFFER + b"a=x\r\n" * 500, OFFER + b"a=" + b"x" * 9000, OFFER * 1 + b"m=audio 1 RTP/AVP 0\r\n" * 20],
)
def test_sdp_beyond_the_ceilings_is_too_large(octets: bytes) -> None:
    with pytest.raises(TooLarge):
        parse_sdp(octets)


@given(st.binary(max_size=300))
def test_any_octets_are_sdp_or_malformed(octets: bytes) -> None:
    try:
        sdp = parse_sdp(b"v=0\r\n" + octets)
    except Malformed:
        return
    for media in sdp.media:
        _ = media.encodings, media.cryptos, sdp.direction(media)


@given(st.integers(0, len(OFFER) - 1), st.binary(max_size=8), st.integers(0, 30))
def test_a_mutated_offer_is_sdp_or_malformed(place: int, inserted: bytes, cut: int) -> None:
    try:
        sdp = parse_sdp(OFFER[:place] + inserted + OFFER[place + cut :])
    except Malformed:
        return
    for media in sdp.media:
        _ = media.encodings, media.cryptos, sdp.direction(media)
    parse_sdp(sdp.octets())
